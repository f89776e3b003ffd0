package diagnose

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// explained is what is said of results; no finding may be the last resort.
func explained(t *testing.T, results ...probe.Result) Report {
	t.Helper()
	got := Explain(Snapshot{Now: testNow, Results: results})
	for _, f := range got.Findings {
		if f.Code == codeLoginFailed || f.Code == codeProbeFailed {
			t.Errorf("%s: %s", f.Code, f.Cause)
		}
	}
	return got
}

// With a krb5.conf that names no KDC and keeps libkrb5 from asking DNS no program logs in. That was "please report", also
// where nobody had configured that the file is to be checked.
func TestAKrb5ConfWithoutKDCs(t *testing.T) {
	l := loginResult(probe.ReasonNoKDCInFile, probe.AtAS)
	l.Err = errors.New("krb5.conf: it has no entry, and DNS is not asked")
	refused := answerTo("10.0.0.1:53", probe.RoleRealm, "SOA r.test", probe.ReasonDNSRefused)
	got := explained(t, l, refused)
	if f := got.Findings[0]; got.Verdict != VerdictFailed || f.Code != "krb5conf-realm-missing" || f.Severity != Error || !strings.Contains(f.Cause, "DNS is not asked") {
		t.Errorf("%s: %+v", got.Verdict, got.Findings)
	}
	file := probe.Result{ID: probe.ID{Kind: probe.Krb5Conf, Target: "/etc/krb5.conf", Variant: "x"}, Outcome: probe.Failed, Reason: "krb5conf-realm-missing", Started: testNow,
		Facts: probe.Facts{probe.FactIssue: "krb5conf-realm-missing", probe.FactSeverity: "error"}}
	if got := codesOf(explained(t, l, file)); !slices.Equal(got, []Code{"krb5conf-realm-missing"}) {
		t.Errorf("beside the file's own issue: %v", got)
	}
}

// A KDC that the krb5.conf alone names has no probe: a login that fails there was "please report".
func TestALoginAtAKDCOfTheKrb5ConfAlone(t *testing.T) {
	for reason, code := range map[probe.Reason]Code{probe.ReasonRefused: "kdc-refused", probe.ReasonConnectTimeout: "kdc-silent", probe.ReasonUnreachable: "kdc-silent",
		probe.ReasonTCPSilent: "kdc-hung", probe.ReasonClosed: "kdc-not-kerberos"} {
		l := loginResult(reason, probe.AtAS)
		l.Facts[probe.FactKDC], l.Facts[probe.FactFileKDCs] = "10.0.0.99:88", "R.TEST 10.0.0.99:88 10.0.0.99 /etc/krb5.conf:7"
		fine := kdcResult("10.0.0.1:88", probe.TCP, "")
		fine.Facts[probe.FactSource] = probe.SourceSRV
		got := explained(t, l, fine)
		if !slices.Equal(codesOf(got), []Code{code}) || got.Findings[0].Severity != Error || !strings.Contains(got.Findings[0].Cause, "/etc/krb5.conf:7") {
			t.Errorf("%s: %+v", reason, got.Findings)
		}
	}
}

// A login fails for now because the host's resolver answers no datagram: that is one fault, though the probes got their
// answers over TCP.
func TestAResolverWithoutDatagramsIsOneFinding(t *testing.T) {
	l := loginResult(probe.ReasonUnresolvable, probe.AtAS)
	l.Facts[probe.FactForNow] = "true"
	rs := []probe.Result{l}
	for _, q := range []string{"SOA r.test", "SRV _kerberos._udp.r.test", "A dc.r.test"} {
		overTCP := answerTo("10.0.0.53:53", probe.RoleHost, q, "")
		overTCP.ID.Transport = probe.TCP
		rs = append(rs, answerTo("10.0.0.53:53", probe.RoleHost, q, probe.ReasonUDPSilent), overTCP)
	}
	if got := explained(t, rs...); !slices.Equal(codesOf(got), []Code{"dns-udp-blocked"}) || got.Verdict != VerdictFailed {
		t.Errorf("%s %v", got.Verdict, codesOf(got))
	}
}

// One of a realm's two DNS servers refuses SRV records, and this host's resolver passes that on to a login, though not to
// the probes. That the other server answers helps no login.
func TestARefusalThatTheResolverPassesOnToALogin(t *testing.T) {
	l := loginResult(probe.ReasonUnresolvable, probe.AtAS)
	l.Facts[probe.FactForNow] = "true"
	rs := []probe.Result{l}
	for _, q := range []string{"SOA r.test", "SRV _kerberos._udp.r.test", "A dc.r.test"} {
		says := probe.Reason("")
		if strings.HasPrefix(q, "SRV") {
			says = probe.ReasonDNSServFail
		}
		rs = append(rs, answerTo("10.0.0.1:53", probe.RoleRealm, q, ""), answerTo("10.0.0.2:53", probe.RoleRealm, q, says), answerTo("10.0.0.53:53", probe.RoleHost, q, ""))
	}
	if got := explained(t, rs...); !slices.Equal(codesOf(got), []Code{"dns-filtered"}) || got.Findings[0].Severity != Error {
		t.Errorf("%+v", got.Findings)
	}
	if got := explained(t, l); !slices.Equal(codesOf(got), []Code{"kdc-lookup-failed"}) {
		t.Errorf("alone: %v", codesOf(got))
	}
}

