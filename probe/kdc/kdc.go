// Package kdc asks one KDC address over one transport for a ticket, without
// credentials: a real AS-REQ (RFC 4120 §3.1), which harms no account and needs
// no secret. A KDC is alive when it says anything well-formed, whatever it
// says of the user; what it says also tells its clock and the user's
// encryption types and salt.
//
// A request can be made large (Probe.Large). Whether large messages get lost
// is a matter of two probes: the small one is answered, and the large one ends
// in udp-silent or tcp-silent.
//
// It imports the vocabulary in probe, probe/exchange to send, krb5/client for the
// messages and krb5/kdcwire for the errors, and nothing else of kerbagent.
package kdc

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// StageAS is waiting for the KDC's answer; over TCP it comes after
// exchange.StageConnect.
const StageAS = "as"

// VariantLarge is the ID's variant of a probe with a large request.
const VariantLarge = "large"

// Probe is one AS-REQ to one address over one transport.
type Probe struct {
	Host      string // name of the KDC, for the ID: from configuration or checked to be a host name
	Address   netip.AddrPort
	Transport probe.Transport
	User      client.Principal // a configured login's user, or an invented name
	// Large asks for a ticket to a service with a name of 3,000 bytes. Samba,
	// MIT and Heimdal repeat it in their KRB-ERROR (code 7), so both ways carry
	// a message that is larger than a packet; which of them lost it stays open.
	Large   bool
	Dialer  probe.Dialer
	Timeout time.Duration    // how long the whole run may take; must be positive
	Now     func() time.Time // nil: time.Now
	// HostClock says whether something keeps this host's clock: it is asked where a KDC's
	// differs. nil: it is not known.
	HostClock func() string
	Facts     probe.Facts // the facts of the plan, which are copied into each result
}

var _ probe.Probe = Probe{}

// ID is kdc, the host, the address, the transport and the variant.
func (p Probe) ID() probe.ID {
	id := probe.ID{Kind: probe.KDC, Target: p.Host, Address: p.Address, Transport: p.Transport}
	if p.Large {
		id.Variant = VariantLarge
	}
	return id
}

// Run asks once.
func (p Probe) Run(ctx context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Now)
	rec.Facts(p.Facts)
	request, err := p.request()
	if err != nil {
		return rec.Fail(probe.ReasonInternal, fmt.Errorf("making an AS-REQ for %q: %w", p.User, err))
	}
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	reply, err := exchange.Request{Address: p.Address, Transport: p.Transport, Dialer: p.Dialer, Now: p.Now, Stage: StageAS,
		Open: exchange.Kerberos, Message: request}.Do(ctx, rec)
	if err != nil {
		return exchange.Fail(rec, err)
	}
	rec.Sample(probe.SampleBytes, float64(len(reply.Message)))
	reason, err := p.learn(rec, reply.Message, reply.Halfway)
	if err != nil {
		return rec.Fail(reason, err)
	}
	return rec.OK()
}

// largeName is 3,000 bytes: two full packets at any usual MTU, and less than
// the 4,096 bytes that MIT's KDC answers over UDP (kdc_max_dgram_reply_size).
// Its owner can be told from a KDC's log.
func largeName() string {
	const name, size = "kerbagent/large-message-test-", 3000
	return name + strings.Repeat("x", size-len(name))
}

func (p Probe) request() ([]byte, error) {
	o := client.ASOptions{Now: p.Now}
	if p.Large {
		o.Server = client.Principal{Name: largeName(), Realm: p.User.Realm}
	}
	return client.NewAS(p.User, o).Request()
}
