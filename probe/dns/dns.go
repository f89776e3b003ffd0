// Package dns asks one DNS server one question over one transport: as a probe
// (Probe), and plainly (Ask) for whoever looks for servers. Servers are asked
// directly; the host's resolver library is never used.
//
// A message that answers ours is an answer whatever it says; silence, a
// refused connection and an answer that cannot be read are told apart. An
// answer that was cut short over UDP fails as dns-truncated: it has to be
// asked for over TCP, and that is another probe.
//
// It imports the vocabulary in probe, probe/exchange to send, and nothing else
// of kerbagent.
package dns

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// StageQuery is waiting for the answer; over TCP it comes after
// exchange.StageConnect.
const StageQuery = "query"

// Probe is one question to one server over one transport.
type Probe struct {
	Question  Question
	Server    netip.AddrPort // port 53 where the plan says nothing else
	Transport probe.Transport
	Dialer    probe.Dialer
	Timeout   time.Duration    // how long the whole run may take; must be positive
	Now       func() time.Time // nil: time.Now
	Facts     probe.Facts      // the facts of the plan, which are copied into each result
}

var _ probe.Probe = Probe{}

// ID is dns, the question as TYPE:name, the server and the transport.
func (p Probe) ID() probe.ID {
	target := dns.TypeToString[p.Question.Type] + ":" + plain(p.Question.Name)
	return probe.ID{Kind: probe.DNS, Target: target, Address: p.Server, Transport: p.Transport}
}

// Run asks once.
func (p Probe) Run(ctx context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Now)
	rec.Facts(p.Facts)
	rec.Fact(probe.FactQuestion, p.Question.String())
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	a, err := ask(ctx, exchange.Request{Address: p.Server, Transport: p.Transport, Dialer: p.Dialer}, p.Question, rec)
	if err != nil {
		return exchange.Fail(rec, err)
	}
	rec.Fact(probe.FactRcode, a.RcodeName())
	rec.Fact(probe.FactAuthoritative, strconv.FormatBool(a.Authoritative))
	rec.Fact(probe.FactAnswer, strings.Join(a.Words(), " "))
	rec.Fact(probe.FactAdditional, strings.Join(a.glueWords(), " "))
	rec.Fact(probe.FactSOA, a.SOA)
	if a.HasTTL {
		rec.Sample(probe.SampleTTL, a.TTL.Seconds())
	}
	reason := a.Reason()
	if reason == probe.ReasonDNSNoData && p.Question.Type == AAAA {
		return rec.OK() // most names have no IPv6 address, and that is no fault
	}
	if reason != "" {
		how := map[probe.Reason]string{probe.ReasonDNSNoData: " without such a record", probe.ReasonDNSTruncated: ", cut short,"}[reason]
		return rec.Fail(reason, fmt.Errorf("%s answered %s%s to %s", p.Server, a.RcodeName(), how, p.Question))
	}
	return rec.OK()
}
