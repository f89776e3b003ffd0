// Package kpasswd asks one password server at one address over one transport
// to do something impossible, and takes its refusal as the sign of life: a
// real RFC 3244 exchange that names no account, needs no secret and changes
// nothing. The refusal also has the server's clock, and a realm that is no proof of
// which one it serves.
//
// It imports the vocabulary in probe, probe/exchange to send and krb5/client for
// the messages, and nothing else of kerbagent.
package kpasswd

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// StageKpasswd is waiting for the server's answer; over TCP it comes after
// exchange.StageConnect.
const StageKpasswd = "kpasswd"

// Probe is one exchange with one address over one transport.
type Probe struct {
	Host      string // name of the server, for the ID: from configuration or checked to be a host name
	Address   netip.AddrPort
	Transport probe.Transport
	Dialer    probe.Dialer
	Timeout   time.Duration    // how long the whole run may take; must be positive
	Now       func() time.Time // nil: time.Now
	Facts     probe.Facts      // the facts of the plan, which are copied into each result
}

var _ probe.Probe = Probe{}

// ID is kpasswd, the host, the address and the transport.
func (p Probe) ID() probe.ID {
	return probe.ID{Kind: probe.Kpasswd, Target: p.Host, Address: p.Address, Transport: p.Transport}
}

// Run asks once. Any well-formed refusal is OK.
func (p Probe) Run(ctx context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Now)
	rec.Facts(p.Facts)
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	reply, err := exchange.Request{Address: p.Address, Transport: p.Transport, Dialer: p.Dialer, Now: p.Now, Stage: StageKpasswd,
		Open: exchange.Kerberos, Message: client.KpasswdProbe()}.Do(ctx, rec)
	if err != nil {
		return exchange.Fail(rec, err)
	}
	rec.Sample(probe.SampleBytes, float64(len(reply.Message)))
	e, err := client.ParseKpasswdReply(reply.Message)
	if err != nil {
		return rec.Fail(probe.ReasonMalformed, err)
	}
	rec.Fact(probe.FactKRBCode, strconv.Itoa(int(e.Code)))
	rec.Fact(probe.FactKRBText, strings.TrimRight(e.EText, "\x00"))
	rec.Fact(probe.FactServedBy, e.Realm)
	rec.Sample(probe.SampleSkew, probe.Skew(e.STime, reply.Halfway).Seconds())
	return rec.OK()
}
