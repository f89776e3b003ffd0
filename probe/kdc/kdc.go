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
// It imports the vocabulary in probe, krb5/client for the messages and
// krb5/kdcwire for the exchange, and nothing else of kerbagent.
package kdc

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/probe"
)

// The stages of a run. UDP has no connect.
const (
	StageConnect = "connect"
	StageAS      = "as"
)

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
	Timeout time.Duration    // of the whole run; must be positive
	Now     func() time.Time // nil: time.Now
	Facts   probe.Facts      // of the plan: copied into each result
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
	for k, v := range p.Facts {
		rec.Fact(k, v)
	}
	request, err := p.request()
	if err != nil {
		return rec.Fail(probe.ReasonInternal, fmt.Errorf("making an AS-REQ for %q: %w", p.User, err))
	}
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	reply, halfway, silent, err := p.exchange(ctx, rec, request)
	if err != nil {
		return rec.Fail(probe.ReasonOf(err, silent), err)
	}
	rec.Sample(probe.SampleBytes, float64(len(reply)))
	reason, err := learn(rec, reply, halfway)
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

// exchange returns the reply and our time halfway between question and answer.
// silent is the reason for a deadline that passed where it ended.
func (p Probe) exchange(ctx context.Context, rec *probe.Recorder, request []byte) (reply []byte, halfway time.Time, silent probe.Reason, err error) {
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
	err = rec.Stage(StageAS, func() (err error) {
		if conn == nil { // over UDP it sends nothing: what can fail is this host's routing table
			if err := dial(); err != nil {
				return err
			}
		}
		defer conn.Close()
		sent := now()
		reply, err = conn.Exchange(ctx, request)
		halfway = sent.Add(now().Sub(sent) / 2)
		return err
	})
	return reply, halfway, silent, err
}
