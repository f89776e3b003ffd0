"""Says what Heimdal's libkrb5 makes of krb5.conf files; see mit.py. Run with
LD_LIBRARY_PATH naming its libraries, where DNS answers or fails at once."""
import ctypes as c
import json
import os
import sys

lib = c.CDLL("libkrb5.so.26")
lib.krb5_config_get_strings.restype = c.c_void_p
AS, TGS, NONE = 2, 4, 11  # krb5_pdu


def text(b):
    return b.decode("utf-8", "replace")


def strings(p):
    out, i = [], 0
    while p[i]:
        out.append(text(p[i]))
        i += 1
    return out


def types(ctx, pdu):
    p = c.POINTER(c.c_int32)()
    if lib.krb5_get_default_in_tkt_etypes(ctx, pdu, c.byref(p)):
        return []
    out, i = [], 0
    while p[i]:
        out.append(p[i])
        i += 1
    return out


def get(ctx, *names):
    f = lib.krb5_config_get_string
    f.restype = c.c_char_p
    v = f(ctx, None, *[n.encode() for n in names], None)
    return "" if v is None else text(v)


def read(q):
    os.environ["KRB5_CONFIG"] = q["config"]
    ctx = c.c_void_p()
    code = lib.krb5_init_context(c.byref(ctx))
    if code:
        return {"error": str(code)}
    out = {"error": "", "hosts": {}, "realms": {}}
    out["default_realm"] = ""
    if get(ctx, "libdefaults", "default_realm"):  # else Heimdal asks DNS about this host's own name
        realm = c.c_char_p()
        if lib.krb5_get_default_realm(ctx, c.byref(realm)) == 0:
            out["default_realm"] = text(realm.value)
    out["ticket"], out["service"], out["permitted"] = types(ctx, AS), types(ctx, TGS), types(ctx, NONE)
    for h in q.get("hosts", []):
        p = c.POINTER(c.c_char_p)()
        if "." in h and lib._krb5_get_host_realm_int(ctx, h.encode(), 0, c.byref(p)) == 0:
            out["hosts"][h] = text(p[0])
    for r in q.get("realms", []):
        if not lib.krb5_config_get_strings(ctx, None, b"realms", r.encode(), b"kdc", None):
            continue
        handle = c.c_void_p()
        out["realms"][r] = []
        if lib.krb5_krbhst_init(ctx, r.encode(), 1, c.byref(handle)):
            continue
        buf = c.create_string_buffer(1024)
        while lib.krb5_krbhst_next_as_string(ctx, handle, buf, 1024) == 0:
            out["realms"][r].append(text(buf.value))
    for name in ("dns_lookup_kdc", "dns_lookup_realm", "dns_canonicalize_hostname"):
        out[name] = bool(lib.krb5_config_get_bool_default(ctx, None, 1, b"libdefaults", name.encode(), None))
    lib.krb5_free_context(ctx)
    return out


# allow_weak_crypto is for good once a process has seen it, so each has its own.
for line in sys.stdin:
    if os.fork() == 0:
        print(json.dumps(read(json.loads(line))), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit("Heimdal died on " + line)
