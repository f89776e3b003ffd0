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

// sealedConn is a connection whose bytes are plain until a bind is through,
// and sealed from then on (RFC 4422 §3.7: four bytes of length, then a token).
type sealedConn struct {
	net.Conn

	mu  sync.Mutex
	gss *client.Context // nil: still plain
	max int             // what the server takes, before sealing

	plain []byte // opened, not yet read
}

// seal protects all that follows. The server sends nothing between its answer
// to the bind and our next request, so a Read that is waiting will see the first
// sealed byte.
func (c *sealedConn) seal(gss *client.Context, most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gss, c.max = gss, most
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

// Read gives opened bytes. It is called by one goroutine.
func (c *sealedConn) Read(b []byte) (int, error) {
	if len(c.plain) == 0 {
		// The first byte tells whether this came before or after the seal: it
		// is waited for before the question is asked.
		var first [1]byte
		if _, err := io.ReadFull(c.Conn, first[:]); err != nil {
			return 0, err
		}
		gss, _ := c.context()
		if gss == nil {
			b[0] = first[0]
			return 1, nil
		}
		if err := c.open(gss, first[0]); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

func (c *sealedConn) open(gss *client.Context, first byte) error {
	header := [4]byte{first}
	if _, err := io.ReadFull(c.Conn, header[1:]); err != nil {
		return fmt.Errorf("reading sealed length: %w", err)
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
	c.plain = message
	return nil
}
