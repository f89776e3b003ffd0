package rehearsal

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// rough is a network that does more than a Path: it forbids, delays, loses some
// packets, or loses large ones. It stands before the Path, for the ladder and
// for the program alike.
type rough struct {
	path  *Path
	rules []roughRule

	mu  sync.Mutex
	rng *rand.Rand
}

type roughRule struct {
	to        netip.Prefix
	port      uint16 // 0: all
	transport string // empty: both
	forbid    bool   // EACCES, as after ICMPv6 "administratively prohibited"
	over      int    // packets with more bytes of payload vanish
	loss      float64
	delay     time.Duration // each way
	cut       int           // a connection is reset after so many bytes of the server's
	deaf      bool          // nothing of the server's arrives once there is a connection
}

// tcpRTO is how long a lost segment is missing (RFC 6298 has at least a second
// for a SYN; Linux 200 ms for data).
const (
	synRTO = time.Second
	tcpRTO = 200 * time.Millisecond
)

func (r *rough) lost(rate float64) bool {
	if rate == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rng.Float64() < rate
}

func (r *rough) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	asked, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	transport := network[:3]
	to, _ := r.path.find(transport, netip.AddrPortFrom(asked.Addr().Unmap(), asked.Port()))
	var hit []roughRule
	for _, rule := range r.rules {
		if rule.to.Contains(to.Addr()) && (rule.port == 0 || rule.port == to.Port()) && (rule.transport == "" || rule.transport == transport) {
			hit = append(hit, rule)
		}
	}
	if len(hit) == 0 {
		return r.path.DialContext(ctx, network, address)
	}
	conn := &roughConn{r: r, rules: hit, udp: transport == "udp", ended: make(chan struct{})}
	var wait time.Duration
	for _, rule := range hit {
		if rule.forbid {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(asked), Err: os.NewSyscallError("connect", syscall.EACCES)}
		}
		if !conn.udp {
			wait += 2 * rule.delay
			for rto := synRTO; r.lost(rule.loss) && rto < 10*synRTO; rto *= 2 {
				wait += rto
			}
		}
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(asked), Err: os.ErrDeadlineExceeded}
	}
	if conn.Conn, err = r.path.DialContext(ctx, network, address); err != nil {
		return nil, err
	}
	if conn.udp {
		return roughPacket{conn}, nil
	}
	return conn, nil
}

type roughConn struct {
	net.Conn
	r     *rough
	rules []roughRule
	udp   bool

	mu       sync.Mutex
	stuck    bool // a segment that never arrives holds back all that follow
	heard    int  // bytes of the server's
	deadline time.Time
	owed     time.Duration // by which what was written is late
	ended    chan struct{}
	once     sync.Once
}

// pass reports how long n bytes take, and whether they arrive at all.
func (c *roughConn) pass(n int, fromServer bool) (wait time.Duration, arrives bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rule := range c.rules {
		wait += rule.delay
		if rule.over > 0 && n > rule.over || rule.deaf && fromServer && !c.udp {
			c.stuck = c.stuck || !c.udp
			return 0, false
		}
		for rto := tcpRTO; c.r.lost(rule.loss) && rto < 50*tcpRTO; rto *= 2 {
			if c.udp {
				return 0, false
			}
			wait += rto
		}
	}
	return wait, !c.stuck
}

// over reports whether the connection has had its bytes.
func (c *roughConn) over() bool {
	return !c.udp && slices.ContainsFunc(c.rules, func(r roughRule) bool { return r.cut > 0 && c.heard > r.cut })
}

func (c *roughConn) sleep(d time.Duration) {
	if d > 0 {
		select {
		case <-time.After(d):
		case <-c.ended:
		}
	}
}

func (c *roughConn) Write(b []byte) (int, error) {
	wait, arrives := c.pass(len(b), false)
	if !arrives {
		return len(b), nil
	}
	if wait == 0 {
		return c.Conn.Write(b)
	}
	if c.udp {
		held := append([]byte(nil), b...)
		go func() { c.sleep(wait); _, _ = c.Conn.Write(held) }()
		return len(b), nil
	}
	c.mu.Lock() // a program does not wait for what it writes; the answer comes later by as much
	c.owed += wait
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *roughConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil {
			return n, err
		}
		if c.heard += n; c.over() {
			_ = c.Conn.Close()
			return 0, &net.OpError{Op: "read", Net: "rough", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		}
		wait, arrives := c.pass(n, true)
		if arrives {
			c.mu.Lock()
			until := c.deadline
			wait, c.owed = wait+c.owed, 0
			c.mu.Unlock()
			if !until.IsZero() && time.Now().Add(wait).After(until) {
				c.sleep(time.Until(until))
				return 0, &net.OpError{Op: "read", Net: "rough", Err: os.ErrDeadlineExceeded}
			}
			if c.sleep(wait); c.past() {
				return 0, &net.OpError{Op: "read", Net: "rough", Err: os.ErrDeadlineExceeded}
			}
			return n, nil
		}
	}
}

func (c *roughConn) SetDeadline(t time.Time) error {
	c.until(t)
	return c.Conn.SetDeadline(t)
}

func (c *roughConn) SetReadDeadline(t time.Time) error {
	c.until(t)
	return c.Conn.SetReadDeadline(t)
}

// until moves the deadline. One that is past ends a wait at once, as it does at a socket.
func (c *roughConn) until(t time.Time) {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	if c.past() {
		c.once.Do(func() { close(c.ended) })
	}
}

func (c *roughConn) past() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}

// roughPacket is a datagram socket: DNS clients look at the type.
type roughPacket struct{ *roughConn }

func (c roughPacket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

func (c roughPacket) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

func (c *roughConn) Close() error {
	c.once.Do(func() { close(c.ended) })
	return c.Conn.Close()
}
