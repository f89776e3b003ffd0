package diagnose

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// A thousand KDCs that do not answer are one finding, which somebody can still read.
func TestAThousandServersAreReadable(t *testing.T) {
	var results []probe.Result
	for i := range 1000 {
		at := fmt.Sprintf("10.1.%d.%d:88", i/250, i%250+1)
		results = append(results, kdcResult(at, probe.UDP, probe.ReasonRefused), kdcResult(at, probe.TCP, probe.ReasonRefused))
	}
	alive := []probe.Result{kdcResult("10.2.0.1:88", probe.UDP, ""), kdcResult("10.2.0.1:88", probe.TCP, "")}
	for code, results := range map[Code][]probe.Result{"kdc-refused": append(results, alive...), "realm-unreachable": results} {
		rep := Explain(Snapshot{Results: results, Now: testNow})
		if len(rep.Findings) != 1 || rep.Findings[0].Code != code || len(rep.Findings[0].Affects) != 2000 {
			t.Fatalf("findings %v, not %s", codesOf(rep), code)
		}
		f := rep.Findings[0]
		for what, text := range map[string]string{"title": f.Title, "cause": f.Cause, "remedy": f.Remedy} {
			if len(text) > 2000 {
				t.Errorf("%s: the %s has %d characters: %.300s …", code, what, len(text), text)
			}
		}
		if !strings.Contains(f.Cause, "and 988 more") {
			t.Errorf("%s: cause: %s", code, f.Cause)
		}
	}
}

// manyRealms are the results of n realms, of which nothing answers: a DNS server
// of each, this host's resolver about each, a KDC, and a login.
func manyRealms(n int) (out []probe.Result) {
	host := netip.MustParseAddrPort("127.0.0.1:53")
	for i := range n {
		realm := fmt.Sprintf("R%d.TEST", i)
		ip := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		add := func(r probe.Result, reason probe.Reason) {
			r.Outcome, r.Reason, r.Err, r.Started = probe.Failed, reason, errors.New("as tested"), testNow
			out = append(out, r)
		}
		for role, at := range map[string]netip.AddrPort{probe.RoleHost: host, probe.RoleRealm: netip.AddrPortFrom(ip, 53)} {
			for q := range 6 {
				question := fmt.Sprintf("SRV _service%d._tcp.%s", q, domainOf(realm))
				add(probe.Result{ID: probe.ID{Kind: probe.DNS, Target: at.String(), Address: at, Transport: probe.UDP, Variant: question},
					Facts: probe.Facts{probe.FactRealm: realm, probe.FactRole: role, probe.FactQuestion: question}}, probe.ReasonUDPSilent)
			}
		}
		add(probe.Result{ID: probe.ID{Kind: probe.KDC, Target: ip.String(), Address: netip.AddrPortFrom(ip, 88), Transport: probe.TCP},
			Facts: probe.Facts{probe.FactRealm: realm, probe.FactSource: probe.SourceConfigured}}, probe.ReasonConnectTimeout)
		add(probe.Result{ID: probe.ID{Kind: probe.Database, Target: realm}, Facts: probe.Facts{probe.FactDatabase: realm, probe.FactEndpoint: ip.String() + ":3306"}},
			probe.ReasonUnresolvable)
		add(probe.Result{ID: probe.ID{Kind: probe.Login, Target: "u@" + realm}, Facts: probe.Facts{probe.FactRealm: realm, probe.FactUser: "u@" + realm,
			probe.FactDatabase: realm, probe.FactFailedRealm: realm}}, probe.ReasonConnectTimeout)
	}
	return out
}

// A realm of MIT's that publishes URI records and no SRV records is whole, and so is
// one that publishes SRV records alone.
func TestURIOrSRVRecordsAreEnough(t *testing.T) {
	server := netip.MustParseAddrPort("10.0.0.53:53")
	ask := func(question, answer string) probe.Result {
		r := probe.Result{ID: probe.ID{Kind: probe.DNS, Target: question, Address: server, Transport: probe.UDP}, Outcome: probe.OK, Started: testNow,
			Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactKind: "mit", probe.FactRole: probe.RoleRealm, probe.FactQuestion: question, probe.FactAnswer: answer, probe.FactRcode: "NOERROR"}}
		if answer == "" {
			r.Outcome, r.Reason, r.Err, r.Facts[probe.FactRcode] = probe.Failed, probe.ReasonDNSNXDomain, errors.New("as tested"), "NXDOMAIN"
		}
		return r
	}
	soa := ask("SOA r.test", "r.test")
	soa.Facts[probe.FactSOA] = "r.test"
	alive := []probe.Result{soa, kdcResult("10.0.0.1:88", probe.UDP, ""), kdcResult("10.0.0.1:88", probe.TCP, "")}
	const uri, udp, tcp, at = "URI _kerberos.r.test", "SRV _kerberos._udp.r.test", "SRV _kerberos._tcp.r.test", "dc.r.test:88"
	for name, c := range map[string]struct {
		results []probe.Result
		want    int
	}{
		"URI":  {[]probe.Result{ask(uri, at), ask(udp, ""), ask(tcp, "")}, 0},
		"SRV":  {[]probe.Result{ask(uri, ""), ask(udp, at), ask(tcp, at)}, 0},
		"none": {[]probe.Result{ask(uri, ""), ask(udp, ""), ask(tcp, "")}, 1},
	} {
		rep := Explain(Snapshot{Results: append(c.results, alive...), Now: testNow})
		if len(rep.Findings) != c.want {
			t.Errorf("%s: %v", name, codesOf(rep))
		}
	}
}
