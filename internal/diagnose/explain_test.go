package diagnose

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

var testNow = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// kdcResult is one small exchange with a KDC of R.TEST.
func kdcResult(addr string, tr probe.Transport, reason probe.Reason) probe.Result {
	r := probe.Result{
		ID:      probe.ID{Kind: probe.KDC, Target: "dc.r.test", Address: netip.MustParseAddrPort(addr), Transport: tr},
		Outcome: probe.OK, Started: testNow,
		Facts:   probe.Facts{probe.FactRealm: "R.TEST", probe.FactSource: probe.SourceConfigured, probe.FactUser: "u@R.TEST"},
		Samples: probe.Samples{},
	}
	if reason != "" {
		r.Outcome, r.Reason, r.Err = probe.Failed, reason, errors.New("as tested")
	}
	return r
}

func loginResult(reason probe.Reason, at string) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.Login, Target: "u@R.TEST@db"}, Outcome: probe.OK, Started: testNow, Samples: probe.Samples{},
		Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactUser: "u@R.TEST", probe.FactDatabase: "db"}}
	if reason != "" {
		r.Outcome, r.Reason = probe.Failed, reason
		r.Facts[probe.FactFailedAt], r.Facts[probe.FactFailedRealm] = at, "R.TEST"
	}
	return r
}

func codesOf(r Report) []Code {
	var out []Code
	for _, f := range r.Findings {
		out = append(out, f.Code)
	}
	return out
}

func TestExplain(t *testing.T) {
	const one, two = "10.0.0.1:88", "10.0.0.2:88"
	tests := []struct {
		name     string
		results  []probe.Result
		want     []Code
		severity Severity // of the first
		verdict  Verdict
	}{
		{"healthy", []probe.Result{kdcResult(one, probe.UDP, ""), kdcResult(one, probe.TCP, ""), loginResult("", "")}, nil, "", VerdictOK},
		{"one of two blocked over TCP, logins work: an error is shown as a warning",
			[]probe.Result{kdcResult(one, probe.UDP, ""), kdcResult(one, probe.TCP, probe.ReasonConnectTimeout), kdcResult(two, probe.UDP, ""), kdcResult(two, probe.TCP, ""), loginResult("", "")},
			[]Code{"kdc-tcp-blocked"}, Warning, VerdictDegraded},
		{"the only one blocked over TCP: the login's failure is folded under it",
			[]probe.Result{kdcResult(one, probe.UDP, ""), kdcResult(one, probe.TCP, probe.ReasonConnectTimeout), loginResult(probe.ReasonConnectTimeout, probe.AtAS)},
			[]Code{"kdc-tcp-blocked"}, Error, VerdictFailed},
		{"a warning that breaks the only login is an error",
			[]probe.Result{kdcResult(one, probe.UDP, ""), kdcResult(one, probe.TCP, ""), large(kdcResult(one, probe.TCP, probe.ReasonTCPSilent)), loginResult(probe.ReasonTCPSilent, probe.AtPreauth)},
			[]Code{"kdc-large-messages-lost"}, Error, VerdictFailed},
		{"all dead: one finding for the realm, not one a server",
			[]probe.Result{kdcResult(one, probe.UDP, probe.ReasonUDPSilent), kdcResult(one, probe.TCP, probe.ReasonConnectTimeout), kdcResult(two, probe.UDP, probe.ReasonRefused), kdcResult(two, probe.TCP, probe.ReasonRefused), loginResult(probe.ReasonConnectTimeout, probe.AtAS)},
			[]Code{"realm-unreachable"}, Error, VerdictFailed},
		{"hung, not silent: TCP connects", []probe.Result{kdcResult(one, probe.UDP, probe.ReasonUDPSilent), kdcResult(one, probe.TCP, probe.ReasonTCPSilent), kdcResult(two, probe.UDP, ""), kdcResult(two, probe.TCP, "")},
			[]Code{"kdc-hung"}, Warning, VerdictDegraded},
		{"TCP refused, UDP answers: blocked, not refused", []probe.Result{kdcResult(one, probe.UDP, ""), kdcResult(one, probe.TCP, probe.ReasonRefused), kdcResult(two, probe.UDP, ""), kdcResult(two, probe.TCP, "")},
			[]Code{"kdc-tcp-blocked"}, Warning, VerdictDegraded},
		{"a login that fails for no known reason is not passed over", []probe.Result{loginResult(probe.ReasonKRBError, probe.AtTGS)}, []Code{"login-failed"}, Error, VerdictFailed},
		{"a probe that fails for no known reason is not passed over", []probe.Result{kdcResult(one, probe.UDP, probe.ReasonInternal)}, []Code{"probe-failed"}, Warning, VerdictDegraded},
		{"nothing could be sent, and the krb5.conf is fine", []probe.Result{kdcResult(one, probe.UDP, probe.ReasonUnreachable), kdcResult(one, probe.TCP, probe.ReasonUnreachable),
			{ID: probe.ID{Kind: probe.Krb5Conf, Target: "/etc/krb5.conf"}, Outcome: probe.OK}}, []Code{"host-offline"}, Error, VerdictFailed},
		{"nothing could be sent", []probe.Result{kdcResult(one, probe.UDP, probe.ReasonUnreachable), kdcResult(one, probe.TCP, probe.ReasonUnreachable), loginResult(probe.ReasonUnreachable, probe.AtAS)}, []Code{"host-offline"}, Error, VerdictFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Explain(Snapshot{Results: tt.results, Now: testNow})
			if !slices.Equal(codesOf(got), tt.want) || got.Verdict != tt.verdict {
				t.Fatalf("findings %v, verdict %s; want %v, %s", codesOf(got), got.Verdict, tt.want, tt.verdict)
			}
			if len(got.Findings) > 0 && got.Findings[0].Severity != tt.severity {
				t.Errorf("severity %s, want %s", got.Findings[0].Severity, tt.severity)
			}
		})
	}
}

