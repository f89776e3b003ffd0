package mysql

import (
	"encoding/binary"
	"fmt"
)

// Greeting is the server's first packet, Protocol::HandshakeV10.
type Greeting struct {
	Version      string // the server's version as it sent it: hostile text
	ConnectionID uint32
	Capabilities Capability
	Charset      byte
	Status       uint16
	Scramble     []byte // 20 bytes in practice: of no use to Kerberos
	Extended     uint32 // MariaDB's own flags; 0 where LongPassword is set
	Plugin       string // default authentication plugin: not the user's
}

// maxName is the longest version, plugin or user name taken. MySQL's own limit
// for a plugin name is 64, MariaDB's version strings reach 80.
const maxName = 255

// scrambleHead is how much of the scramble stands in the greeting's first part.
const scrambleHead = 8

// ParseGreeting reads a greeting's payload. Anything that is not wholly one
// is ErrMalformed.
func ParseGreeting(b []byte) (*Greeting, error) {
	f := fields(b)
	if version, ok := f.uint8(); !ok || version != 10 {
		return nil, fmt.Errorf("%w: no protocol version 10", ErrMalformed)
	}
	g := new(Greeting)
	var ok bool
	if g.Version, ok = f.null(maxName); !ok {
		return nil, fmt.Errorf("%w: greeting without a version", ErrMalformed)
	}
	head, ok := f.bytes(4 + scrambleHead + 1 + 2 + 1 + 2 + 2 + 1 + 6)
	if !ok {
		return nil, fmt.Errorf("%w: greeting cut short", ErrMalformed)
	}
	le := binary.LittleEndian
	g.ConnectionID = le.Uint32(head)
	g.Scramble = append(g.Scramble, head[4:12]...)
	g.Capabilities = Capability(le.Uint16(head[13:])) | Capability(le.Uint16(head[18:]))<<16
	g.Charset = head[15]
	g.Status = le.Uint16(head[16:])
	total := int(head[20])
	if g.Extended, ok = f.uint32(); !ok {
		return nil, fmt.Errorf("%w: greeting cut short", ErrMalformed)
	}
	if g.Capabilities.Has(LongPassword) {
		g.Extended = 0 // reserved there
	}
	if len(f) == 0 && !g.Capabilities.Has(SecureConn) {
		return g, nil // before MySQL 4.1 there is no second part
	}
	// The second part has at least 13 bytes, the last of them NUL.
	tail, ok := f.bytes(max(13, total-scrambleHead))
	if !ok {
		return nil, fmt.Errorf("%w: greeting cut short", ErrMalformed)
	}
	g.Scramble = append(g.Scramble, tail[:len(tail)-1]...)
	if g.Capabilities.Has(PluginAuth) {
		if g.Plugin, ok = f.null(maxName); !ok {
			return nil, fmt.Errorf("%w: greeting without a plugin name", ErrMalformed)
		}
	}
	if len(f) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the greeting", ErrMalformed, len(f))
	}
	return g, nil
}

// Marshal returns the payload that ParseGreeting reads: for servers in tests, and
// for whoever plays the server to a driver. The scramble must have 20 bytes or
// more, at most 246, or the 8 of a server before MySQL 4.1.
func (g *Greeting) Marshal() []byte {
	le := binary.LittleEndian
	b := append([]byte{10}, g.Version...)
	b = append(b, 0)
	b = le.AppendUint32(b, g.ConnectionID)
	b = append(b, g.Scramble[:scrambleHead]...)
	b = append(b, 0)
	b = le.AppendUint16(b, uint16(g.Capabilities))
	b = append(b, g.Charset)
	b = le.AppendUint16(b, g.Status)
	b = le.AppendUint16(b, uint16(g.Capabilities>>16))
	b = append(b, byte(len(g.Scramble)+1))
	b = append(b, make([]byte, 6)...)
	b = le.AppendUint32(b, g.Extended)
	if len(g.Scramble) == scrambleHead {
		return b // before MySQL 4.1 there is no second part
	}
	b = append(b, g.Scramble[scrambleHead:]...)
	b = append(b, 0)
	if g.Capabilities.Has(PluginAuth) {
		b = append(append(b, g.Plugin...), 0)
	}
	return b
}
