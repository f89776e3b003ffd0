package diagnose

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// at is a result at another place than kdcResult's.
func at(r probe.Result, kind probe.Kind, target, addr, realm string) probe.Result {
	r.ID.Kind, r.ID.Target, r.ID.Address = kind, target, netip.MustParseAddrPort(addr)
	r.Facts[probe.FactRealm] = realm
	return r
}

func late(r probe.Result, resends float64) probe.Result {
	r.Samples[probe.SampleResends] = resends
	return r
}

func skewed(r probe.Result, by time.Duration) probe.Result {
	r.Samples = maps.Clone(r.Samples)
	r.Samples[probe.SampleSkew] = by.Seconds()
	return r
}

// unanswered is a login that a KDC left without an answer.
func unanswered(r probe.Result, kdc string) probe.Result {
	r.Facts = maps.Clone(r.Facts)
	r.Facts[probe.FactUnanswered] = kdc
	return r
}

// ahead is a login that took a KDC's time.
func ahead(r probe.Result, by time.Duration) probe.Result {
	r.Samples = maps.Clone(r.Samples)
	r.Samples[probe.SampleAhead] = by.Seconds()
	return r
}

// refusedBy is a login whose last KDC was this one.
func refusedBy(r probe.Result, kdc string) probe.Result {
	r.Facts = r.Facts.With(probe.FactKDC, kdc)
	return r
}

// hungUpOn is a login that worked once its ticket was there.
func hungUpOn(r probe.Result) probe.Result {
	r.Facts = r.Facts.With(probe.FactHungUp, "true")
	return r
}

func took(r probe.Result, d time.Duration) probe.Result {
	r.Duration = d
	return r
}

// user is another user's login.
func user(r probe.Result, name string) probe.Result {
	r.ID.Target, r.Facts[probe.FactUser] = name+"@R.TEST@db", name+"@R.TEST"
	return r
}

// expiring is a result that saw a certificate with a day left.
func expiring(r probe.Result) probe.Result {
	r.Samples[probe.SampleCertExpiry] = float64(testNow.Add(24 * time.Hour).Unix())
	return r
}

// connected is a result over TCP that took so long to connect.
func connected(r probe.Result, d time.Duration) probe.Result {
	r.Stages = []probe.Stage{{Name: "connect", Duration: d}}
	return took(r, d)
}

// greeted is a result of a database whose greeting took so long.
func greeted(r probe.Result, d time.Duration) probe.Result {
	r.Stages = []probe.Stage{{Name: "db-greeting", Duration: d}}
	return took(r, d)
}

// elsewhere is a question for the database's name.
func elsewhere(r probe.Result) probe.Result {
	r.Facts[probe.FactDatabase] = "db"
	return r
}

// asked is a question to a DNS server of R.TEST, with its answer.
func asked(question, answer string, tr probe.Transport, reason probe.Reason) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.DNS, Target: question, Address: netip.MustParseAddrPort("10.0.0.53:53"), Transport: tr}, Outcome: probe.OK, Started: testNow,
		Samples: probe.Samples{}, Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactRole: probe.RoleRealm, probe.FactQuestion: question, probe.FactAnswer: answer, probe.FactRcode: "NOERROR"}}
	if reason != "" {
		r.Outcome, r.Reason, r.Err = probe.Failed, reason, errors.New("as tested")
	}
	return r
}

// from is the same of another server.
func from(r probe.Result, server, role string) probe.Result {
	r.ID.Address = netip.MustParseAddrPort(server)
	r.Facts = r.Facts.With(probe.FactRole, role)
	return r
}

func database(addr string, reason probe.Reason) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "db.r.test", Address: netip.MustParseAddrPort(addr)}, Outcome: probe.OK, Started: testNow,
		Samples: probe.Samples{}, Facts: probe.Facts{probe.FactRealm: "R.TEST", probe.FactDatabase: "db", probe.FactEndpoint: "db.r.test:3306"}}
	if reason != "" {
		r.Outcome, r.Reason, r.Err = probe.Failed, reason, errors.New("as tested")
	}
	return r
}

