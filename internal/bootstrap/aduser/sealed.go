package aduser

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// maxSealed bounds one sealed buffer (RFC 4752 §3.1: ours is announced in the
// bind). An answer of ours has some kilobytes.
const maxSealed = 1 << 20

// What a conversation may bring in all: a search lasts for as long as the server
// sends entries, and go-ldap keeps them all. In clear there are the root entry and
// the bind; sealed there are some kilobytes a user.
const (
	maxPlain  = 1 << 20
	maxOpened = 64 << 20
)

var errTooMuch = errors.New("the server sends more than it may in one conversation")

// sealedConn is a connection whose bytes are plain until a bind is through,
// and sealed from then on (RFC 4422 §3.7: four bytes of length, then a token).
//
// In clear it hands over one LDAP message at a time, and after the bind's last
// answer nothing until it is sealed: what somebody appends to that answer must
// not be taken for something that came sealed.
type sealedConn struct {
	net.Conn
	sealed chan struct{} // closed by seal
	closed chan struct{} // closed by Close
	once   sync.Once

	mu   sync.Mutex
	gss  *client.Context // nil: still plain
	max  int             // what the server takes, before sealing
	last bool            // the bind's last request is about to be sent
	hold bool            // its answer was handed over

	opened []byte // not yet read
	came   int    // bytes so far
}

func newSealedConn(c net.Conn) *sealedConn {
	return &sealedConn{Conn: c, sealed: make(chan struct{}), closed: make(chan struct{})}
}

// answerIsLast reports that the next message is the bind's last answer.
func (c *sealedConn) answerIsLast() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = true
}

// seal protects all that follows.
func (c *sealedConn) seal(gss *client.Context, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gss, c.max = gss, most
	close(c.sealed)
}

// Close ends a Read that waits, too.
func (c *sealedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

func (c *sealedConn) context() (*client.Context, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gss, c.max
}

// Write seals b, in pieces that the server takes.
func (c *sealedConn) Write(b []byte) (int, error) {
	gss, most := c.context()
	if gss == nil {
		return c.Conn.Write(b)
	}
	var out []byte
	for rest := b; len(rest) > 0; {
		n := min(len(rest), most)
		token, err := gss.Seal(rest[:n])
		if err != nil {
			return 0, err
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(token))), token...)
		rest = rest[n:]
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read returns bytes of one message. It is called by one goroutine.
func (c *sealedConn) Read(b []byte) (int, error) {
	if len(c.opened) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.opened)
	c.opened = c.opened[n:]
	return n, nil
}

// next waits for a message, in clear or sealed.
func (c *sealedConn) next() error {
	if c.holds() {
		select {
		case <-c.sealed:
		case <-c.closed:
			return net.ErrClosed
		}
	}
	if gss, _ := c.context(); gss != nil {
		return c.open(gss)
	}
	message, err := readPlain(c.Conn)
	if err != nil {
		return err
	}
	if c.came += len(message); c.came > maxPlain {
		return errTooMuch
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold = c.last
	c.opened = message
	return nil
}

func (c *sealedConn) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hold
}

// readPlain reads one LDAP message: a SEQUENCE in BER (RFC 4511 §5.1).
func readPlain(r io.Reader) ([]byte, error) {
	message := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, err
	}
	n := int(message[1])
	if n >= 0x80 {
		size := n & 0x7f
		if size == 0 || size > 4 {
			return nil, fmt.Errorf("an LDAP message with a length of %d bytes", size)
		}
		message = message[:2+size]
		if _, err := io.ReadFull(r, message[2:]); err != nil {
			return nil, fmt.Errorf("reading an LDAP message's length: %w", err)
		}
		n = 0
		for _, b := range message[2:] {
			n = n<<8 | int(b)
		}
	}
	if n > maxPlain {
		return nil, fmt.Errorf("an LDAP message of %d bytes", n)
	}
	head := len(message)
	message = append(message, make([]byte, n)...)
	if _, err := io.ReadFull(r, message[head:]); err != nil {
		return nil, fmt.Errorf("reading an LDAP message: %w", err)
	}
	return message, nil
}

func (c *sealedConn) open(gss *client.Context) error {
	var header [4]byte
	if _, err := io.ReadFull(c.Conn, header[:]); err != nil {
		return err // its kind tells an end from a failure
	}
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > maxSealed {
		return fmt.Errorf("sealed buffer of %d bytes", n)
	}
	token := make([]byte, n)
	if _, err := io.ReadFull(c.Conn, token); err != nil {
		return fmt.Errorf("reading sealed buffer: %w", err)
	}
	message, sealed, err := gss.Open(token)
	if err != nil {
		return fmt.Errorf("opening sealed buffer: %w", err)
	}
	if !sealed {
		return errors.New("the server sent a message that is signed but not sealed")
	}
	if c.came += len(message); c.came > maxPlain+maxOpened {
		return errTooMuch
	}
	c.opened = message
	return nil
}
