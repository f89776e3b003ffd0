"""Says what MIT's libkrb5 makes of krb5.conf files.

Reads one JSON object a line: {"config": KRB5_CONFIG, "hosts": [...]}; writes
one a line. Run where DNS answers or fails at once."""
import ctypes as c
import json
import os
import sys

lib = c.CDLL("libkrb5.so.3")
lib.error_message = c.CDLL("libcom_err.so.2").error_message
lib.error_message.restype = c.c_char_p
free = c.CDLL(None).free
free.argtypes = [c.c_void_p]


class Data(c.Structure):
    _fields_ = [("magic", c.c_int32), ("length", c.c_uint), ("data", c.c_char_p)]


class Entry(c.Structure):
    _fields_ = [("hostname", c.c_char_p), ("port", c.c_int), ("transport", c.c_int), ("uri_path", c.c_char_p),
                ("family", c.c_int), ("primary", c.c_int), ("addrlen", c.c_size_t), ("addr", c.c_char * 128)]


class List(c.Structure):
    _fields_ = [("servers", c.POINTER(Entry)), ("n", c.c_size_t)]


def text(b):
    return b.decode("utf-8", "replace")


def etypes(call, *args):
    p = c.POINTER(c.c_int32)()
    if call(*args, c.byref(p)):
        return []
    out, i = [], 0
    while p[i]:
        out.append(p[i])
        i += 1
    return out


def names(profile, *path):
    """The names of the subsections at a path."""
    arr = (c.c_char_p * (len(path) + 1))(*[p.encode() for p in path], None)
    p = c.POINTER(c.c_char_p)()
    if lib.profile_get_subsection_names(profile, arr, c.byref(p)):
        return []
    out, i = [], 0
    while p[i]:
        out.append(text(p[i]))
        i += 1
    return out


def values(profile, *path):
    arr = (c.c_char_p * (len(path) + 1))(*[p.encode("utf-8", "surrogateescape") for p in path], None)
    p = c.POINTER(c.c_char_p)()
    if lib.profile_get_values(profile, arr, c.byref(p)):
        return []
    out, i = [], 0
    while p[i]:
        out.append(text(p[i]))
        i += 1
    return out


def read(q):
    os.environ["KRB5_CONFIG"] = q["config"]
    ctx = c.c_void_p()
    code = lib.krb5_init_context(c.byref(ctx))
    if code:
        return {"error": text(lib.error_message(c.c_long(code)))}
    out = {"error": ""}
    profile = c.c_void_p()
    lib.krb5_get_profile(ctx, c.byref(profile))
    buf = c.c_char_p()
    if q.get("dump") and lib.profile_flush_to_buffer(profile, c.byref(buf)) == 0:
        out["dump"] = text(buf.value)
    realm = c.c_char_p()
    out["default_realm"] = text(realm.value) if lib.krb5_get_default_realm(ctx, c.byref(realm)) == 0 else ""
    out["ticket"] = etypes(lib.krb5_get_default_in_tkt_ktypes, ctx)
    out["service"] = etypes(lib.krb5_get_tgs_ktypes, ctx, None)
    out["permitted"] = etypes(lib.krb5_get_permitted_enctypes, ctx)
    out["hosts"], out["fallback"] = {}, {}
    for h in q.get("hosts", []):
        p = c.POINTER(c.c_char_p)()
        if lib.krb5_get_host_realm(ctx, h.encode(), c.byref(p)) == 0:
            out["hosts"][h] = text(p[0])
            if p[0] == b"":
                d = Data(0, len(h), h.encode())
                if lib.krb5_get_fallback_host_realm(ctx, c.byref(d), c.byref(p)) == 0:
                    out["fallback"][h] = text(p[0])
    out["realms"] = {}
    for r in set(names(profile, "realms")):
        if not values(profile, "realms", r, "kdc"):
            continue
        d, lst = Data(0, len(r.encode()), r.encode()), List()
        code = lib.k5_locate_kdc(ctx, c.byref(d), c.byref(lst), 0, 0)
        if code:
            out["realms"][r] = None
            continue
        out["realms"][r] = ["%s %d" % (text(lst.servers[i].hostname), lst.servers[i].port) for i in range(lst.n)]
    for name, default in (("rdns", 1), ("dns_canonicalize_hostname", 1)):
        v = c.c_int(-1)
        code = lib.profile_get_boolean(profile, b"libdefaults", name.encode(), None, default, c.byref(v))
        out[name] = "error" if code else bool(v.value)
    v = c.c_int(-1)
    code = lib.profile_get_integer(profile, b"libdefaults", b"udp_preference_limit", None, 1465, c.byref(v))
    out["udp"] = "error" if code else v.value
    lib.profile_release(profile)
    lib.krb5_free_context(ctx)
    return out


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))), flush=True)