// Each of these was explained wrongly on a real or a rehearsed network.
func TestKindsThatWereWrong(t *testing.T) {
	const one, two, six = "10.0.0.1:88", "10.0.0.2:88", "[fd00::1]:88"
	udp, tcp := probe.UDP, probe.TCP
	ok := func(addr string) []probe.Result {
		return []probe.Result{kdcResult(addr, udp, ""), kdcResult(addr, tcp, "")}
	}
	login := loginResult("", "")
	for _, tt := range []struct {
		name    string
		results [][]probe.Result
		want    []Code
		verdict Verdict
	}{
		{"a router forbids the way to one server: not this host cannot send",
			[][]probe.Result{ok(one), {kdcResult(two, udp, probe.ReasonForbidden), kdcResult(two, tcp, probe.ReasonForbidden), login}}, []Code{"kdc-silent"}, VerdictDegraded},
		{"TCP connects and is silent, UDP answers: the KDC runs, nothing is to be restarted",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), kdcResult(one, tcp, probe.ReasonTCPSilent), login}}, []Code{"kdc-tcp-blocked"}, VerdictDegraded},
		{"large messages lost over TCP and UDP blocked: both are shown",
			[][]probe.Result{{kdcResult(one, udp, probe.ReasonUDPSilent), kdcResult(one, tcp, ""), large(kdcResult(one, tcp, probe.ReasonTCPSilent)), loginResult(probe.ReasonTCPSilent, probe.AtPreauth)}},
			[]Code{"kdc-large-messages-lost", "kdc-udp-blocked"}, VerdictFailed},
		{"sporadic losses are one finding, whatever was not heard",
			[][]probe.Result{{late(kdcResult(one, udp, ""), 2), kdcResult(one, tcp, probe.ReasonConnectTimeout), late(kdcResult(two, udp, ""), 1), late(kdcResult(two, tcp, ""), 1), large(kdcResult(two, udp, probe.ReasonUDPSilent))},
				{at(kdcResult(one, udp, probe.ReasonUDPSilent), probe.Kpasswd, "dc.r.test", "10.0.0.1:464", "R.TEST"), loginResult(probe.ReasonConnectTimeout, probe.AtAS)}},
			[]Code{"path-lossy"}, VerdictFailed},
		{"where packets are lost to several machines, one silent address of another one is no block",
			[][]probe.Result{{late(kdcResult(one, udp, ""), 2), late(kdcResult(one, tcp, ""), 1), late(at(kdcResult(two, udp, ""), probe.KDC, "dc2.r.test", two, "R.TEST"), 1),
				late(at(kdcResult(two, tcp, ""), probe.KDC, "dc2.r.test", two, "R.TEST"), 1), database("10.0.3.1:3306", probe.ReasonConnectTimeout), database("10.0.3.2:3306", ""), login}},
			[]Code{"path-lossy"}, VerdictDegraded},
		{"a slow KDC's answer that comes after the datagram was sent again is not loss",
			[][]probe.Result{ok(two), {took(kdcResult(one, tcp, ""), 1200*time.Millisecond), took(kdcResult(one, tcp, ""), 1300*time.Millisecond), took(late(kdcResult(one, udp, ""), 1), 1200*time.Millisecond),
				took(late(kdcResult(one, udp, ""), 1), 1250*time.Millisecond), login}}, []Code{"server-slow"}, VerdictDegraded},
		{"a connection whose SYN was lost is not slow",
			[][]probe.Result{ok(two), {connected(kdcResult(one, tcp, ""), 1020*time.Millisecond), login}}, nil, VerdictOK},
		{"where every connection of a machine takes three seconds, and no datagram is lost, the way over TCP is slow and loses nothing",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), connected(kdcResult(one, tcp, ""), 3*time.Second), connected(large(kdcResult(one, tcp, "")), 3*time.Second),
				kdcResult(six, udp, ""), connected(kdcResult(six, tcp, ""), 3*time.Second), connected(large(kdcResult(six, tcp, "")), 3*time.Second), login}},
			[]Code{"server-slow", "server-slow"}, VerdictDegraded},
		{"and a database that does not wait for it stands before it",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), connected(kdcResult(one, tcp, ""), 3*time.Second), connected(large(kdcResult(one, tcp, "")), 3*time.Second),
				kdcResult(six, udp, ""), connected(kdcResult(six, tcp, ""), 3*time.Second), connected(large(kdcResult(six, tcp, "")), 3*time.Second), hungUpOn(login)}},
			[]Code{"db-auth-timeout", "server-slow", "server-slow"}, VerdictDegraded},
		{"one lost packet is nothing", [][]probe.Result{{late(kdcResult(one, udp, ""), 1), kdcResult(one, tcp, ""), login}}, nil, VerdictOK},
		{"a slow server is not blocked over TCP, which takes two round trips",
			[][]probe.Result{{took(asked("A r.test", "10.0.0.1", udp, ""), 4*time.Second), took(asked("SOA r.test", "", udp, ""), 4*time.Second), took(asked("SOA r.test", "", tcp, probe.ReasonTCPSilent), 5*time.Second), login}},
			[]Code{"server-slow"}, VerdictDegraded},
		{"one clock is off, another realm's agrees with this host: not this host's",
			[][]probe.Result{{skewed(kdcResult(one, udp, ""), 10*time.Minute), skewed(kdcResult(one, tcp, ""), 10*time.Minute), skewed(at(kdcResult(two, udp, ""), probe.KDC, "dc.s.test", two, "S.TEST"), 0), login}},
			[]Code{"clock-skew-one-kdc"}, VerdictDegraded},
		{"every clock is off, and all alike: this host's",
			[][]probe.Result{{skewed(kdcResult(one, udp, ""), 10*time.Minute), skewed(at(kdcResult(two, udp, ""), probe.KDC, "dc.s.test", two, "S.TEST"), 10*time.Minute), login}},
			[]Code{"clock-skew", "clock-skew"}, VerdictDegraded},
		{"the KDC's clock is off, and the database's agrees with this host's",
			[][]probe.Result{{skewed(kdcResult(one, udp, ""), 2*time.Minute), skewed(login, time.Second)}},
			[]Code{"clock-skew-one-kdc"}, VerdictDegraded},
		{"a login took the time of its realm's KDC, which is off, and another realm's refuses it",
			[][]probe.Result{{skewed(kdcResult(one, udp, ""), -10*time.Minute), skewed(at(kdcResult(two, udp, ""), probe.KDC, "dc.s.test", two, "S.TEST"), 0),
				refusedBy(ahead(loginResult(probe.ReasonKRBSkew, probe.AtTGS), -10*time.Minute), two)}},
			[]Code{"clock-skew-one-kdc"}, VerdictFailed},
		{"a KDC that answers every probe, and no proof of a user, hangs: no packet is lost",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), kdcResult(one, tcp, ""), unanswered(loginResult(probe.ReasonTCPSilent, probe.AtPreauth), one)}}, []Code{"kdc-hung"}, VerdictFailed},
		{"the same, and the login works by another KDC",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), kdcResult(one, tcp, ""), unanswered(login, one)}}, []Code{"kdc-hung"}, VerdictDegraded},
		{"the same, and another KDC refuses the service's ticket: what refuses comes first",
			[][]probe.Result{ok(two), {kdcResult(one, udp, ""), kdcResult(one, tcp, ""), unanswered(loginResult(probe.ReasonKRBNotUnique, probe.AtTGS), one)}},
			[]Code{"service-duplicate", "kdc-hung"}, VerdictFailed},
		{"what needed a second try elsewhere too is loss",
			[][]probe.Result{ok(two), {late(kdcResult(one, udp, ""), 2), late(kdcResult(one, tcp, ""), 1), unanswered(loginResult(probe.ReasonTCPSilent, probe.AtPreauth), one)}}, []Code{"path-lossy"}, VerdictFailed},
		{"a resolver refuses IPv6 addresses alone",
			[][]probe.Result{ok(one), {asked("A r.test", "10.0.0.1", udp, ""), asked("SOA r.test", "", udp, ""), asked("AAAA r.test", "", udp, probe.ReasonDNSRefused), login}}, []Code{"dns-filtered"}, VerdictDegraded},
		{"larger answers of a DNS server are cut over TCP, and small ones arrive",
			[][]probe.Result{ok(one), {asked("A r.test", "10.0.0.1", udp, ""), asked("SOA r.test", "", udp, ""), asked("SOA r.test", "", tcp, ""),
				asked("SRV _kerberos._tcp.r.test", "dc.r.test:88", udp, ""), asked("SRV _kerberos._tcp.r.test", "", tcp, probe.ReasonClosed), login}}, []Code{"dns-tcp-blocked"}, VerdictDegraded},
		{"this host's clock is off, and logins work by the KDC's",
			[][]probe.Result{{skewed(kdcResult(one, udp, ""), 20*time.Minute), skewed(ahead(login, 20*time.Minute), 20*time.Minute)}},
			[]Code{"clock-skew"}, VerdictDegraded},
		{"the realm's records stand in the zone above: known all the same",
			[][]probe.Result{ok(one), {asked("SOA r.test", "", udp, probe.ReasonDNSNoData), asked("A r.test", "10.0.0.1", udp, ""), asked("SRV _kerberos._tcp.r.test", "dc.r.test:88", udp, ""), login}}, nil, VerdictOK},
		{"addresses are answered, SRV dropped: a filter",
			[][]probe.Result{ok(one), {asked("A r.test", "10.0.0.1", udp, ""), asked("SRV _kerberos._tcp.r.test", "", udp, probe.ReasonUDPSilent), login}}, []Code{"dns-filtered"}, VerdictDegraded},
		{"a filter of types that lets no larger answer through either: one finding",
			[][]probe.Result{ok(one), {asked("A r.test", "10.0.0.1", udp, ""), asked("AAAA r.test", "", udp, probe.ReasonUDPSilent), asked("SRV _kerberos._tcp.r.test", "", udp, probe.ReasonUDPSilent), login}}, []Code{"dns-filtered"}, VerdictDegraded},
		{"a server drops the realm's names and answers others: a filter",
			[][]probe.Result{ok(one), {asked("A r.test", "", udp, probe.ReasonUDPSilent), asked("SRV _kerberos._tcp.r.test", "", udp, probe.ReasonUDPSilent),
				elsewhere(asked("A db.test", "10.0.3.1", udp, "")), login}}, []Code{"dns-filtered"}, VerdictDegraded},
		{"one type of addresses is dropped: a filter",
			[][]probe.Result{ok(one), {asked("A r.test", "", udp, probe.ReasonUDPSilent), asked("AAAA r.test", "", udp, probe.ReasonDNSNoData), asked("SRV _kerberos._tcp.r.test", "dc.r.test:88", udp, ""), login}},
			[]Code{"dns-filtered"}, VerdictDegraded},
		{"a database that answers late, and logins work", [][]probe.Result{{greeted(database("10.0.3.1:3306", ""), 2*time.Second), login}}, []Code{"server-slow"}, VerdictDegraded},
		{"a database whose steps are slow together is not", [][]probe.Result{{took(greeted(database("10.0.3.1:3306", ""), 200*time.Millisecond), 2*time.Second), login}}, nil, VerdictOK},
		{"one of two servers refuses, and the resolver passes on what the first of them answers: no filter, nothing unexplained",
			[][]probe.Result{ok(one), {from(asked("SOA r.test", "", udp, probe.ReasonDNSServFail), "10.0.0.54:53", probe.RoleRealm), from(asked("A r.test", "", udp, probe.ReasonDNSServFail), "10.0.0.54:53", probe.RoleRealm),
				asked("SOA r.test", "", udp, ""), asked("A r.test", "10.0.0.1", udp, ""), from(asked("SOA r.test", "", udp, probe.ReasonDNSServFail), "10.0.9.2:53", probe.RoleHost),
				from(asked("A r.test", "10.0.0.1", udp, ""), "10.0.9.2:53", probe.RoleHost), login}}, []Code{"dns-refused"}, VerdictDegraded},
		{"IPv6 is lost whole while the machine's KDC is dead over IPv4 too: one finding for IPv6, one for the KDC",
			[][]probe.Result{ok(two), {kdcResult(six, tcp, probe.ReasonConnectTimeout), kdcResult(one, tcp, probe.ReasonConnectTimeout), kdcResult(one, udp, probe.ReasonUDPSilent)},
				{at(kdcResult(one, tcp, ""), probe.Kpasswd, "dc.r.test", "10.0.0.1:464", "R.TEST"), at(kdcResult(one, tcp, probe.ReasonConnectTimeout), probe.Kpasswd, "dc.r.test", "[fd00::1]:464", "R.TEST"), login}},
			[]Code{"ipv6-broken", "kdc-silent"}, VerdictDegraded},
		{"a KDC that hangs over IPv6 too takes connections there: nothing is wrong with IPv6",
			[][]probe.Result{ok(two), {kdcResult(six, tcp, probe.ReasonTCPSilent), kdcResult(six, udp, probe.ReasonUDPSilent), kdcResult(one, tcp, probe.ReasonTCPSilent), kdcResult(one, udp, probe.ReasonUDPSilent),
				at(kdcResult(one, udp, ""), probe.DNS, "SOA:r.test", "10.0.0.1:53", "R.TEST"), login}}, []Code{"kdc-hung"}, VerdictDegraded},
		{"one of a database's addresses is dead, logins work at the other",
			[][]probe.Result{{database("10.0.3.1:3306", probe.ReasonConnectTimeout), database("10.0.3.2:3306", ""), login}}, []Code{"db-silent"}, VerdictDegraded},
		{"a certificate that ends soon is not why a login failed",
			[][]probe.Result{{expiring(loginResult(probe.ReasonKRBServerUnknown, probe.AtTGS))}}, []Code{"service-unknown", "db-certificate-expiring"}, VerdictFailed},
		{"what most logins fail by stands first",
			[][]probe.Result{{user(loginResult(probe.ReasonKRBRevoked, probe.AtAS), "a"), user(loginResult(probe.ReasonKRBServerUnknown, probe.AtTGS), "b"), user(loginResult(probe.ReasonKRBServerUnknown, probe.AtTGS), "c")}},
			[]Code{"service-unknown", "service-unknown", "account-revoked"}, VerdictFailed},
		{"of two logins the one that gets no ticket stands first: programs get theirs before they turn to the database",
			[][]probe.Result{{database("10.0.3.1:3306", probe.ReasonUnreachable), user(loginResult(probe.ReasonUnreachable, probe.AtDatabase), "a"), user(loginResult(probe.ReasonKRBRevoked, probe.AtAS), "b")}},
			[]Code{"account-revoked", "db-silent"}, VerdictFailed},
		{"a database that does not wait for a slow KDC lets in who has the ticket already",
			[][]probe.Result{ok(one), {hungUpOn(login)}}, []Code{"db-auth-timeout"}, VerdictDegraded},
		{"nor does it hide a failure that nothing explains",
			[][]probe.Result{{expiring(loginResult(probe.ReasonKRBError, probe.AtTGS))}}, []Code{"login-failed", "db-certificate-expiring"}, VerdictFailed},
		{"an address that refuses does not stand before why the login failed",
			[][]probe.Result{{database("[fd00::3]:3306", probe.ReasonRefused), database("10.0.3.2:3306", ""), loginResult(probe.ReasonKRBServerUnknown, probe.AtTGS)}}, []Code{"service-unknown", "db-refused"}, VerdictFailed},
		{"all logins work, a path is broken: degraded, never failed",
			[][]probe.Result{{kdcResult(one, udp, probe.ReasonUDPSilent), kdcResult(one, tcp, probe.ReasonConnectTimeout), login}}, []Code{"realm-unreachable"}, VerdictDegraded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Explain(Snapshot{Results: slices.Concat(tt.results...), Now: testNow, Limits: Limits{CertificateExpiry: 48 * time.Hour}})
			if !slices.Equal(codesOf(got), tt.want) || got.Verdict != tt.verdict {
				t.Fatalf("findings %v, verdict %s; want %v, %s\n%+v", codesOf(got), got.Verdict, tt.want, tt.verdict, got.Findings)
			}
		})
	}
}

