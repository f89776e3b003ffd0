// Package liar is a network whose peers lie: it passes what real peers say, and now
// and then something that was made of it. It is for tests that run for long, with
// whole conversations; a seed draws the same lies again. It imports nothing of
// kerbagent.
package liar

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Dialer opens connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Network is a Dialer before another one. Each connection's replies are lied about
// with a probability of its own.
type Network struct {
	dialer Dialer

	mu   sync.Mutex
	rng  *rand.Rand
	lies []string
	said [][]byte // replies of real peers, to be told in the wrong place
}

// maxSaid is how many replies are kept.
const maxSaid = 64

// New starts one.
func New(d Dialer, seed uint64) *Network {
	return &Network{dialer: d, rng: rand.New(rand.NewPCG(seed, 0))}
}

// Cost says what a process holds after so many conversations, and the most that was
// resident at a time (Linux's VmHWM).
func Cost() string {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	peak := "unknown"
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if after, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			peak = strings.TrimSpace(after)
		}
	}
	return fmt.Sprintf("%d goroutines, %d KiB of heap, at most %s resident", runtime.NumGoroutine(), m.HeapAlloc>>10, peak)
}

// Lies lists what was changed, where.
func (n *Network) Lies() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lies)
}

// DialContext connects.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := n.dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	lying := &conn{Conn: c, network: n, at: network + " " + address, stream: network[:3] == "tcp"}
	if n.rng.IntN(3) == 0 {
		lying.turn = 1 + n.rng.IntN(8) // which read is lied about
		lying.on = n.rng.IntN(4) == 0  // and all that follow
	}
	if !lying.stream {
		return packets{lying}, nil
	}
	return lying, nil
}

type conn struct {
	net.Conn
	network *Network
	at      string
	stream  bool
	turn    int // 0: honest
	on      bool

	reads  int
	unread []byte
	ended  bool
}

// Read returns what the peer says, or a lie.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.unread) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		buf := make([]byte, max(len(b), 4096))
		if c.stream {
			buf = buf[:len(b)]
		}
		n, err := c.Conn.Read(buf)
		if n == 0 {
			return 0, err
		}
		c.reads++
		c.unread = buf[:n]
		if c.turn > 0 && (c.reads == c.turn || c.on && c.reads > c.turn) {
			c.unread, c.ended = c.network.lie(c.at, c.reads, c.unread)
			c.ended = c.ended && c.stream
		}
		if len(c.unread) == 0 {
			return c.Read(b) // the reply is gone: what follows, or silence
		}
	}
	n := copy(b, c.unread)
	c.unread = c.unread[n:]
	if !c.stream {
		c.unread = nil // the rest of a datagram is lost
	}
	return n, nil
}

// packets is a datagram socket.
type packets struct{ *conn }

func (p packets) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.Read(b)
	return n, p.RemoteAddr(), err
}

func (p packets) WriteTo(b []byte, _ net.Addr) (int, error) { return p.Write(b) }

// lie changes a reply; ended says that the peer hangs up after it.
func (n *Network) lie(at string, turn int, b []byte) (lie []byte, ended bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, what := n.rng, ""
	real := bytes.Clone(b)
	b = bytes.Clone(b)
	switch r.IntN(10) {
	case 0:
		what, b = "gone", nil
	case 1:
		what, ended, b = "cut short", true, b[:r.IntN(len(b))]
	case 2:
		what, ended = "hung up after", true
	case 3:
		what = "bits"
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	case 4:
		what = "an extreme"
		b[r.IntN(len(b))] = []byte{0, 1, 0x7f, 0x80, 0xfe, 0xff}[r.IntN(6)]
	case 5:
		what = "a length" // among the first bytes, where lengths stand
		i := r.IntN(min(len(b), 16))
		b[i] += byte(1 + r.IntN(255))
	case 6:
		what = "bytes put in"
		more := make([]byte, 1+r.IntN(64))
		for i := range more {
			more[i] = byte(r.UintN(256))
		}
		b = slices.Insert(b, r.IntN(len(b)+1), more...)
	case 7:
		what = "bytes taken out"
		i := r.IntN(len(b))
		b = slices.Delete(b, i, min(len(b), i+1+r.IntN(16)))
	case 8:
		what, b = "twice", append(b, b...)
	case 9:
		what = "another's reply"
		if len(n.said) > 0 {
			b = bytes.Clone(n.said[r.IntN(len(n.said))])
		}
	}
	if len(n.said) < maxSaid {
		n.said = append(n.said, real)
	}
	n.lies = append(n.lies, fmt.Sprintf("%s, read %d: %s", at, turn, what))
	return b, ended
}
