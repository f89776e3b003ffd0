package rehearsal

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// spoilt is a connected UDP socket whose datagrams never arrive: they vanish,
// or come back as port unreachable. It is one end of a pipe, which has
// deadlines and Close for reads of what never comes.
type spoilt struct {
	net.Conn // the agent's end
	far      net.Conn
	peer     net.Addr
	effect   Effect

	mu  sync.Mutex
	err error // why far was closed
}

func newSpoilt(to netip.AddrPort, effect Effect) *spoilt {
	near, far := net.Pipe()
	return &spoilt{Conn: near, far: far, peer: net.UDPAddrFromAddrPort(to), effect: effect}
}

var _ net.PacketConn = (*spoilt)(nil) // DNS clients look at the type

func (c *spoilt) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		c.mu.Lock()
		defer c.mu.Unlock()
		return n, c.err
	case errors.Is(err, io.ErrClosedPipe):
		return n, c.fail(net.ErrClosed)
	case err != nil:
		return n, c.fail(err)
	}
	return n, nil
}

func (c *spoilt) Write(b []byte) (int, error) {
	if c.effect == Refuse {
		c.mu.Lock()
		c.err = c.fail(os.NewSyscallError("read", syscall.ECONNREFUSED))
		c.mu.Unlock()
		c.far.Close()
	}
	return len(b), nil
}

func (c *spoilt) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.peer, err
}

func (c *spoilt) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

func (c *spoilt) fail(err error) error {
	return &net.OpError{Op: "read", Net: "udp", Addr: c.peer, Err: err}
}

func (c *spoilt) RemoteAddr() net.Addr { return c.peer }

func (c *spoilt) Close() error { return errors.Join(c.Conn.Close(), c.far.Close()) }

// lossy is a UDP socket whose first datagram never arrives.
type lossy struct {
	*net.UDPConn
	once sync.Once
}

func (c *lossy) Write(b []byte) (n int, err error) {
	first := false
	c.once.Do(func() { first = true })
	if first {
		return len(b), nil
	}
	return c.UDPConn.Write(b)
}
