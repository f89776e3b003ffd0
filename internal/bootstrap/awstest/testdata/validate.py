"""Checks calls against AWS's API models, as botocore carries them.

Standard input has one call a line: {"service", "action", "request", "response"
(base64), "status", "code"}. Each finding is printed in a line of its own. What
is checked: unknown and missing members, types, enums, patterns, lengths, and
that an error's code is one that the operation declares or that all services share.
"""
import base64
import datetime
import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ET

import botocore
import botocore.loaders
import botocore.model

# Codes that the models do not list with each operation ("Common errors").
COMMON = {
    "query": {"MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken", "AccessDenied", "Throttling",
              "InternalFailure", "ServiceUnavailable", "InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "InvalidAction"},
    "json": {"MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException",
             "AccessDeniedException", "ThrottlingException", "InternalFailure", "ServiceUnavailable", "SerializationException", "ValidationException"},
}

# Members that AWS added later than Debian 12's botocore, 1.29.27.
LATER = {"RDS": {"MasterUserSecret", "ManageMasterUserPassword", "MasterUserSecretKmsKeyId"}}


class Checker:
    def __init__(self, model):
        self.model, self.problems, self.protocol = model, [], model.metadata["protocol"]

    def say(self, path, what):
        self.problems.append("%s: %s" % (path or "(top)", what))

    def scalar(self, shape, value, path):
        kind = shape.type_name
        if kind == "string":
            if not isinstance(value, str):
                return self.say(path, "want a string, have %r" % (value,))
            if getattr(shape, "enum", None) and value not in shape.enum:
                self.say(path, "%r is none of %s" % (value, shape.enum))
            pattern = shape.metadata.get("pattern")
            if pattern and shape.name != "AliasName":  # an alias that nobody chose is the directory's id
                pattern = pattern.replace("\\p{LD}", "[A-Za-z0-9]").replace("\\p{Punct}", "[!-/:-@[-`{-~]")  # Java's classes
                try:
                    if not re.search(pattern, value):
                        self.say(path, "the value does not fit the pattern %s" % pattern)
                except re.error:
                    pass  # a pattern of Java's that Python cannot read
            self.length(shape, len(value), path)
        elif kind in ("integer", "long"):
            if isinstance(value, bool) or not isinstance(value, int):
                return self.say(path, "want a whole number, have %r" % (value,))
            self.length(shape, value, path)
        elif kind in ("float", "double"):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                self.say(path, "want a number, have %r" % (value,))
        elif kind == "boolean":
            if not isinstance(value, bool):
                self.say(path, "want true or false, have %r" % (value,))
        elif kind == "timestamp":
            if isinstance(value, str):
                try:
                    datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
                except ValueError:
                    self.say(path, "%r is no time" % value)
            elif self.protocol != "json" or isinstance(value, bool) or not isinstance(value, (int, float)):
                self.say(path, "want a time, have %r" % (value,))
        else:
            self.say(path, "the checker knows no %s" % kind)

    def length(self, shape, n, path):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and n < low or high is not None and n > high:
            self.say(path, "%s is not within %s to %s" % (n, low, high))

    def required(self, shape, have, path):
        for name in shape.required_members:
            if name not in have:
                self.say(path, "%s is missing" % name)

    def unknown(self, path, name):
        if name not in LATER.get(self.model.metadata["serviceId"], ()):
            self.say(path, "the model has no member %s" % name)

    # JSON

    def json(self, shape, value, path=""):
        if shape.type_name == "structure":
            if not isinstance(value, dict):
                return self.say(path, "want an object, have %r" % (value,))
            self.required(shape, value, path)
            for name, v in value.items():
                if name in shape.members:
                    self.json(shape.members[name], v, path + "." + name)
                else:
                    self.unknown(path, name)
        elif shape.type_name == "list":
            if not isinstance(value, list):
                return self.say(path, "want a list, have %r" % (value,))
            self.length(shape, len(value), path)
            for i, v in enumerate(value):
                self.json(shape.member, v, "%s[%d]" % (path, i))
        elif shape.type_name == "map":
            for k, v in value.items():
                self.json(shape.key, k, path + ".key")
                self.json(shape.value, v, path + "." + k)
        else:
            self.scalar(shape, value, path)

    # Query requests

    def typed(self, shape, text):
        """typed gives a text of a form or of XML as the type that it should be."""
        kind = shape.type_name
        try:
            if kind in ("integer", "long"):
                return int(text)
            if kind in ("float", "double"):
                return float(text)
        except ValueError:
            return text
        if kind == "boolean":
            return {"true": True, "false": False}.get(text, text)
        return text

    def query_name(self, member, name):
        s = member.serialization
        if self.protocol == "ec2":
            if "queryName" in s:
                return s["queryName"]
            n = s.get("name", name)
            return n[0].upper() + n[1:]
        return s.get("name", name)

    def form(self, shape, keys, prefix=""):
        """form checks the keys of a form that begin with prefix and takes them away."""
        if shape.type_name == "structure":
            have = set()
            for name, member in shape.members.items():
                key = prefix + self.query_name(member, name)
                if any(k == key or k.startswith(key + ".") for k in keys):
                    have.add(name)
                    self.form(member, keys, key if member.type_name not in ("structure",) else key + ".")
            self.required(shape, have, prefix)
        elif shape.type_name == "list":
            base = prefix
            if self.protocol != "ec2" and not shape.serialization.get("flattened"):
                base += "." + shape.member.serialization.get("name", "member")
            n = 1
            while any(k == "%s.%d" % (base, n) or k.startswith("%s.%d." % (base, n)) for k in keys):
                at = "%s.%d" % (base, n)
                self.form(shape.member, keys, at + "." if shape.member.type_name == "structure" else at)
                n += 1
            keys.pop(base, None)
        else:
            self.scalar(shape, self.typed(shape, keys.pop(prefix)), prefix)

    # XML answers

    def xml(self, shape, element, path=""):
        if shape.type_name == "structure":
            names = {self.xml_name(m, n): n for n, m in shape.members.items()}
            have = set()
            for child in element:
                tag = local(child)
                if tag not in names:
                    self.unknown(path, tag)
                    continue
                if names[tag] in have and not shape.members[names[tag]].serialization.get("flattened"):
                    self.say(path, "%s is there twice" % tag)
                have.add(names[tag])
                self.xml(shape.members[names[tag]], child, path + "." + names[tag])
            self.required(shape, have, path)
        elif shape.type_name == "list":
            want = shape.member.serialization.get("name", "member")
            for i, child in enumerate(element):
                if local(child) != want:
                    self.say(path, "want the element %s, have %s" % (want, local(child)))
                self.xml(shape.member, child, "%s[%d]" % (path, i))
        else:
            if len(element):
                self.say(path, "has elements in it")
            self.scalar(shape, self.typed(shape, element.text or ""), path)

    @staticmethod
    def xml_name(member, name):
        return member.serialization.get("name", name)


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def check(model, call):
    c = Checker(model)
    if call["action"] not in model.operation_names:
        return ["the model has no such action"]
    op = model.operation_model(call["action"])
    request, response = (base64.b64decode(call.get(k) or "") for k in ("request", "response"))
    if 200 <= call["status"] < 300:  # what was refused may have been refused for its form
        if c.protocol == "json":
            c.json(op.input_shape, json.loads(request or b"{}"), "request")
        else:
            keys = dict(urllib.parse.parse_qsl(request.decode(), keep_blank_values=True))
            if keys.pop("Action", "") != call["action"] or keys.pop("Version", "") != model.api_version:
                c.say("request", "Action or Version is another one")
            if op.input_shape:
                c.form(op.input_shape, keys)
            for k in keys:
                if k.split(".")[0] not in LATER.get(model.metadata["serviceId"], ()):
                    c.say("request", "the model has no parameter %s" % k)
        answer(c, op, response)
    elif call["status"]:
        codes = {s.metadata.get("error", {}).get("code", s.name) for s in op.error_shapes}
        if c.protocol != "ec2" and call["code"] not in codes | COMMON[c.protocol]:  # EC2's model declares no errors
            c.say("response", "the operation declares no error %s" % call["code"])
    return c.problems


def answer(c, op, response):
    if c.protocol == "json":
        return c.json(op.output_shape, json.loads(response), "response") if op.output_shape else None
    root = ET.fromstring(response)
    if local(root) != op.name + "Response" or not root.tag.startswith("{"):
        c.say("response", "the root element is %s" % root.tag)
    space = c.model.metadata.get("xmlNamespace")
    if space and root.tag != "{%s}%sResponse" % (space, op.name):
        c.say("response", "the namespace is not %s" % space)
    if c.protocol == "ec2":
        for child in [e for e in root if local(e) == "requestId"]:
            root.remove(child)
        return c.xml(op.output_shape, root, "response") if op.output_shape else None
    results = [e for e in root if local(e) == op.name + "Result"]
    if op.output_shape and results:
        return c.xml(op.output_shape, results[0], "response")
    if bool(op.output_shape) != bool(results):
        c.say("response", "the result element is missing, or too much")


def main():
    loader, models, checked = botocore.loaders.Loader(), {}, 0
    for line in sys.stdin:
        call = json.loads(line)
        service = call["service"]
        if service not in models:
            models[service] = botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)
        checked += 1
        for problem in check(models[service], call):
            print("%s %s: %s" % (service, call["action"], problem))
    print("checked %d calls against the models of botocore %s" % (checked, botocore.__version__), file=sys.stderr)


main()