// zoneAnswers is what a DNS server says of R.TEST over UDP: NXDOMAIN to all,
// nothing, or its zone.
func zoneAnswers(addr, role string, reason probe.Reason) []probe.Result {
	var out []probe.Result
	for _, q := range []string{"SOA r.test", "SRV _kerberos._tcp.r.test"} {
		r := probe.Result{ID: probe.ID{Kind: probe.DNS, Target: q, Address: netip.MustParseAddrPort(addr), Transport: probe.UDP}, Outcome: probe.OK, Started: testNow, Samples: probe.Samples{},
			Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactRole: role, probe.FactQuestion: q, probe.FactSOA: "r.test", probe.FactRcode: "NOERROR"}}
		if reason != "" {
			r.Outcome, r.Reason, r.Err = probe.Failed, reason, errors.New("as tested")
			r.Facts[probe.FactRcode], r.Facts[probe.FactSOA] = "NXDOMAIN", ""
		}
		out = append(out, r)
	}
	return out
}

// While the realm's own servers were silent, each answer of a resolver without
// a forwarder was an unexplained failure of its own.
func TestZoneWhileItsServersAreSilent(t *testing.T) {
	const dc1, dc2, resolver = "10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"
	ignorant, silent := probe.ReasonDNSNXDomain, probe.ReasonUDPSilent
	kdcs := []probe.Result{kdcResult("10.0.1.1:88", probe.UDP, ""), kdcResult("10.0.1.1:88", probe.TCP, "")}
	for name, tt := range map[string]struct {
		results [][]probe.Result
		want    []string
	}{
		"all silent":               {[][]probe.Result{zoneAnswers(dc1, probe.RoleRealm, silent), zoneAnswers(dc2, probe.RoleRealm, silent), zoneAnswers(resolver, probe.RoleHost, ignorant)}, []string{"dns-server-silent error", "dns-server-silent error", "dns-zone-missing warning"}},
		"one silent, one ignorant": {[][]probe.Result{zoneAnswers(dc1, probe.RoleRealm, silent), zoneAnswers(dc2, probe.RoleRealm, ignorant), zoneAnswers(resolver, probe.RoleHost, ignorant)}, []string{"dns-server-silent warning", "realm-not-in-dns warning"}},
		"one silent":               {[][]probe.Result{zoneAnswers(dc1, probe.RoleRealm, silent), zoneAnswers(dc2, probe.RoleRealm, ""), zoneAnswers(resolver, probe.RoleHost, ignorant)}, []string{"dns-zone-missing error", "dns-server-silent warning"}},
		"none asked":               {[][]probe.Result{zoneAnswers(resolver, probe.RoleHost, ignorant)}, []string{"realm-not-in-dns error"}},
		"none knows":               {[][]probe.Result{zoneAnswers(dc1, probe.RoleRealm, ignorant), zoneAnswers(resolver, probe.RoleHost, ignorant)}, []string{"realm-not-in-dns error"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range Explain(Snapshot{Results: slices.Concat(append(tt.results, kdcs)...), Now: testNow}).Findings {
				got = append(got, string(f.Code)+" "+string(f.Severity))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A database's name that does not exist was called a consequence of the realm's
// zone that is not known either; one in that zone is one.
func TestZoneThatIsNotKnownHidesNoEndpoint(t *testing.T) {
	for name, want := range map[string][]Code{"db.elsewhere.test": {"realm-not-in-dns", "endpoint-unresolvable"}, "db.r.test": {"realm-not-in-dns"}} {
		results := zoneAnswers("10.0.0.3:53", probe.RoleHost, probe.ReasonDNSNXDomain)
		asked := results[0]
		asked.ID.Target = "A " + name
		asked.Facts = probe.Facts{probe.FactRealm: "R.TEST", probe.FactRole: probe.RoleHost, probe.FactQuestion: "A " + name, probe.FactRcode: "NXDOMAIN", probe.FactDatabase: "db", probe.FactEndpoint: name + ":3306"}
		db := probe.Result{ID: probe.ID{Kind: probe.Database, Target: name}, Outcome: probe.Failed, Reason: probe.ReasonUnresolvable, Started: testNow, Samples: probe.Samples{},
			Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactDatabase: "db", probe.FactEndpoint: name + ":3306"}}
		got := Explain(Snapshot{Results: append(results, asked, db), Now: testNow})
		if !slices.Equal(codesOf(got), want) {
			t.Errorf("%s: %v, want %v", name, codesOf(got), want)
		}
		if about := slices.Contains(got.Findings[0].Affects, asked.ID); about != (name == "db.r.test") {
			t.Errorf("%s: realm-not-in-dns affects %q", name, got.Findings[0].Affects)
		}
	}
}

func large(r probe.Result) probe.Result {
	r.ID.Variant = "large"
	return r
}

func TestSkewOfOneAndOfAll(t *testing.T) {
	skewed := func(addr string, s float64) probe.Result {
		r := kdcResult(addr, probe.TCP, "")
		r.Samples[probe.SampleSkew] = s
		return r
	}
	both := Explain(Snapshot{Results: []probe.Result{skewed("10.0.0.1:88", 600), skewed("10.0.0.2:88", 601)}, Now: testNow})
	if got := codesOf(both); !slices.Equal(got, []Code{"clock-skew"}) || both.Verdict != VerdictFailed {
		t.Errorf("both off: %v %s", got, both.Verdict)
	}
	one := Explain(Snapshot{Results: []probe.Result{skewed("10.0.0.1:88", 0.1), skewed("10.0.0.2:88", -600)}, Now: testNow})
	if got := codesOf(one); !slices.Equal(got, []Code{"clock-skew-one-kdc"}) {
		t.Errorf("one off: %v", got)
	}
	soon := Explain(Snapshot{Results: []probe.Result{skewed("10.0.0.1:88", 120)}, Now: testNow})
	if got := codesOf(soon); !slices.Equal(got, []Code{"clock-skew"}) || soon.Findings[0].Severity != Warning {
		t.Errorf("off, but within the limit: %v, want clock-skew as a warning", got)
	}
}

// Two clocks that are off to different sides are two clocks that are off, not
// this host's.
func TestSkewToBothSides(t *testing.T) {
	a, b := kdcResult("10.0.0.1:88", probe.TCP, ""), kdcResult("10.0.0.2:88", probe.TCP, "")
	a.Samples[probe.SampleSkew], b.Samples[probe.SampleSkew] = 600, -600
	if got := codesOf(Explain(Snapshot{Results: []probe.Result{a, b}, Now: testNow})); !slices.Equal(got, []Code{"clock-skew-one-kdc"}) {
		t.Errorf("%v, want clock-skew-one-kdc", got)
	}
}

// This host's resolver is asked about each realm; that it is silent is one finding.
func TestASilentResolverIsOneFinding(t *testing.T) {
	var results []probe.Result
	for _, realm := range []string{"R.TEST", "S.TEST"} {
		r := kdcResult("10.0.0.53:53", probe.UDP, probe.ReasonUDPSilent)
		r.ID.Kind, r.ID.Target = probe.DNS, "SOA:"+domainOf(realm)
		r.Facts = probe.Facts{probe.FactRealm: realm, probe.FactRole: probe.RoleHost, probe.FactQuestion: "SOA " + domainOf(realm)}
		results = append(results, r)
	}
	got := Explain(Snapshot{Results: results, Now: testNow})
	if !slices.Equal(codesOf(got), []Code{"dns-server-silent"}) || len(got.Findings[0].Affects) != 2 {
		t.Errorf("%v affecting %v", codesOf(got), got.Findings[0].Affects)
	}
}

// A DNS server that has only an IPv6 address and is dead says nothing of IPv6.
func TestADeadDNSServerIsNoBrokenIPv6(t *testing.T) {
	dns := func(addr string, reason probe.Reason) probe.Result {
		r := kdcResult(addr, probe.UDP, reason)
		r.ID.Kind, r.ID.Target = probe.DNS, "SOA:r.test"
		r.Facts = probe.Facts{probe.FactRealm: "R.TEST", probe.FactRole: probe.RoleRealm, probe.FactQuestion: "SOA r.test", probe.FactSOA: "r.test"}
		return r
	}
	got := codesOf(Explain(Snapshot{Results: []probe.Result{dns("[fd00::1]:53", probe.ReasonUDPSilent), dns("10.0.0.1:53", "")}, Now: testNow}))
	if !slices.Equal(got, []Code{"dns-server-silent"}) {
		t.Errorf("%v, want dns-server-silent", got)
	}
}

// A KDC that wants preauthentication and names no encryption type of ours: no
// try is made, and it is no wrong password.
func TestNoKeyForAPassword(t *testing.T) {
	for secret, want := range map[string]Code{"password": "etype-unsupported", "keytab": "keytab-stale"} {
		r := loginResult(probe.ReasonKeytabNoKey, probe.AtPreauth)
		r.Facts[probe.FactSecretType] = secret
		if got := codesOf(Explain(Snapshot{Results: []probe.Result{r}, Now: testNow})); !slices.Equal(got, []Code{want}) {
			t.Errorf("%s: %v, want %s", secret, got, want)
		}
	}
}

// A realm of MIT's may be in lower case: an unknown user there is one.
func TestLowerCaseRealmOfMIT(t *testing.T) {
	r := loginResult(probe.ReasonKRBClientUnknown, probe.AtAS)
	r.Facts[probe.FactRealm], r.Facts[probe.FactKind] = "r.test", "mit"
	if got := codesOf(Explain(Snapshot{Results: []probe.Result{r}, Now: testNow})); !slices.Equal(got, []Code{"principal-unknown"}) {
		t.Errorf("%v, want principal-unknown", got)
	}
}

func TestSinceIsWhenItBegan(t *testing.T) {
	r := kdcResult("10.0.0.1:88", probe.UDP, probe.ReasonInternal)
	began := testNow.Add(-time.Hour)
	got := Explain(Snapshot{Results: []probe.Result{r}, Now: testNow, FailingSince: map[probe.ID]time.Time{r.ID: began}})
	if !got.Findings[0].Since.Equal(began) {
		t.Errorf("since %s, want %s", got.Findings[0].Since, began)
	}
}

// Whatever is seen together: nothing panics, the same results give the same
// report, and a failure is never reported as ok.
func TestExplainIsPureAndLosesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	reasons := []probe.Reason{probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonRefused, probe.ReasonUnreachable, probe.ReasonForbidden,
		probe.ReasonClosed, probe.ReasonMalformed, probe.ReasonUnresolvable, probe.ReasonCanceled, probe.ReasonDNSNXDomain, probe.ReasonDNSRefused, probe.ReasonDNSTruncated,
		probe.ReasonKRBRevoked, probe.ReasonKRBServiceUnavailable, probe.ReasonKRBServerUnknown, probe.ReasonKRBEType, probe.ReasonDBBlocked, probe.ReasonDBTLSUntrusted,
		probe.ReasonDBTicketRejected, probe.ReasonDBUnproven, probe.ReasonSecretMalformed, probe.ReasonPaused, probe.ReasonNoRecord, ""}
	kinds := []probe.Kind{probe.DNS, probe.KDC, probe.Kpasswd, probe.Database, probe.Login}
	for range 3000 {
		var results []probe.Result
		for range 1 + rng.IntN(8) {
			r := kdcResult([]string{"10.0.0.1:88", "10.0.0.2:88", "[fd00::1]:88", "10.0.0.1:53"}[rng.IntN(4)], []probe.Transport{probe.UDP, probe.TCP}[rng.IntN(2)], reasons[rng.IntN(len(reasons))])
			r.ID.Kind = kinds[rng.IntN(len(kinds))]
			switch r.ID.Kind {
			case probe.DNS:
				r.Facts[probe.FactRole] = []string{probe.RoleRealm, probe.RoleHost}[rng.IntN(2)]
				r.Facts[probe.FactQuestion] = []string{"SOA r.test", "SRV _kerberos._tcp.r.test", "A r.test"}[rng.IntN(3)]
			case probe.Login:
				r.Facts[probe.FactFailedAt] = []string{probe.AtAS, probe.AtPreauth, probe.AtTGS, probe.AtDatabase}[rng.IntN(4)]
				r.Facts[probe.FactFailedRealm] = []string{"R.TEST", "S.TEST"}[rng.IntN(2)]
			}
			results = append(results, r)
		}
		s := Snapshot{Results: results, Now: testNow}
		got := Explain(s)
		if again := Explain(s); !reflect.DeepEqual(got, again) {
			t.Fatalf("two reports of one snapshot:\n%v\n%v", got, again)
		}
		for _, r := range results {
			if r.Outcome == probe.Failed && !(&view{}).harmless(&r) && got.Verdict == VerdictOK {
				t.Fatalf("%s failed (%s), and the verdict is ok", r.ID, r.Reason)
			}
			if r.Outcome == probe.Failed && r.ID.Kind == probe.Login && got.Verdict != VerdictFailed {
				t.Fatalf("login failed (%s at %s), and the verdict is %s: %v", r.Reason, r.Facts[probe.FactFailedAt], got.Verdict, codesOf(got))
			}
		}
	}
}

// A database that could not be asked (no record of attempts, say) is not ok.
func TestADatabaseThatWasNotAskedIsNotOK(t *testing.T) {
	at := func(addr string, outcome probe.Outcome) probe.Result {
		return probe.Result{ID: probe.ID{Kind: probe.Database, Target: "db.r.test", Address: netip.MustParseAddrPort(addr)}, Outcome: outcome, Reason: probe.ReasonNoRecord}
	}
	for name, c := range map[string]struct {
		results []probe.Result
		want    Verdict
	}{
		"asked nowhere":      {[]probe.Result{at("10.0.0.1:3306", probe.Skipped), at("10.0.0.2:3306", probe.Skipped)}, VerdictUnknown},
		"asked at one place": {[]probe.Result{at("10.0.0.1:3306", probe.OK), at("10.0.0.2:3306", probe.Skipped)}, VerdictOK},
	} {
		c.results = append(c.results, kdcResult("10.0.0.9:88", probe.TCP, ""), kdcResult("10.0.0.9:88", probe.UDP, ""))
		if got := Explain(Snapshot{Results: c.results, Now: testNow}).Verdict; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
