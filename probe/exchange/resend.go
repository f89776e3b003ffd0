package exchange

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Resend is a Dialer whose UDP connections send their last datagram once more if
// they are read and nothing has come when half of the time to their deadline is
// over. A lost datagram is no blocked port, and every client sends again (RFC 4120
// §7.2.1, RFC 1035 §4.2.1); but a server that is only slow gets no more than twice
// as much to do. Other connections are left as they are.
//
// A datagram that this host itself does not let out (EPERM or EACCES of the sending: a packet filter's output rule,
// packet(7)) has not been sent, so it is tried again until then. A rule that drops some packets, or what is beyond a rate, is
// loss; only one that drops them all forbids.
//
// What must be said once only, such as a proof of a password, is not for it.
type Resend struct {
	Dialer probe.Dialer // nil: a plain net.Dialer
	Again  func()       // told of the second sending, by the goroutine that reads; may be nil
	Unsent func()       // told likewise of a datagram that this host did not let out, before it is tried again; nil: it is not
}

// DialContext dials as Dialer does.
func (r Resend) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := r.Dialer
	if d == nil {
		d = &net.Dialer{}
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil || !strings.HasPrefix(network, "udp") {
		return conn, err
	}
	return &resending{Conn: conn, again: r.Again, unsent: r.Unsent}, nil
}

// resending is written once and then read, by one goroutine; its deadline may be
// set by another one meanwhile.
type resending struct {
	net.Conn
	again, unsent func()
	last          []byte
	due           time.Time // when last is sent again; zero: no more
	forbidden     error     // of last, while it was not let out; nil once it was

	mu       sync.Mutex
	deadline time.Time
}

// SetDeadline sets the deadline of the connection, as net.Conn has it.
func (c *resending) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// Write sends, and plans when to send again: never, without a deadline.
func (c *resending) Write(b []byte) (int, error) {
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	c.last, c.due = bytes.Clone(b), time.Time{}
	if now := time.Now(); deadline.After(now) {
		c.due = now.Add(deadline.Sub(now) / 2)
	}
	n, err := c.Conn.Write(b)
	if c.unsent != nil && !c.due.IsZero() && notLetOut(err) {
		c.forbidden = err
		return len(b), nil
	}
	return n, err
}

func notLetOut(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

// soonest is after how long a datagram is tried again first that was not let out; then that doubles.
const soonest = 10 * time.Millisecond

// letOut tries until the datagram is let out, or sending again would be due.
func (c *resending) letOut(b []byte) error {
	for pause := soonest; c.forbidden != nil; pause *= 2 {
		next := time.Now().Add(pause)
		if next.After(c.due) || !c.until(next) {
			return c.forbidden
		}
		if _, err := c.Conn.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || !c.until(time.Time{}) { // that waits, as long as nobody gives up
			return c.forbidden
		}
		c.unsent()
		if _, c.forbidden = c.Conn.Write(c.last); c.forbidden != nil && !notLetOut(c.forbidden) {
			return c.forbidden
		}
	}
	return nil
}

// heldUp is how late this process may wake for it not to have been held up itself, on a busy machine.
const heldUp = 20 * time.Millisecond

// Read waits for a datagram until the deadline.
func (c *resending) Read(b []byte) (int, error) {
	if err := c.letOut(b); err != nil {
		return 0, err
	}
	if c.due.IsZero() || !c.until(c.due) {
		return c.Conn.Read(b)
	}
	n, err := c.Conn.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !c.until(time.Time{}) {
		return n, err
	}
	if now := time.Now(); now.Sub(c.due) > heldUp { // the answer may have come meanwhile, and nobody has read it
		c.until(now.Add(heldUp))
		if n, err := c.Conn.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) || !c.until(time.Time{}) {
			return n, err
		}
	}
	c.due = time.Time{}
	if c.again != nil {
		c.again()
	}
	if _, err := c.Conn.Write(c.last); err != nil && (c.unsent == nil || !notLetOut(err)) { // the first one was let out
		return 0, err
	}
	return c.Conn.Read(b)
}

// until lets the next Read end at t, or at the deadline where t is zero or later,
// and reports whether there is time left for it.
func (c *resending) until(t time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() || t.After(c.deadline) {
		t = c.deadline
	}
	_ = c.SetReadDeadline(t) // a connection that was closed says so when it is read
	return time.Now().Before(c.deadline)
}
