#!/usr/bin/python3
"""Minimal MySQL server that only does authentication_kerberos: the server side of Oracle's Enterprise plugin, with the
AP-REQ really checked by MIT's GSSAPI against a keytab.

usage: KRB5_KTNAME=KEYTAB fakemysql.py PORT SPN REALM
"""
import socket
import struct
import sys
import threading

import gssapi

DEPRECATE_EOF = 0x1000000
# LONG_PASSWORD LONG_FLAG CONNECT_WITH_DB PROTOCOL_41 TRANSACTIONS SECURE_CONNECTION PLUGIN_AUTH DEPRECATE_EOF
CAPS = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x80000 | DEPRECATE_EOF
OK = b'\0\0\0\x02\0\0\0'
EOF = b'\xfe\0\0\x02\0'
SALT = bytes(range(1, 21))


def say(*what):
    print(*what, flush=True)


def error(code, state, text):
    return b'\xff' + struct.pack('<H', code) + b'#' + state.encode() + text.encode()


def lenenc(b):
    return bytes([len(b)]) + b


class Packets:
    """MySQL packets over a socket."""

    def __init__(self, sock):
        self.sock, self.seq = sock, 0

    def _exactly(self, n):
        b = b''
        while len(b) < n:
            c = self.sock.recv(n - len(b))
            if not c:
                raise EOFError('client closed')
            b += c
        return b

    def send(self, payload):
        self.sock.sendall(struct.pack('<I', len(payload))[:3] + bytes([self.seq]) + payload)
        self.seq = (self.seq + 1) & 255

    def recv(self):
        h = self._exactly(4)
        self.seq = (h[3] + 1) & 255
        return self._exactly(h[0] | h[1] << 8 | h[2] << 16)


def greeting():
    return (b'\x0a' + b'9.7.4-fake\0' + struct.pack('<I', 7) + SALT[:8] + b'\0' + struct.pack('<H', CAPS & 0xffff)
            + b'\x2d' + struct.pack('<H', 2) + struct.pack('<H', CAPS >> 16) + bytes([21]) + b'\0' * 10
            + SALT[8:] + b'\0' + b'caching_sha2_password\0')


def login(p, spn, realm):
    """Returns (user, client capabilities), or None after an error has been sent."""
    p.send(greeting())
    r = p.recv()
    caps, user = struct.unpack('<I', r[:4])[0], r[32:r.index(b'\0', 32)].decode()
    say('login', user, 'client capabilities %#x' % caps)
    p.send(b'\xfe' + b'authentication_kerberos_client\0'
           + struct.pack('<H', len(spn)) + spn.encode() + struct.pack('<H', len(realm)) + realm.encode())
    ctx = gssapi.SecurityContext(creds=gssapi.Credentials(usage='accept'), usage='accept')
    while True:
        token = p.recv()
        say('token', len(token), token[:24].hex())
        out = ctx.step(token)
        if out:
            p.send(b'\x01' + out)
        if ctx.complete:
            break
    who = str(ctx.initiator_name)
    mutual = ctx.actual_flags & gssapi.RequirementFlag.mutual_authentication
    say('accepted', who, 'mutual' if mutual else 'not mutual')
    if who != f'{user}@{realm}':
        p.send(error(1045, '28000', f"Access denied for user '{user}'"))
        return None
    p.send(OK)
    return user, caps


def serve(sock, spn, realm):
    p = Packets(sock)
    try:
        who = login(p, spn, realm)
        if not who:
            return
        user, caps = who
        while True:
            q = p.recv()
            if q[0] == 1:  # COM_QUIT
                return
            if q[0] == 3 and b'user' in q.lower():  # COM_QUERY select current_user()
                p.send(b'\x01')
                p.send(lenenc(b'def') + b'\0\0\0' + lenenc(b'current_user()') + b'\0' + b'\x0c'
                       + struct.pack('<HIBHB', 45, 400, 253, 0, 0) + b'\0\0')
                if not caps & DEPRECATE_EOF:
                    p.send(EOF)
                p.send(lenenc((user + '@%').encode()))
                p.send(b'\xfe\0\0\x02\0\0\0' if caps & DEPRECATE_EOF else EOF)
            else:
                p.send(OK)
    except Exception as e:  # whatever a client does, the next one is served
        say('error', type(e).__name__, e)
    finally:
        sock.close()


def main():
    port, spn, realm = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    listener = socket.create_server(('::', port), family=socket.AF_INET6, dualstack_ipv6=True)
    say('listening')
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, spn, realm), daemon=True).start()


if __name__ == '__main__':
    main()
