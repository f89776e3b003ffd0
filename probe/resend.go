package probe

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Resend is a Dialer whose UDP connections send their last datagram again while
// they are read and nothing comes: once a fifth of the time to their deadline is
// over and once three fifths are (with a timeout of 5 s after 1 s and 3 s). A lost
// datagram is no blocked port, and every client sends again (RFC 4120 §7.2.1,
// RFC 1035 §4.2.1). Other connections are left as they are.
//
// What must be said once only, such as a proof of a password, is not for it.
type Resend struct {
	Dialer Dialer // nil: a plain net.Dialer
	Again  func() // told of each further sending, by the goroutine that reads; may be nil
}

// DialContext is Dialer's.
func (r Resend) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := r.Dialer
	if d == nil {
		d = &net.Dialer{}
	}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil || !strings.HasPrefix(network, "udp") {
		return conn, err
	}
	return &resending{Conn: conn, again: r.Again}, nil
}

// resending is written once and then read, by one goroutine; its deadline may be
// set by another one meanwhile.
type resending struct {
	net.Conn
	again func()
	last  []byte
	due   [2]time.Time // when last is sent again
	sent  int          // how often it was

	mu       sync.Mutex
	deadline time.Time
}

// SetDeadline is net.Conn's.
func (c *resending) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// Write sends, and plans when to send again: never, without a deadline.
func (c *resending) Write(b []byte) (int, error) {
	c.last, c.sent = bytes.Clone(b), len(c.due)
	c.mu.Lock()
	deadline := c.deadline
	c.mu.Unlock()
	if now := time.Now(); deadline.After(now) {
		fifth := deadline.Sub(now) / 5
		c.due, c.sent = [...]time.Time{now.Add(fifth), now.Add(3 * fifth)}, 0
	}
	return c.Conn.Write(b)
}

// Read waits for a datagram until the deadline.
func (c *resending) Read(b []byte) (int, error) {
	for {
		last := c.limit()
		n, err := c.Conn.Read(b)
		if last || !errors.Is(err, os.ErrDeadlineExceeded) || c.over() {
			return n, err
		}
		c.sent++
		if c.again != nil {
			c.again()
		}
		if _, err := c.Conn.Write(c.last); err != nil {
			return 0, err
		}
	}
}

// limit lets the next Read end when it is time to send again; it is the last one
// if the deadline comes first.
func (c *resending) limit() (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.deadline
	last = c.sent == len(c.due) || !c.due[c.sent].Before(until)
	if !last {
		until = c.due[c.sent]
	}
	_ = c.SetReadDeadline(until) // a connection that was closed says so when it is read
	return last
}

// over says whether the deadline has passed, or was set into the past.
func (c *resending) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !time.Now().Before(c.deadline)
}
