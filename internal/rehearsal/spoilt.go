package rehearsal

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// maxPiece is the most that one read from a loopback socket may bring.
const maxPiece = 64 << 10

// spoilt is a connection under a rule. A goroutine carries what the peer sends,
// piece by piece, into a pipe from which the agent reads; what the rule loses
// does not get there. The pipe also gives deadlines and Close to reads of
// packets that never come.
type spoilt struct {
	net.Conn // the real connection
	peer     net.Addr
	rule     *Rule
	near     net.Conn // the agent's end
	far      net.Conn
	closed   chan struct{}
	once     sync.Once

	mu   sync.Mutex
	err  error // why far was closed
	mute bool  // a piece of the request was lost: TCP gets no further
}

func newSpoilt(conn net.Conn, peer net.Addr, rule *Rule) *spoilt {
	near, far := net.Pipe()
	c := &spoilt{Conn: conn, peer: peer, rule: rule, near: near, far: far, closed: make(chan struct{})}
	go c.carry()
	return c
}

// spoiltUDP is told from a stream by its type: DNS clients look at it.
type spoiltUDP struct{ *spoilt }

func (c spoiltUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.peer, err
}

func (c spoiltUDP) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

var (
	_ net.Conn       = (*spoilt)(nil)
	_ net.PacketConn = spoiltUDP{}
)

func dialSpoiltUDP(ctx context.Context, to netip.AddrPort, rule *Rule) (net.Conn, error) {
	// A datagram that never leaves needs no address that exists: a machine
	// without IPv6 has no ::1 to connect to.
	real := to
	if rule.Effect == Drop || rule.Effect == Refuse {
		real = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
	}
	conn, err := new(net.Dialer).DialContext(ctx, "udp", real.String())
	if err != nil {
		return nil, err
	}
	return spoiltUDP{newSpoilt(conn, net.UDPAddrFromAddrPort(to), rule)}, nil
}

// carry brings the peer's pieces to the agent until the connection ends.
func (c *spoilt) carry() {
	_, stream := c.Conn.(*net.TCPConn)
	buf := make([]byte, maxPiece)
	lost := c.rule.Effect == Hang || c.rule.Effect == Drop
	for {
		n, err := c.Conn.Read(buf)
		if n > 0 && !lost {
			if c.rule.Effect == LoseReplies && n > c.rule.Limit {
				// A stream does not get past a lost piece; the next datagram may.
				lost = stream
				continue
			}
			if !c.wait() {
				return
			}
			if _, err := c.far.Write(buf[:n]); err != nil {
				return
			}
		}
		switch {
		case err == nil:
		case lost:
			return // the end of the stream is lost too
		default:
			c.end(err)
			return
		}
	}
}

// wait holds a piece back for as long as the rule says, or until Close.
func (c *spoilt) wait() bool {
	if c.rule.Effect != DelayReplies {
		return true
	}
	t := time.NewTimer(c.rule.Delay)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.closed:
		return false
	}
}

// end lets the agent's reads fail with err.
func (c *spoilt) end(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.far.Close()
}

func (c *spoilt) Read(b []byte) (int, error) {
	n, err := c.near.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		c.mu.Lock()
		defer c.mu.Unlock()
		return n, c.err
	case errors.Is(err, io.ErrClosedPipe):
		return n, c.fail("read", net.ErrClosed)
	case err != nil:
		return n, c.fail("read", err)
	}
	return n, nil
}

func (c *spoilt) Write(b []byte) (int, error) {
	switch c.rule.Effect {
	case Drop: // datagrams only: a dropped connect never gets here
		return len(b), nil
	case Refuse: // likewise
		c.end(c.fail("read", os.NewSyscallError("read", syscall.ECONNREFUSED)))
		return len(b), nil
	case LoseRequests:
		_, stream := c.Conn.(*net.TCPConn)
		c.mu.Lock()
		lost := c.mute || len(b) > c.rule.Limit
		c.mute = lost && stream
		c.mu.Unlock()
		if lost {
			return len(b), nil
		}
	}
	return c.Conn.Write(b)
}

func (c *spoilt) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: c.peer.Network(), Addr: c.peer, Err: err}
}

func (c *spoilt) RemoteAddr() net.Addr { return c.peer }

func (c *spoilt) SetDeadline(t time.Time) error {
	return errors.Join(c.near.SetReadDeadline(t), c.Conn.SetWriteDeadline(t))
}

func (c *spoilt) SetReadDeadline(t time.Time) error { return c.near.SetReadDeadline(t) }

func (c *spoilt) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.near.Close()
	c.far.Close()
	return c.Conn.Close()
}
