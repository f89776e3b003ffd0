// Package exchange sends one request to one address over one transport and
// waits for the reply: what the probes of DNS, KDCs and password servers share.
// Over UDP the datagram is sent once more if nothing comes (Resend); over TCP
// nothing is sent twice. It knows no protocol: that opens the connection and
// frames the message.
package exchange

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/probe"
)

// StageConnect is the first stage over TCP. UDP has no connect.
const StageConnect = "connect"

// Conn is a connection that frames messages as its protocol does.
type Conn interface {
	Exchange(ctx context.Context, request []byte) (reply []byte, err error)
	Close() error
}

// Open dials an address over a transport. Over UDP it sends nothing.
type Open func(ctx context.Context, d probe.Dialer, transport probe.Transport, at netip.AddrPort) (Conn, error)

// Request is one message to one address.
type Request struct {
	Address   netip.AddrPort
	Transport probe.Transport
	Dialer    probe.Dialer
	Now       func() time.Time // nil: time.Now
	Stage     string           // the name of the stage in which the probe waits for the reply
	Open      Open
	Message   []byte
	AsProgram bool // a datagram that this host does not let out is an error at once, as it is for programs
}

// Reply is what came back.
type Reply struct {
	Message []byte
	Halfway time.Time // our time halfway between the message and the reply
}

// Error is why there is no reply.
type Error struct {
	Reason probe.Reason
	Err    error
}

// Error returns the text of what happened.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// roundTrip is the longest that a path takes there and back, far beyond what satellites need. An answer
// that comes later after a second datagram is late itself: no datagram was lost.
const roundTrip = 400 * time.Millisecond

// Do sends the message and returns the reply, or an *Error. Its steps and a
// second sending are recorded in rec, which may be nil.
func (r Request) Do(ctx context.Context, rec *probe.Recorder) (Reply, error) {
	stage, lost, unsent := func(_ string, step func() error) error { return step() }, func() {}, func() {}
	if rec != nil {
		stage, lost, unsent = rec.Stage, rec.Resends, rec.Unsent
	}
	now := r.Now
	if now == nil {
		now = time.Now
	}
	var conn Conn
	var sent time.Time
	resent := false
	dialer := Resend{Dialer: r.Dialer, Again: func() { resent, sent = true, now() }} // the reply is taken for the one to the second datagram
	if !r.AsProgram {
		dialer.Unsent = func() { unsent(); sent = now() }
	}
	dial := func() (err error) {
		conn, err = r.Open(ctx, dialer, r.Transport, r.Address)
		return err
	}
	silent := probe.ReasonUDPSilent
	if r.Transport == probe.TCP {
		if err := stage(StageConnect, dial); err != nil {
			return Reply{}, failed(err, probe.ReasonConnectTimeout)
		}
		silent = probe.ReasonTCPSilent
	}
	var reply Reply
	err := stage(r.Stage, func() (err error) {
		if conn == nil { // over UDP dialling sends nothing: what can fail is this host's routing table
			if err := dial(); err != nil {
				return err
			}
		}
		defer conn.Close()
		sent = now()
		reply.Message, err = conn.Exchange(ctx, r.Message)
		took := now().Sub(sent)
		reply.Halfway = sent.Add(took / 2)
		if resent && (err != nil || took < roundTrip) {
			lost()
		}
		return err
	})
	if err != nil {
		return Reply{}, failed(err, silent)
	}
	return reply, nil
}

// Kerberos opens a connection to a KDC or password server (RFC 4120 §7.2).
func Kerberos(ctx context.Context, d probe.Dialer, transport probe.Transport, at netip.AddrPort) (Conn, error) {
	conn, err := kdcwire.Dial(ctx, d, string(transport), at)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Fail ends a run that got no reply, with the reason of Do's error.
func Fail(rec *probe.Recorder, err error) probe.Result {
	reason := probe.ReasonInternal
	var failed *Error
	if errors.As(err, &failed) {
		reason = failed.Reason
	}
	return rec.Fail(reason, err)
}

func failed(err error, silent probe.Reason) *Error {
	return &Error{Reason: probe.ReasonOf(err, silent), Err: err}
}
