package client

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
)

// A Wrap token (RFC 4121 §4.2.6.2): two bytes of identity, flags, a filler, the
// extra count, the rotation and the sequence number.
const (
	wrapHeader = 16
	tokenWrap  = 0x0504

	wrapAcceptor = 1 // flags (RFC 4121 §4.2.2)
	wrapSealed   = 2
	wrapSubkey   = 4
)

// Key usage numbers of Wrap tokens, those that are only signed too; the ones
// for signing are for MIC tokens (RFC 4121 §2, §4.2.4).
const (
	usageAcceptorSeal  = 22
	usageInitiatorSeal = 24
)

// ErrContext is wrapped by the failure to read a message of a context: it is
// not the peer's next one, or was altered.
var ErrContext = errors.New("not the next message of this context")

// Context protects messages between the two sides of a GSS-API context (RFC
// 4121 §4.2). It may be used by one goroutine that sends and one that receives.
type Context struct {
	key      hidden[sessionKey]
	acceptor bool // the key is the acceptor's own

	sending   sync.Mutex
	next      uint64
	receiving sync.Mutex
	expected  uint64
}

// Context returns what protects the messages after a mutual token whose answer
// has passed Verify. RC4 keys, whose tokens are another format (RFC 4757), are
// refused.
func (i *Initiator) Context() (*Context, error) {
	if i.proof == nil {
		return nil, fmt.Errorf("making a context: %w", ErrUnproven)
	}
	c := &Context{key: i.subkey, next: i.sequence, expected: i.proof.sequence}
	if i.proof.subkey != nil {
		c.key, c.acceptor = i.proof.subkey, true
	}
	key := c.key()
	if key.etype == rc4HMAC || !supported(key.etype) || len(key.value) != keySize(key.etype) {
		return nil, fmt.Errorf("making a context: encryption type %d is not supported here", key.etype)
	}
	return c, nil
}

// Seal encrypts and signs a message.
func (c *Context) Seal(message []byte) ([]byte, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	header := c.header(wrapSealed)
	sealed, err := encrypt(c.key(), append(append([]byte{}, message...), header...), usageInitiatorSeal)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	c.next++
	return append(header, sealed.cipher...), nil
}

// Sign adds a checksum to a message that stays legible.
func (c *Context) Sign(message []byte) ([]byte, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	header := c.header(0)
	sum, err := c.checksum(message, header, usageInitiatorSeal)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	c.next++
	binary.BigEndian.PutUint16(header[4:], uint16(len(sum)))
	return append(append(header, message...), sum...), nil
}

// header is that of our next message, with extra count and rotation at 0, as
// they are when it is signed.
func (c *Context) header(flags byte) []byte {
	if c.acceptor {
		flags |= wrapSubkey
	}
	h := binary.BigEndian.AppendUint16(nil, tokenWrap)
	h = append(h, flags, 0xff, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint64(h, c.next)
}

func (c *Context) checksum(message, header []byte, usage uint32) ([]byte, error) {
	key := c.key()
	alg, err := algorithm(key.etype)
	if err != nil {
		return nil, err
	}
	return alg.GetChecksumHash(key.value, append(append([]byte{}, message...), header...), usage)
}

// Open checks the peer's next message and returns what is in it; sealed says
// whether nobody else could read it. The error wraps ErrContext.
func (c *Context) Open(token []byte) (message []byte, sealed bool, err error) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	want := byte(wrapAcceptor)
	if c.acceptor {
		want |= wrapSubkey
	}
	if len(token) < wrapHeader || binary.BigEndian.Uint16(token) != tokenWrap || token[3] != 0xff || token[2]&^wrapSealed != want {
		return nil, false, fmt.Errorf("reading token of %d bytes: %w", len(token), ErrContext)
	}
	if n := binary.BigEndian.Uint64(token[8:]); n != c.expected {
		return nil, false, fmt.Errorf("reading token %d instead of %d: %w", n, c.expected, ErrContext)
	}
	header := append([]byte{}, token[:wrapHeader]...)
	extra, rotation := int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:]))
	body := rotateLeft(token[wrapHeader:], rotation)
	binary.BigEndian.PutUint16(header[6:], 0)
	sealed = token[2]&wrapSealed != 0
	if sealed {
		message, err = c.unseal(header, body, extra)
	} else {
		message, err = c.verify(header, body, extra)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading token: %w", err)
	}
	c.expected++
	return message, sealed, nil
}

// unseal decrypts a message that is followed by filler and its own header.
func (c *Context) unseal(header, body []byte, extra int) ([]byte, error) {
	plain, err := decrypt(c.key(), encrypted{etype: c.key().etype, cipher: body}, usageAcceptorSeal)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrContext, err)
	}
	n := len(plain) - wrapHeader - extra
	if n < 0 || !hmac.Equal(plain[n+extra:], header) {
		return nil, ErrContext
	}
	return plain[:n], nil
}

// verify checks a message that is followed by its checksum, extra bytes long.
func (c *Context) verify(header, body []byte, extra int) ([]byte, error) {
	n := len(body) - extra
	if n < 0 || extra == 0 {
		return nil, ErrContext
	}
	binary.BigEndian.PutUint16(header[4:], 0)
	sum, err := c.checksum(body[:n], header, usageAcceptorSeal)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, body[n:]) {
		return nil, ErrContext
	}
	return body[:n], nil
}

// rotateLeft undoes a rotation to the right (RFC 4121 §4.2.5).
func rotateLeft(b []byte, n int) []byte {
	if len(b) == 0 || n > math.MaxUint16 {
		return b
	}
	n %= len(b)
	return append(append(make([]byte, 0, len(b)), b[n:]...), b[:n]...)
}
