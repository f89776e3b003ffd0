package kdcwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// The transports, as Dial and Dialer take them.
const (
	UDP = "udp"
	TCP = "tcp"
)

// MaxMessage is the longest reply in bytes that Exchange takes. A ticket with
// the largest PAC that Windows makes has 64 KiB (MaxTokenSize 65535).
const MaxMessage = 128 << 10

// maxDatagram is the longest reply in bytes that is taken over UDP. What is asked
// over UDP carries no credentials, so that no ticket comes back; the longest
// answer is a request of 3,000 bytes that is echoed in an error.
const maxDatagram = 8<<10 - 1

// ErrNotKerberos means that what came back is neither a KRB-ERROR nor the
// message that was waited for. Errors that wrap it say in what way.
var ErrNotKerberos = errors.New("not a Kerberos message")

// Dialer opens a connection; *net.Dialer is one. It has the shape of
// probe.Dialer.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Conn is a way to one server. It carries one exchange at a time. Over TCP
// several may follow each other; one that did not end well makes the
// connection unusable, because its reply could still arrive.
type Conn struct {
	conn      net.Conn
	transport string
	addr      netip.AddrPort
	broken    atomic.Bool
}

// Dial opens a way to addr over "udp" or "tcp". A nil Dialer is a plain
// net.Dialer. Over UDP it sends nothing.
func Dial(ctx context.Context, d Dialer, transport string, addr netip.AddrPort) (*Conn, error) {
	if transport != UDP && transport != TCP {
		return nil, fmt.Errorf("unknown transport %q", transport)
	}
	if d == nil {
		d = &net.Dialer{}
	}
	nc, err := d.DialContext(ctx, transport, addr.String())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s over %s: %w", addr, transport, err)
	}
	return &Conn{conn: nc, transport: transport, addr: addr}, nil
}

// Addr is the address that was dialled.
func (c *Conn) Addr() netip.AddrPort { return c.addr }

// Local is the address of this host that the server sees, as far as this host
// knows; the zero Addr where the connection has none.
func (c *Conn) Local() netip.Addr {
	at, _ := netip.ParseAddrPort(c.conn.LocalAddr().String())
	return at.Addr()
}

// Close ends the connection; an exchange that is under way returns at once.
func (c *Conn) Close() error { return c.conn.Close() }

// Exchange sends request and returns the whole reply, which it does not look
// into. It ends when ctx does. The error wraps ctx's where that was the cause,
// else net's, or ErrNotKerberos where the framing is not Kerberos.
func (c *Conn) Exchange(ctx context.Context, request []byte) (reply []byte, err error) {
	if c.broken.Swap(true) {
		return nil, fmt.Errorf("using the connection to %s: an earlier exchange is not over: %w", c.addr, net.ErrClosed)
	}
	deadline, _ := ctx.Deadline() // the zero time takes the deadline away
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("setting deadline: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) })
	if c.transport == TCP {
		reply, err = c.exchangeTCP(request)
	} else {
		reply, err = c.exchangeUDP(request)
	}
	inTime := stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w (%w)", err, ctx.Err())
		}
		return nil, err
	}
	// A deadline that is being set by the other goroutine would hit the next
	// exchange, so then the connection stays unusable.
	if inTime {
		c.broken.Store(false)
	}
	return reply, nil
}

// exchangeTCP frames as RFC 4120 §7.2.2 says: four bytes of length in front,
// the highest bit of which is reserved.
func (c *Conn) exchangeTCP(request []byte) ([]byte, error) {
	frame := make([]byte, 4, 4+len(request))
	binary.BigEndian.PutUint32(frame, uint32(len(request)))
	if _, err := c.conn.Write(append(frame, request...)); err != nil {
		return nil, fmt.Errorf("sending to %s: %w", c.addr, err)
	}
	var header [4]byte
	if _, err := io.ReadFull(c.conn, header[:]); err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", c.addr, err)
	}
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > MaxMessage {
		return nil, fmt.Errorf("reading from %s: a reply of %d bytes: %w", c.addr, n, ErrNotKerberos)
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(c.conn, reply); err != nil {
		return nil, fmt.Errorf("reading %d bytes from %s: %w", n, c.addr, err)
	}
	return reply, nil
}

// exchangeUDP sends one datagram and takes the first that comes back from the
// address (the socket is connected, so the kernel drops those of others).
func (c *Conn) exchangeUDP(request []byte) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, fmt.Errorf("sending to %s: %w", c.addr, err)
	}
	buf := make([]byte, maxDatagram+1) // a longer datagram is cut
	n, err := c.conn.Read(buf)
	if err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", c.addr, err)
	}
	if n > maxDatagram {
		return nil, fmt.Errorf("reading from %s: a reply of more than %d bytes over UDP: %w", c.addr, maxDatagram, ErrNotKerberos)
	}
	return bytes.Clone(buf[:n]), nil // a reply must not hold on to the whole buffer
}
