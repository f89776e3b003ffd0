package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
)

// What one exchange may cost. The size is what DNS flag day 2020 settled on:
// it passes nearly every path in one piece, so that a lost answer means a
// blocked port and not a lost fragment.
const (
	udpSize    = 1232
	udpBuffer  = 4096 // for servers that do not care what we said
	maxStrays  = 64   // datagrams that answer something else
	headerSize = 12
)

// Error is why a question got no answer that can be read.
type Error struct {
	Reason probe.Reason
	Err    error
}

// Error is the text of what happened.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Ask sends q to one server over one transport, over UDP again while nothing
// comes (probe.Resend). It returns an *Answer
// for everything that the server said, an RCODE like NXDOMAIN included (see
// Answer.Reason), and an *Error where it said nothing that can be read. ctx
// should have a deadline.
func Ask(ctx context.Context, d probe.Dialer, t probe.Transport, server netip.AddrPort, q Question) (*Answer, error) {
	return ask(ctx, probe.Resend{Dialer: d}, t, server, q, func(_ string, step func() error) error { return step() })
}

// ask runs its steps through stage, so that the probe can time them.
func ask(ctx context.Context, d probe.Dialer, t probe.Transport, server netip.AddrPort, q Question, stage func(string, func() error) error) (a *Answer, err error) {
	m, packed, err := q.pack()
	if err != nil {
		return nil, &Error{probe.ReasonInternal, fmt.Errorf("making the question %q: %w", q, err)}
	}
	if t == probe.UDP {
		err = stage(StageQuery, func() error {
			// Connecting sends nothing: what can fail is this host's routing table.
			conn, err := d.DialContext(ctx, "udp", server.String())
			if err != nil {
				return pathError("opening a socket", err, probe.ReasonUDPSilent)
			}
			defer conn.Close()
			a, err = exchangeUDP(ctx, conn, q, m.Id, packed)
			return pathError("asking over UDP", err, probe.ReasonUDPSilent)
		})
		return a, err
	}
	var conn net.Conn
	err = stage(StageConnect, func() (err error) {
		conn, err = d.DialContext(ctx, "tcp", server.String())
		return pathError("connecting", err, probe.ReasonConnectTimeout)
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	err = stage(StageQuery, func() (err error) {
		a, err = exchangeTCP(ctx, conn, q, m.Id, packed)
		return pathError("asking over TCP", err, probe.ReasonTCPSilent)
	})
	return a, err
}

// pack makes the question's message, with an ID that nobody can guess.
func (q Question) pack() (*dns.Msg, []byte, error) {
	switch q.Type {
	case A, AAAA, SRV, SOA:
	default:
		return nil, nil, fmt.Errorf("no question has the type %d", q.Type)
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.Name), q.Type).SetEdns0(udpSize, false)
	packed, err := m.Pack()
	return m, packed, err
}

func pathError(doing string, err error, silent probe.Reason) error {
	if err == nil {
		return nil
	}
	return &Error{probe.ReasonOf(err, silent), fmt.Errorf("%s: %w", doing, err)}
}

// The exchanges do their own framing, by the transport that was asked for.
// dns.Conn frames by the dynamic type of the connection, which is wrong for a
// datagram connection that a Dialer has wrapped; and dns.Client cuts ctx's
// deadline to 2 s, ignores its end, and takes any message as an answer.

// exchangeUDP waits for the one datagram that answers. Others are strays: old
// answers, or forged ones. Silence behind strays is not called silence.
func exchangeUDP(ctx context.Context, conn net.Conn, q Question, id uint16, packed []byte) (*Answer, error) {
	release := bind(ctx, conn)
	defer release()
	if _, err := conn.Write(packed); err != nil {
		return nil, ended(ctx, err)
	}
	buf := make([]byte, udpBuffer)
	var stray error
	for range maxStrays {
		n, err := conn.Read(buf)
		if err = ended(ctx, err); err != nil {
			if stray != nil && probe.ReasonOf(err, probe.ReasonUDPSilent) == probe.ReasonUDPSilent {
				return nil, stray
			}
			return nil, err
		}
		a, err := parse(q, id, buf[:n])
		if errors.Is(err, errStray) {
			stray = err
			continue
		}
		return a, err
	}
	return nil, stray
}

func exchangeTCP(ctx context.Context, conn net.Conn, q Question, id uint16, packed []byte) (*Answer, error) {
	release := bind(ctx, conn)
	defer release()
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...) // RFC 1035 §4.2.2
	if _, err := conn.Write(framed); err != nil {
		return nil, ended(ctx, err)
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, ended(ctx, err)
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if n, err := io.ReadFull(conn, buf); err != nil {
		return nil, fmt.Errorf("after %d of %d bytes of the answer: %w", n, len(buf), ended(ctx, err))
	}
	a, err := parse(q, id, buf)
	if err == nil && a.Truncated {
		return nil, errors.New("an answer cut short over TCP, where there is room")
	}
	return a, err
}

// bind makes the end of ctx the end of what conn is doing.
func bind(ctx context.Context, conn net.Conn) (release func() bool) {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	return context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
}

// ended is ctx's error in place of the one that bind provoked.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// errStray marks a message that answers another question than ours.
var errStray = errors.New("an answer to another question")

// parse reads one message as the answer to q, asked with id.
func parse(q Question, id uint16, b []byte) (*Answer, error) {
	if len(b) < headerSize || binary.BigEndian.Uint16(b) != id || b[2]&0x80 == 0 {
		return nil, fmt.Errorf("%w: %d bytes", errStray, len(b))
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		// A server that cuts a record in two says so with TC: what came is
		// as good as nothing, and the bit is the answer.
		if truncated := m.Truncated && m.Rcode == dns.RcodeSuccess; !truncated || !q.echoed(m) {
			return nil, fmt.Errorf("reading the answer: %w", err)
		}
		return &Answer{Question: q, Authoritative: m.Authoritative, Truncated: true}, nil
	}
	if !q.echoed(m) {
		return nil, errStray
	}
	return read(q, m)
}

// echoed says whether m repeats q. A server that refuses to read a question
// may leave it out.
func (q Question) echoed(m *dns.Msg) bool {
	if len(m.Question) == 0 {
		return m.Rcode != dns.RcodeSuccess
	}
	got := m.Question[0]
	return len(m.Question) == 1 && got.Qtype == q.Type && got.Qclass == dns.ClassINET && strings.EqualFold(got.Name, dns.Fqdn(q.Name))
}
