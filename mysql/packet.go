package mysql

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxAuthPacket is the longest packet taken in the connection phase. The
// longest honest ones are an RSA public key and an AP-REP, far below.
const MaxAuthPacket = 64 << 10

// maxAuthPackets is how many packets a server may send until its OK or ERR.
// The longest honest sequence is five: greeting, switch, full authentication,
// public key, ERR; dialog may ask a few questions more.
const maxAuthPackets = 8

// ErrMalformed reports that the peer sent something that is not the protocol's.
var ErrMalformed = errors.New("malformed packet")

// AppendPacket appends payload in its frame: three bytes of length (little
// endian), the sequence number, the payload. The payload must be shorter than
// 16 MiB - 1.
func AppendPacket(b []byte, seq byte, payload []byte) []byte {
	n := len(payload)
	b = append(b, byte(n), byte(n>>8), byte(n>>16), seq)
	return append(b, payload...)
}

// ReadPacket reads one packet of at most limit bytes and no byte more, and
// returns its sequence number. io.EOF means that the peer ended the connection
// between two packets.
func ReadPacket(r io.Reader, limit int) (seq byte, payload []byte, err error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	n := int(header[0]) | int(header[1])<<8 | int(header[2])<<16
	if n > limit {
		return 0, nil, fmt.Errorf("%w: packet of %d bytes, at most %d are taken; it begins with %q", ErrMalformed, n, limit, header[:])
	}
	payload = make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return header[3], payload, nil
}

// fields takes a payload apart. Each method reports whether there was enough,
// so that a cut packet cannot panic.
type fields []byte

func (f *fields) bytes(n int) ([]byte, bool) {
	if n < 0 || len(*f) < n {
		return nil, false
	}
	b := (*f)[:n:n]
	*f = (*f)[n:]
	return b, true
}

func (f *fields) uint8() (byte, bool) {
	b, ok := f.bytes(1)
	if !ok {
		return 0, false
	}
	return b[0], true
}

func (f *fields) uint16() (uint16, bool) {
	b, ok := f.bytes(2)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint16(b), true
}

func (f *fields) uint32() (uint32, bool) {
	b, ok := f.bytes(4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

// null reads a string that ends with NUL, of at most limit bytes without it.
func (f *fields) null(limit int) (string, bool) {
	for i, c := range *f {
		if c == 0 {
			s := string((*f)[:i])
			*f = (*f)[i+1:]
			return s, true
		}
		if i == limit {
			break
		}
	}
	return "", false
}

// lenencInt reads a length-encoded integer. 0xFB (NULL) and 0xFF are not
// integers.
func (f *fields) lenencInt() (uint64, bool) {
	first, ok := f.uint8()
	if !ok {
		return 0, false
	}
	width := 0
	switch first {
	case 0xfb, 0xff:
		return 0, false
	case 0xfc:
		width = 2
	case 0xfd:
		width = 3
	case 0xfe:
		width = 8
	default:
		return uint64(first), true
	}
	b, ok := f.bytes(width)
	if !ok {
		return 0, false
	}
	var full [8]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint64(full[:]), true
}

func (f *fields) lenencBytes() ([]byte, bool) {
	n, ok := f.lenencInt()
	if !ok || n > uint64(len(*f)) {
		return nil, false
	}
	return f.bytes(int(n))
}

// appendLenencInt appends a length-encoded integer below 2^24, which is more
// than any packet of ours holds.
func appendLenencInt(b []byte, n int) []byte {
	switch {
	case n < 0xfb:
		return append(b, byte(n))
	case n < 1<<16:
		return append(b, 0xfc, byte(n), byte(n>>8))
	default:
		return append(b, 0xfd, byte(n), byte(n>>8), byte(n>>16))
	}
}

func appendLenenc(b []byte, s string) []byte {
	return append(appendLenencInt(b, len(s)), s...)
}