// A login that ends at the name of a KDC asks none of the others: that these are dead is the lesser trouble.
func TestALookupThatEndsALoginComesBeforeDeadKDCs(t *testing.T) {
	l := loginResult(probe.ReasonUnresolvable, probe.AtAS)
	l.Facts[probe.FactLacksHost] = "dc1.r.test"
	dead := func(tr probe.Transport) probe.Result {
		return at(kdcResult("10.0.0.2:88", tr, probe.ReasonRefused), probe.KDC, "dc2.r.test", "10.0.0.2:88", "R.TEST")
	}
	if got := codesOf(explained(t, l, dead(probe.UDP), dead(probe.TCP))); len(got) < 2 || got[0] != "kdc-lookup-failed" {
		t.Errorf("%v", got)
	}
}

// One question that a DNS server does not answer while it answers others of that type is filtered; where others needed
// a second datagram, it was lost like theirs.
func TestOneQuestionThatIsNotAnswered(t *testing.T) {
	lone := answerTo("10.0.0.1:53", probe.RoleRealm, "SRV _kpasswd._udp.r.test", probe.ReasonUDPSilent)
	lone.Samples[probe.SampleResends] = 1
	rs := []probe.Result{lone}
	for _, q := range []string{"SOA r.test", "SRV _kerberos._udp.r.test", "A dc.r.test"} {
		rs = append(rs, answerTo("10.0.0.1:53", probe.RoleRealm, q, ""))
	}
	if got := explained(t, rs...); !slices.Equal(codesOf(got), []Code{"dns-filtered"}) || !strings.Contains(got.Findings[0].Title, "_kpasswd._udp.r.test") {
		t.Errorf("%+v", got.Findings)
	}
	more, overTCP := answerTo("10.0.0.1:53", probe.RoleRealm, "SRV _ldap._tcp.r.test", probe.ReasonUDPSilent), answerTo("10.0.0.1:53", probe.RoleRealm, "SRV _ldap._tcp.r.test", probe.ReasonTCPSilent)
	overTCP.ID.Transport = probe.TCP
	if got := codesOf(explained(t, append(slices.Clone(rs), more, overTCP)...)); !slices.Equal(got, []Code{"dns-filtered"}) {
		t.Errorf("two of them: %v", got)
	}
	rs[2].Samples[probe.SampleResends] = 1
	if got := codesOf(explained(t, rs...)); !slices.Equal(got, []Code{"path-lossy"}) {
		t.Errorf("beside loss: %v", got)
	}
}

// A resolver that answers late of one zone alone asks somebody slow: where it had been asked before, its answer comes soon
// after the second datagram, and nothing was lost.
func TestLateAnswersOfOneZoneAreNoLoss(t *testing.T) {
	late := func(q, realm string) probe.Result {
		r := answerTo("10.0.0.53:53", probe.RoleHost, q, "")
		r.Facts[probe.FactRealm], r.Duration = realm, 1800*time.Millisecond
		r.Samples[probe.SampleResends] = 1
		return r
	}
	var rs []probe.Result
	for _, q := range []string{"SOA o.test", "SRV _kerberos._udp.o.test", "SRV _kerberos._tcp.o.test", "A dc.o.test"} {
		rs = append(rs, late(q, "O.TEST"))
	}
	if got := codesOf(explained(t, rs...)); !slices.Contains(got, "path-lossy") {
		t.Errorf("every question is late: %v", got)
	}
	if got := codesOf(explained(t, append(rs, answerTo("10.0.0.53:53", probe.RoleHost, "SOA r.test", ""))...)); slices.Contains(got, "path-lossy") {
		t.Errorf("another zone is not: %v", got)
	}
}

// Programs ask for a ticket before they turn to the database: that the KDC does not know its service stands first,
// though the login ended at the database before it announced it.
func TestAnUnknownServiceBehindADatabaseThatRefuses(t *testing.T) {
	l := loginResult(probe.ReasonRefused, probe.AtDatabase)
	l.Facts[probe.FactRefusedAhead] = "mysql/db.r.test@R.TEST"
	db := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "db.test", Address: netip.MustParseAddrPort("10.0.3.1:3306"), Transport: probe.TCP}, Outcome: probe.Failed,
		Reason: probe.ReasonRefused, Started: testNow, Samples: probe.Samples{}, Facts: probe.Facts{probe.FactEndpoint: "db.test:3306", probe.FactDatabase: "db"}}
	other := loginResult(probe.ReasonRefused, probe.AtDatabase) // whose KDC was too slow to be heard in time
	other.ID.Target = "w@R.TEST@db"
	got := explained(t, l, other, db)
	if !slices.Equal(codesOf(got), []Code{"service-unknown", "db-refused"}) || !strings.Contains(got.Findings[0].Cause, "mysql/db.r.test@R.TEST") {
		t.Errorf("%+v", got.Findings)
	}
}

// A login for which programs would wait too long has failed, by the servers that answer late.
func TestALoginThatTakesProgramsTooLong(t *testing.T) {
	l := loginResult(probe.ReasonTooLate, probe.AtAS)
	l.Facts[probe.FactPassed], l.Facts[probe.FactPassedAt] = "name server 10.0.0.53:53: an answer after 4s for _kerberos._udp.R.TEST", "10.0.0.53:53"
	l.Samples = probe.Samples{probe.SampleProgramWait: 60}
	if got := explained(t, l); got.Verdict != VerdictFailed || !slices.Equal(codesOf(got), []Code{"login-slow"}) || got.Findings[0].Severity != Error {
		t.Errorf("%s: %+v", got.Verdict, got.Findings)
	}
	rs := []probe.Result{l}
	for _, q := range []string{"SOA r.test", "A dc.r.test"} {
		rs = append(rs, answerTo("10.0.0.53:53", probe.RoleHost, q, probe.ReasonUDPSilent))
	}
	if got := explained(t, rs...); got.Verdict != VerdictFailed || !slices.Equal(codesOf(got), []Code{"dns-server-silent"}) || got.Findings[0].Severity != Error {
		t.Errorf("beside its silence: %+v", got.Findings)
	}
}
