package mysql

import (
	"encoding/binary"
	"fmt"
)

// First bytes of a server's packet in the connection phase.
const (
	headOK         = 0x00
	headMore       = 0x01 // AuthMoreData
	headNextFactor = 0x02 // AuthNextFactor, MySQL 8.0.27 and later
	headLocalFile  = 0xfb
	headSwitch     = 0xfe // in a result set: EOF, or OK where DeprecateEOF was agreed
	headErr        = 0xff
)

// maxMessage is how much of an ERR text is kept; MySQL's own limit is 512 bytes.
const maxMessage = 1024

// ServerError is an ERR packet. Before the greeting there is no SQLSTATE.
type ServerError struct {
	Number  uint16 // 1045, 1129, …
	State   string // five characters, or empty
	Message string // hostile text, cut at 1,024 bytes
}

// Error returns the number, the state and the text.
func (e *ServerError) Error() string {
	if e.State == "" {
		return fmt.Sprintf("server error %d: %s", e.Number, e.Message)
	}
	return fmt.Sprintf("server error %d (%s): %s", e.Number, e.State, e.Message)
}

// parseError reads an ERR packet, first byte included.
func parseError(b []byte) (*ServerError, error) {
	f := fields(b)
	if head, ok := f.uint8(); !ok || head != headErr {
		return nil, fmt.Errorf("%w: no ERR packet", ErrMalformed)
	}
	number, ok := f.uint16()
	if !ok {
		return nil, fmt.Errorf("%w: ERR packet without a number", ErrMalformed)
	}
	e := &ServerError{Number: number}
	if len(f) >= 6 && f[0] == '#' {
		e.State = string(f[1:6])
		f = f[6:]
	}
	e.Message = string(f[:min(len(f), maxMessage)])
	return e, nil
}

// Marshal returns the packet's payload, for servers in tests.
func (e *ServerError) Marshal() []byte {
	b := binary.LittleEndian.AppendUint16([]byte{headErr}, e.Number)
	if e.State != "" {
		b = append(append(b, '#'), e.State...)
	}
	return append(b, e.Message...)
}

// Switch is an AuthSwitchRequest: which plugin the server wants to talk to, and
// what it says to it.
type Switch struct {
	Plugin string // hostile text, at most 255 bytes
	Data   []byte
}

// parseSwitch reads an AuthSwitchRequest or an AuthNextFactor, which have the
// same layout, first byte included. A lone 0xFE asks for the password of before
// MySQL 4.1.
func parseSwitch(b []byte) (*Switch, error) {
	f := fields(b)
	head, ok := f.uint8()
	if !ok || head != headSwitch && head != headNextFactor {
		return nil, fmt.Errorf("%w: no authentication switch", ErrMalformed)
	}
	if len(f) == 0 && head == headSwitch {
		return &Switch{Plugin: "mysql_old_password"}, nil
	}
	plugin, ok := f.null(maxName)
	if !ok {
		return nil, fmt.Errorf("%w: authentication switch without a plugin name", ErrMalformed)
	}
	return &Switch{Plugin: plugin, Data: f}, nil
}

// Marshal returns the payload of the AuthSwitchRequest, for servers in tests.
func (s *Switch) Marshal() []byte {
	b := append([]byte{headSwitch}, s.Plugin...)
	return append(append(b, 0), s.Data...)
}

// checkOK reads an OK packet, whose first byte was looked at by the caller: in a
// result set it is 0xFE.
func checkOK(b []byte) error {
	f := fields(b)
	_, head := f.uint8()
	_, affected := f.lenencInt()
	_, insert := f.lenencInt()
	_, statusAndWarnings := f.uint32()
	if !head || !affected || !insert || !statusAndWarnings {
		return fmt.Errorf("%w: OK packet cut short", ErrMalformed)
	}
	return nil
}

// Kind is what a packet of the authentication is.
type Kind int

// The kinds.
const (
	OK      Kind = iota // logged in
	More                // data for the plugin
	Another             // the server wants to talk to another plugin
)

// Reply is the server's answer to an authentication packet. An ERR is not a
// Reply but a *ServerError.
type Reply struct {
	Kind   Kind
	Data   []byte  // only of More, without the leading 01 that MySQL puts before it and MariaDB does not
	Switch *Switch // only of Another
}

// parseReply reads a packet of the authentication phase after the switch.
func parseReply(b []byte) (*Reply, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: empty authentication packet", ErrMalformed)
	}
	switch b[0] {
	case headErr:
		e, err := parseError(b)
		if err != nil {
			return nil, err
		}
		return nil, e
	case headOK:
		if err := checkOK(b); err != nil {
			return nil, err
		}
		return &Reply{Kind: OK}, nil
	case headSwitch, headNextFactor:
		sw, err := parseSwitch(b)
		if err != nil {
			return nil, err
		}
		return &Reply{Kind: Another, Switch: sw}, nil
	case headMore:
		return &Reply{Kind: More, Data: b[1:]}, nil
	default:
		// MariaDB escapes with 01 only where the first byte would be mistaken.
		return &Reply{Kind: More, Data: b}, nil
	}
}