// A message that names the host hides which of its addresses is dead.
func TestADeadAddressIsNamed(t *testing.T) {
	got := Explain(Snapshot{Now: testNow, Results: []probe.Result{database("10.0.3.1:3306", probe.ReasonConnectTimeout), database("10.0.3.2:3306", ""), loginResult("", "")}})
	if want := "database db: no answer from 10.0.3.1:3306 (an address of db.r.test:3306)"; len(got.Findings) != 1 || got.Findings[0].Title != want {
		t.Errorf("%+v, want %q", got.Findings, want)
	}
}

func TestTwoFaultsOfACertificateAreBothNamed(t *testing.T) {
	r := database("10.0.3.1:3306", probe.ReasonDBTLSUntrusted)
	r.Facts[probe.FactTLSProblem] = "ca date"
	got := Explain(Snapshot{Now: testNow, Results: []probe.Result{r}})
	if want := "database db: its TLS cannot be trusted: the certificate is signed by an unknown CA and is out of date"; len(got.Findings) != 1 || got.Findings[0].Title != want {
		t.Errorf("%+v, want %q", got.Findings, want)
	}
}

// unsent is a result that this host let out only after so many tries.
func unsent(r probe.Result, tries float64) probe.Result {
	r.Samples = probe.Samples{probe.SampleUnsent: tries}
	return r
}

