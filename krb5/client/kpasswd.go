package client

import (
	"encoding/binary"
	"fmt"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// kpasswdHeader is message length, version and AP-REQ (or AP-REP) length,
// 16 bits each (RFC 3244 §2).
const kpasswdHeader = 6

// kpasswdVersion is 1 for a password change and in every reply (RFC 3244 §2).
const kpasswdVersion = 1

// KpasswdProbe is a request that kpasswd servers refuse with a KRB-ERROR that
// carries their time and realm. It names no account and changes nothing: its
// AP-REQ breaks off after the version number, its KRB-PRIV is empty. Servers
// stay silent on less (an empty AP-REQ, another version).
func KpasswdProbe() []byte {
	apReq := []byte{0x6e, 0x03, 0x30, 0x01, 0x00}
	krbPriv := []byte{0x75, 0x02, 0x30, 0x00}
	n := kpasswdHeader + len(apReq) + len(krbPriv)
	b := binary.BigEndian.AppendUint16(nil, uint16(n))
	b = binary.BigEndian.AppendUint16(b, kpasswdVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(apReq)))
	return append(append(b, apReq...), krbPriv...)
}

// ParseKpasswdReply reads the refusal that KpasswdProbe gets: no AP-REP and a
// KRB-ERROR, or the KRB-ERROR alone (RFC 3244 §2). Anything else is an error that
// wraps kdcwire.ErrNotKerberos.
func ParseKpasswdReply(b []byte) (*kdcwire.KRBError, error) {
	proof, rest, err := splitKpasswdReply(b)
	if err != nil {
		return nil, err
	}
	if len(proof) != 0 {
		return nil, fmt.Errorf("reading kpasswd reply: an AP-REP of %d bytes for a broken request: %w", len(proof), kdcwire.ErrNotKerberos)
	}
	e, err := kdcwire.ParseError(rest)
	if err != nil {
		return nil, fmt.Errorf("reading kpasswd reply: %w", err)
	}
	return e, nil
}

// splitKpasswdReply returns the AP-REP, which is empty in a refusal, and what
// follows it: a KRB-PRIV or a KRB-ERROR. A server that could not read the AP-REQ
// may send the KRB-ERROR "without encapsulation" (RFC 3244 §2), as Active Directory
// does for version 1 (says MIT's client). Its first byte tells: taken as a length
// it would be 32,346 or so, longer than any reply.
func splitKpasswdReply(b []byte) (proof, rest []byte, err error) {
	if kdcwire.IsError(b) {
		return nil, b, nil
	}
	if len(b) < kpasswdHeader {
		return nil, nil, fmt.Errorf("reading kpasswd reply of %d bytes: %w", len(b), kdcwire.ErrNotKerberos)
	}
	if n := int(binary.BigEndian.Uint16(b)); n != len(b) {
		return nil, nil, fmt.Errorf("reading kpasswd reply: its header announces %d bytes, it has %d: %w", n, len(b), kdcwire.ErrNotKerberos)
	}
	// Some servers repeat the version of the request, which MIT's client accepts.
	if v := binary.BigEndian.Uint16(b[2:]); v != kpasswdVersion && v != kpasswdSetVersion {
		return nil, nil, fmt.Errorf("reading kpasswd reply: version %#x: %w", v, kdcwire.ErrNotKerberos)
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n > len(b)-kpasswdHeader {
		return nil, nil, fmt.Errorf("reading kpasswd reply: an AP-REP of %d bytes in a reply of %d: %w", n, len(b), kdcwire.ErrNotKerberos)
	}
	return b[kpasswdHeader:][:n], b[kpasswdHeader+n:], nil
}
