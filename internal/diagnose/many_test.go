package diagnose

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

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

// Eight times the realms take some eight times the time to explain: with a look at
// everything for each realm it was 40 times, and a daemon with 300 realms that
// fail was not ready within a minute.
func TestManyRealmsAreExplainedInProportion(t *testing.T) {
	took := func(n int) time.Duration {
		results := manyRealms(n)
		quickest := time.Hour
		for range 3 { // other work on the machine only adds
			begun := time.Now()
			Explain(Snapshot{Results: results, Now: testNow})
			quickest = min(quickest, time.Since(begun))
		}
		return quickest
	}
	few, many := took(50), took(400)
	if ratio := float64(many) / float64(few); ratio > 20 {
		t.Errorf("50 realms take %v, 400 take %v: %.0f times as long", few, many, ratio)
	}
}
