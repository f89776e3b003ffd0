package krb5test

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Context is the accepting side's protection of the messages of a GSS-API context
// (RFC 4121 §4.2), for an AP-REP without a subkey of its own. One goroutine may use it.
type Context struct {
	key        types.EncryptionKey
	next, from uint64 // sequence numbers: of our next message, and of the client's
}

// A Wrap token's header and key usages (RFC 4121 §2, §4.2.6.2).
const (
	wrapHeader         = 16
	usageAcceptorSeal  = 22
	usageInitiatorSeal = 24
)

var errToken = errors.New("not the client's next token")

func newContext(part messages.EncTicketPart, auth types.Authenticator) *Context {
	key := auth.SubKey
	if len(key.KeyValue) == 0 {
		key = part.Key
	}
	return &Context{key: key, next: uint64(auth.SeqNumber), from: uint64(auth.SeqNumber)}
}

// Seal encrypts a message.
func (c *Context) Seal(message []byte) ([]byte, error) {
	header := c.header(1 | 2)
	ed, err := crypto.GetEncryptedData(append(bytes.Clone(message), header...), c.key, usageAcceptorSeal, 0)
	if err != nil {
		return nil, err
	}
	return append(header, ed.Cipher...), nil
}

// Sign protects a message that stays legible.
func (c *Context) Sign(message []byte) ([]byte, error) {
	header := c.header(1)
	sum, err := c.checksum(message, header, usageAcceptorSeal)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint16(header[4:], uint16(len(sum)))
	return append(append(header, message...), sum...), nil
}

func (c *Context) header(flags byte) []byte {
	h := binary.BigEndian.AppendUint64([]byte{5, 4, flags, 0xff, 0, 0, 0, 0}, c.next)
	c.next++
	return h
}

func (c *Context) checksum(message, header []byte, usage uint32) ([]byte, error) {
	et, err := crypto.GetEtype(c.key.KeyType)
	if err != nil {
		return nil, err
	}
	return et.GetChecksumHash(c.key.KeyValue, append(bytes.Clone(message), header...), usage)
}

// Open returns what is in the client's next message.
func (c *Context) Open(token []byte) ([]byte, error) {
	if len(token) < wrapHeader || token[0] != 5 || token[1] != 4 || token[2]&1 != 0 || binary.BigEndian.Uint64(token[8:]) != c.from {
		return nil, errToken
	}
	header, body := bytes.Clone(token[:wrapHeader]), token[wrapHeader:]
	if token[2]&2 != 0 {
		plain, err := open(types.EncryptedData{EType: c.key.KeyType, Cipher: body}, c.key, usageInitiatorSeal)
		if err != nil || len(plain) < wrapHeader || !bytes.Equal(plain[len(plain)-wrapHeader:], header) {
			return nil, errToken
		}
		c.from++
		return plain[:len(plain)-wrapHeader], nil
	}
	n := len(body) - int(binary.BigEndian.Uint16(header[4:]))
	if n < 0 {
		return nil, errToken
	}
	header[4], header[5] = 0, 0
	sum, err := c.checksum(body[:n], header, usageInitiatorSeal)
	if err != nil || !hmac.Equal(sum, body[n:]) {
		return nil, errToken
	}
	c.from++
	return body[:n], nil
}