// A packet filter of this host's that drops some packets makes some sends fail (EPERM), while others to the same
// address are let out: that is loss, here, and nothing that is blocked or filtered on the way.
func TestWhatThisHostDropsAtRandomIsLossOfItsOwn(t *testing.T) {
	forbidden := kdcResult("10.0.0.1:88", probe.UDP, probe.ReasonForbidden)
	passwords := at(kdcResult("10.0.0.1:464", probe.UDP, ""), probe.Kpasswd, "dc.r.test", "10.0.0.1:464", "R.TEST")
	over := kdcResult("10.0.0.1:88", probe.TCP, "")
	got := Explain(Snapshot{Now: testNow, Results: []probe.Result{forbidden, unsent(passwords, 2), over}}).Findings
	if len(got) != 1 || got[0].Code != "path-lossy" || !strings.Contains(got[0].Remedy, "nft list ruleset") || !strings.Contains(got[0].Cause, "did not let out 3 datagrams") {
		t.Errorf("%+v", got)
	}
	blocked := Explain(Snapshot{Now: testNow, Results: []probe.Result{forbidden, passwords, over}}).Findings
	if len(blocked) != 1 || blocked[0].Code != "kdc-udp-blocked" {
		t.Errorf("a rule for this port alone: %+v", blocked)
	}
}
