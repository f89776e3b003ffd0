package diagnose

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// answerTo is a DNS server's answer to a question about R.TEST; no reason: it has a record.
func answerTo(server, role, question string, reason probe.Reason) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.DNS, Target: question, Address: netip.MustParseAddrPort(server), Transport: probe.UDP}, Outcome: probe.OK, Started: testNow,
		Samples: probe.Samples{}, Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactRole: role, probe.FactQuestion: question, probe.FactAnswer: "10.0.0.1"}}
	if reason != "" {
		r.Outcome, r.Reason = probe.Failed, reason
		delete(r.Facts, probe.FactAnswer)
	}
	return r
}

// A resolver passes on what the realm's own servers refuse, type by type: what it refuses beyond
// that is its own refusal, and is not left unexplained.
func TestAResolverRefusesAnotherTypeThanTheRealmsServer(t *testing.T) {
	const own, host = "10.0.0.1:53", "10.0.0.53:53"
	for name, c := range map[string]struct {
		resolverRefuses string
		places          []string
	}{
		"the same type":  {"SOA r.test", []string{own}},
		"another type":   {"SRV _kerberos._udp.r.test", []string{own, host}},
		"an address too": {"A dc.r.test", []string{own, host}},
	} {
		t.Run(name, func(t *testing.T) {
			var rs []probe.Result
			for _, q := range []string{"SOA r.test", "SRV _kerberos._udp.r.test", "A dc.r.test"} {
				refusedBy := map[bool]probe.Reason{true: probe.ReasonDNSRefused}
				rs = append(rs, answerTo(own, probe.RoleRealm, q, refusedBy[q == "SOA r.test"]), answerTo(host, probe.RoleHost, q, refusedBy[q == c.resolverRefuses]))
			}
			var places []string
			for _, f := range Explain(Snapshot{Now: testNow, Results: rs}).Findings {
				if f.Code != "dns-filtered" {
					t.Errorf("%s: %s", f.Code, f.Cause)
				}
				for _, id := range f.Affects {
					places = appendNew(places, id.Address.String())
				}
			}
			slices.Sort(places)
			if !slices.Equal(places, c.places) {
				t.Errorf("filtered at %v, want %v", places, c.places)
			}
		})
	}
}

// Where UDP loses the same questions and answers others, TCP is not blocked: it connects, and what is
// lost is lost by its size or its type.
func TestMessagesThatAreLostOverBothTransportsAreNoBlockedTCP(t *testing.T) {
	rs := []probe.Result{answerTo("10.0.0.1:53", probe.RoleRealm, "A dc.r.test", "")}
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		for _, q := range []string{"SOA r.test", "SRV _kerberos._tcp.r.test"} {
			r := answerTo("10.0.0.1:53", probe.RoleRealm, q, map[probe.Transport]probe.Reason{probe.UDP: probe.ReasonUDPSilent, probe.TCP: probe.ReasonTCPSilent}[transport])
			r.ID.Transport = transport
			rs = append(rs, r)
		}
	}
	got := Explain(Snapshot{Now: testNow, Results: rs})
	if codes := codesOf(got); !slices.Equal(codes, []Code{"dns-filtered"}) || len(got.Findings[0].Affects) != 4 {
		t.Errorf("%v: %+v", codes, got.Findings)
	}
}
