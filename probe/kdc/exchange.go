package kdc

import (
	"context"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/probe"
)

// StageConnect is the first stage over TCP. UDP has no connect.
const StageConnect = "connect"

// Exchange is one request to one address, and how it is timed: what this
// probe and probe/kpasswd have in common.
type Exchange struct {
	Address   netip.AddrPort
	Transport probe.Transport
	Dialer    probe.Dialer
	Now       func() time.Time // nil: time.Now
	Stage     string           // what waiting for the reply is called
	Request   []byte
}

// Do sends the request, over UDP again while nothing comes (probe.Resend), and
// returns the reply, and our time halfway between question and answer. silent is the reason for a deadline that passed where it
// ended.
func (x Exchange) Do(ctx context.Context, rec *probe.Recorder) (reply []byte, halfway time.Time, silent probe.Reason, err error) {
	now := x.Now
	if now == nil {
		now = time.Now
	}
	var conn *kdcwire.Conn
	var sent time.Time
	dialer := probe.Resend{Dialer: x.Dialer, Again: func() {
		rec.Resends()
		sent = now() // the reply is taken for the one to this
	}}
	dial := func() (err error) {
		conn, err = kdcwire.Dial(ctx, dialer, string(x.Transport), x.Address)
		return err
	}
	silent = probe.ReasonUDPSilent
	if x.Transport == probe.TCP {
		if err := rec.Stage(StageConnect, dial); err != nil {
			return nil, time.Time{}, probe.ReasonConnectTimeout, err
		}
		silent = probe.ReasonTCPSilent
	}
	err = rec.Stage(x.Stage, func() (err error) {
		if conn == nil { // over UDP it sends nothing: what can fail is this host's routing table
			if err := dial(); err != nil {
				return err
			}
		}
		defer conn.Close()
		sent = now()
		reply, err = conn.Exchange(ctx, x.Request)
		halfway = sent.Add(now().Sub(sent) / 2)
		return err
	})
	return reply, halfway, silent, err
}
