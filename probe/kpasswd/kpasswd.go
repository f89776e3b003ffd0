// Package kpasswd asks one password server at one address over one transport
// to do something impossible, and takes its refusal as the sign of life: a
// real RFC 3244 exchange that names no account, needs no secret and changes
// nothing. The refusal also tells the server's realm and clock.
//
// It imports the vocabulary in probe, krb5/client for the messages and
// krb5/kdcwire for the exchange, and nothing else of kerbagent.
package kpasswd

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/probe"
)

// The stages of a run. UDP has no connect.
const (
	StageConnect = "connect"
	StageKpasswd = "kpasswd"
)

// Probe is one exchange with one address over one transport.
type Probe struct {
	Host      string // name of the server, for the ID: from configuration or checked to be a host name
	Address   netip.AddrPort
	Transport probe.Transport
	Dialer    probe.Dialer
	Timeout   time.Duration    // of the whole run; must be positive
	Now       func() time.Time // nil: time.Now
	Facts     probe.Facts      // of the plan: copied into each result
}

var _ probe.Probe = Probe{}

// ID is kpasswd, the host, the address and the transport.
func (p Probe) ID() probe.ID {
	return probe.ID{Kind: probe.Kpasswd, Target: p.Host, Address: p.Address, Transport: p.Transport}
}

// Run asks once. Any well-formed refusal is OK.
func (p Probe) Run(ctx context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Now)
	for k, v := range p.Facts {
		rec.Fact(k, v)
	}
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	reply, halfway, silent, err := p.exchange(ctx, rec)
	if err != nil {
		return rec.Fail(probe.ReasonOf(err, silent), err)
	}
	rec.Sample(probe.SampleBytes, float64(len(reply)))
	e, err := client.ParseKpasswdReply(reply)
	if err != nil {
		return rec.Fail(probe.ReasonMalformed, err)
	}
	rec.Fact(probe.FactKRBCode, strconv.Itoa(int(e.Code)))
	rec.Fact(probe.FactKRBText, strings.TrimRight(e.EText, "\x00"))
	rec.Fact(probe.FactServedBy, e.Realm)
	rec.Sample(probe.SampleSkew, probe.Skew(e.STime, halfway).Seconds())
	return rec.OK()
}

// exchange returns the reply and our time halfway between question and answer.
// silent is the reason for a deadline that passed where it ended.
func (p Probe) exchange(ctx context.Context, rec *probe.Recorder) (reply []byte, halfway time.Time, silent probe.Reason, err error) {
	now := p.Now
	if now == nil {
		now = time.Now
	}
	var conn *kdcwire.Conn
	dial := func() (err error) {
		conn, err = kdcwire.Dial(ctx, p.Dialer, string(p.Transport), p.Address)
		return err
	}
	silent = probe.ReasonUDPSilent
	if p.Transport == probe.TCP {
		if err := rec.Stage(StageConnect, dial); err != nil {
			return nil, time.Time{}, probe.ReasonConnectTimeout, err
		}
		silent = probe.ReasonTCPSilent
	}
	err = rec.Stage(StageKpasswd, func() (err error) {
		if conn == nil { // over UDP it sends nothing: what can fail is this host's routing table
			if err := dial(); err != nil {
				return err
			}
		}
		defer conn.Close()
		sent := now()
		reply, err = conn.Exchange(ctx, client.KpasswdProbe())
		halfway = sent.Add(now().Sub(sent) / 2)
		return err
	})
	return reply, halfway, silent, err
}
