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
	"github.com/kerbagent/kerbagent/probe/exchange"
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

// Ask sends q to one server over one transport, over UDP again while nothing
// comes (exchange.Resend). It returns an *Answer for everything that the server
// said, an RCODE like NXDOMAIN included (see Answer.Reason), and an
// *exchange.Error where it said nothing that can be read. ctx should have a
// deadline.
func Ask(ctx context.Context, d probe.Dialer, t probe.Transport, server netip.AddrPort, q Question) (*Answer, error) {
	return ask(ctx, exchange.Request{Address: server, Transport: t, Dialer: d}, q, nil)
}

// AskAsProgram is Ask for a model of programs: what this host does not let out is an error at once.
func AskAsProgram(ctx context.Context, d probe.Dialer, t probe.Transport, server netip.AddrPort, q Question) (*Answer, error) {
	return ask(ctx, exchange.Request{Address: server, Transport: t, Dialer: d, AsProgram: true}, q, nil)
}

// ask puts q to the request's address. rec may be nil.
func ask(ctx context.Context, r exchange.Request, q Question, rec *probe.Recorder) (*Answer, error) {
	m, packed, err := q.pack()
	if err != nil {
		return nil, &exchange.Error{Reason: probe.ReasonInternal, Err: fmt.Errorf("making the question %q: %w", q, err)}
	}
	c := &conn{question: q, id: m.Id}
	r.Stage, r.Message = StageQuery, packed
	r.Open = func(ctx context.Context, d probe.Dialer, t probe.Transport, at netip.AddrPort) (exchange.Conn, error) {
		doing := "opening a socket"
		if t == probe.TCP {
			doing = "connecting"
		}
		var err error
		if c.Conn, err = d.DialContext(ctx, string(t), at.String()); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		c.transport = t
		return c, nil
	}
	if _, err := r.Do(ctx, rec); err != nil {
		return nil, err
	}
	return c.answer, nil
}

// pack makes the question's message, with an ID that nobody can guess.
func (q Question) pack() (*dns.Msg, []byte, error) {
	switch q.Type {
	case A, AAAA, SRV, SOA, URI:
	default:
		return nil, nil, fmt.Errorf("no question has the type %d", q.Type)
	}
	m := new(dns.Msg).SetQuestion(dns.Fqdn(q.Name), q.Type).SetEdns0(udpSize, false)
	packed, err := m.Pack()
	return m, packed, err
}

// conn is a connection that waits for the answer to one question. It does its
// own framing, by the transport that was asked for: dns.Conn frames by the
// dynamic type of the connection, which is wrong for a datagram connection that
// a Dialer has wrapped; and dns.Client cuts ctx's deadline to 2 s, ignores its
// end, and takes any message as an answer.
type conn struct {
	net.Conn
	transport probe.Transport
	question  Question
	id        uint16
	answer    *Answer // once there is one
}

// Exchange sends the question and reads its answer, which it returns as it came.
func (c *conn) Exchange(ctx context.Context, packed []byte) (reply []byte, err error) {
	release := bind(ctx, c.Conn)
	defer release()
	if c.transport == probe.UDP {
		reply, err = c.exchangeUDP(ctx, packed)
	} else {
		reply, err = c.exchangeTCP(ctx, packed)
	}
	if err != nil {
		return nil, fmt.Errorf("asking over %s: %w", strings.ToUpper(string(c.transport)), err)
	}
	return reply, nil
}

// exchangeUDP waits for the one datagram that answers. Others are strays: old
// answers, or forged ones. Silence behind strays is not called silence.
func (c *conn) exchangeUDP(ctx context.Context, packed []byte) ([]byte, error) {
	if _, err := c.Write(packed); err != nil {
		return nil, ended(ctx, err)
	}
	buf := make([]byte, udpBuffer)
	var stray error
	for range maxStrays {
		n, err := c.Read(buf)
		if err = ended(ctx, err); err != nil {
			if stray != nil && probe.ReasonOf(err, probe.ReasonUDPSilent) == probe.ReasonUDPSilent {
				return nil, stray
			}
			return nil, err
		}
		c.answer, err = parse(c.question, c.id, buf[:n])
		if errors.Is(err, errStray) {
			stray = err
			continue
		}
		return buf[:n], err
	}
	return nil, stray
}

func (c *conn) exchangeTCP(ctx context.Context, packed []byte) ([]byte, error) {
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...) // RFC 1035 §4.2.2
	if _, err := c.Write(framed); err != nil {
		return nil, ended(ctx, err)
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, ended(ctx, err)
	}
	buf := make([]byte, binary.BigEndian.Uint16(length[:]))
	if n, err := io.ReadFull(c, buf); err != nil {
		return nil, fmt.Errorf("after %d of %d bytes of the answer: %w", n, len(buf), ended(ctx, err))
	}
	var err error
	c.answer, err = parse(c.question, c.id, buf)
	if err == nil && c.answer.Truncated {
		return nil, errors.New("an answer cut short over TCP, where there is room")
	}
	return buf, err
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
	defuse(b)
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

// echoed reports whether m repeats q. A server that refuses to read a question
// may leave it out.
func (q Question) echoed(m *dns.Msg) bool {
	if len(m.Question) == 0 {
		return m.Rcode != dns.RcodeSuccess
	}
	got := m.Question[0]
	return len(m.Question) == 1 && got.Qtype == q.Type && got.Qclass == dns.ClassINET && strings.EqualFold(got.Name, dns.Fqdn(q.Name))
}
