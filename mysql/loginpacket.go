package mysql

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// LoginPacket is the client's answer to the greeting,
// Protocol::HandshakeResponse41.
type LoginPacket struct {
	Capabilities Capability
	User         string
	Response     []byte // the response to the greeting's scramble; at most 250 bytes
	Database     string // only where Capabilities has ConnectWithDB
	Plugin       string // only where Capabilities has PluginAuth
	Attrs        map[string]string
}

// loginHeadLen is the length of loginHead, which alone is an SSLRequest.
const loginHeadLen = 32

// loginHead is what SSLRequest and the login packet have in common.
func loginHead(caps Capability) []byte {
	// utf8mb4_general_ci, which MySQL and MariaDB both know by this number.
	const charset = 45
	// What the real clients say: 16 MiB.
	const maxPacket = 1 << 24
	b := binary.LittleEndian.AppendUint32(nil, uint32(caps))
	b = binary.LittleEndian.AppendUint32(b, maxPacket)
	b = append(b, charset)
	return append(b, make([]byte, 23)...)
}

// Marshal returns the packet's payload. Attributes are in the order of their names.
func (p *LoginPacket) Marshal() []byte {
	b := append(loginHead(p.Capabilities), p.User...)
	b = append(b, 0)
	// Below 251 a length byte and a length-encoded integer are the same.
	b = append(b, byte(len(p.Response)))
	b = append(b, p.Response...)
	if p.Capabilities.Has(ConnectWithDB) {
		b = append(append(b, p.Database...), 0)
	}
	if p.Capabilities.Has(PluginAuth) {
		b = append(append(b, p.Plugin...), 0)
	}
	if p.Capabilities.Has(ConnectAttrs) {
		var all []byte
		for _, k := range slices.Sorted(maps.Keys(p.Attrs)) {
			all = appendLenenc(appendLenenc(all, k), p.Attrs[k])
		}
		b = append(appendLenencInt(b, len(all)), all...)
	}
	return b
}

// IsSSLRequest reports whether a client's first packet asks for TLS instead of
// logging in.
func IsSSLRequest(b []byte) bool {
	return len(b) == loginHeadLen && Capability(binary.LittleEndian.Uint32(b)).Has(SSL)
}

// ParseLogin reads a login packet: for servers in tests, and for whoever plays
// the server to a driver.
func ParseLogin(b []byte) (*LoginPacket, error) {
	f := fields(b)
	head, ok := f.bytes(loginHeadLen)
	if !ok {
		return nil, fmt.Errorf("%w: login packet cut short", ErrMalformed)
	}
	p := &LoginPacket{Capabilities: Capability(binary.LittleEndian.Uint32(head))}
	if !p.Capabilities.Has(Protocol41 | SecureConn) {
		return nil, fmt.Errorf("%w: login packet of before MySQL 4.1", ErrMalformed)
	}
	if p.User, ok = f.null(maxName); !ok {
		return nil, fmt.Errorf("%w: login packet without a user", ErrMalformed)
	}
	n, ok := f.uint8()
	if !ok || n > 250 {
		return nil, fmt.Errorf("%w: login packet with too long a response", ErrMalformed)
	}
	if p.Response, ok = f.bytes(int(n)); !ok {
		return nil, fmt.Errorf("%w: login packet cut short", ErrMalformed)
	}
	if p.Capabilities.Has(ConnectWithDB) {
		if p.Database, ok = f.null(maxName); !ok {
			return nil, fmt.Errorf("%w: login packet without its database", ErrMalformed)
		}
	}
	if p.Capabilities.Has(PluginAuth) {
		if p.Plugin, ok = f.null(maxName); !ok {
			return nil, fmt.Errorf("%w: login packet without its plugin", ErrMalformed)
		}
	}
	if p.Capabilities.Has(ConnectAttrs) {
		all, ok := f.lenencBytes()
		if !ok {
			return nil, fmt.Errorf("%w: login packet without its attributes", ErrMalformed)
		}
		if p.Attrs, ok = parseAttrs(all); !ok {
			return nil, fmt.Errorf("%w: connection attributes cut short", ErrMalformed)
		}
	}
	return p, nil
}

func parseAttrs(all fields) (map[string]string, bool) {
	attrs := map[string]string{}
	for len(all) > 0 {
		k, okKey := all.lenencBytes()
		v, okValue := all.lenencBytes()
		if !okKey || !okValue {
			return nil, false
		}
		attrs[string(k)] = string(v)
	}
	return attrs, true
}
