package diagnose

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// A login that went on to the second address of a database and failed there names that address:
// of the first one something else is said.
func TestAFailureAtTheSecondAddressOfADatabaseNamesIt(t *testing.T) {
	for reason, code := range map[probe.Reason]Code{probe.ReasonDBCut: "db-connection-cut", probe.ReasonDBBlocked: "db-host-blocked", probe.ReasonDBNotMySQL: "db-not-mysql"} {
		login := loginResult(reason, probe.AtDatabase)
		login.Facts[probe.FactEndpoint], login.Facts[probe.FactDBAddress] = "db.test:3306", "10.0.3.2:3306"
		first := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "db.test", Address: netip.MustParseAddrPort("10.0.3.1:3306"), Transport: probe.TCP}, Outcome: probe.Failed,
			Reason: probe.ReasonRefused, Started: testNow, Samples: probe.Samples{}, Facts: probe.Facts{probe.FactEndpoint: "db.test:3306", probe.FactDatabase: "db"}}
		f := Explain(Snapshot{Now: testNow, Results: []probe.Result{login, first}}).Findings[0]
		if f.Code != code || !strings.Contains(f.Cause, "10.0.3.2:3306") || strings.Contains(f.Cause, "10.0.3.1") {
			t.Errorf("%s: %s", f.Code, f.Cause)
		}
	}
}

// slowOver is what a KDC answered after so many seconds.
func slowOver(addr string, seconds int, variants ...string) (out []probe.Result) {
	for _, variant := range variants {
		r := kdcResult(addr, probe.TCP, "")
		r.ID.Variant, r.ID.Target, r.Duration = variant, addr, time.Duration(seconds)*time.Second
		out = append(out, r)
	}
	return out
}

// Two late answers over TCP are a slow server, but not while packets are lost on the way to
// other machines: TCP sends again what is lost, and nobody sees it.
func TestLateAnswersBesideLossAreNoSlowServer(t *testing.T) {
	lost := func(addr string) []probe.Result {
		one := at(kdcResult(addr, probe.UDP, ""), probe.KDC, addr, addr, "R.TEST")
		one.Samples = probe.Samples{probe.SampleResends: 1}
		other := one
		other.ID.Variant = "large"
		return []probe.Result{one, other}
	}
	late := slowOver("10.0.0.9:88", 2, "", "large")
	if got := codesOf(Explain(Snapshot{Now: testNow, Results: late})); !slices.Equal(got, []Code{"server-slow"}) {
		t.Errorf("without loss: %v", got)
	}
	if got := codesOf(Explain(Snapshot{Now: testNow, Results: slices.Concat(late, lost("10.0.0.1:88"), lost("10.0.0.2:88"))})); !slices.Equal(got, []Code{"path-lossy"}) {
		t.Errorf("beside loss at two machines: %v", got)
	}
}

// A login that got an answer, though one of no use, did not fail at the KDC that is silent: of
// that one something is said, and what stands first is who answered.
func TestASilentKDCIsNotWhyALoginWasAnswered(t *testing.T) {
	login := loginResult(probe.ReasonKRBServiceUnavailable, probe.AtAS)
	login.Facts[probe.FactKDC] = "10.0.0.1:88"
	busy := []probe.Result{kdcResult("10.0.0.1:88", probe.UDP, probe.ReasonKRBServiceUnavailable), kdcResult("10.0.0.1:88", probe.TCP, probe.ReasonKRBServiceUnavailable)}
	silent := []probe.Result{kdcResult("10.0.0.2:88", probe.UDP, probe.ReasonMalformed), kdcResult("10.0.0.2:88", probe.TCP, probe.ReasonMalformed),
		kdcResult("10.0.0.3:88", probe.UDP, probe.ReasonUDPSilent), kdcResult("10.0.0.3:88", probe.TCP, probe.ReasonConnectTimeout)}
	for _, f := range Explain(Snapshot{Now: testNow, Results: slices.Concat(silent, busy, []probe.Result{login})}).Findings {
		if f.Code == "kdc-silent" && f.Severity == Error {
			t.Errorf("%s is an error: %s", f.Code, f.Cause)
		}
	}
}

// A KDC that does not answer is no reason why DNS on the same machine answers over UDP alone.
func TestADeadKDCDoesNotHideBlockedTCPOfItsDNS(t *testing.T) {
	udp, tcp := answerTo("10.0.0.1:53", probe.RoleRealm, "SOA r.test", ""), answerTo("10.0.0.1:53", probe.RoleRealm, "SOA r.test", probe.ReasonConnectTimeout)
	tcp.ID.Transport = probe.TCP
	dead := []probe.Result{kdcResult("10.0.0.1:88", probe.UDP, probe.ReasonUDPSilent), kdcResult("10.0.0.1:88", probe.TCP, probe.ReasonConnectTimeout)}
	if got := codesOf(Explain(Snapshot{Now: testNow, Results: append(dead, udp, tcp)})); !slices.Contains(got, "dns-tcp-blocked") {
		t.Errorf("%v", got)
	}
}

// dbTalk is a conversation with a database, or a login there, that fell silent at a stage; the empty stage is one that worked.
func dbTalk(kind probe.Kind, target, stage string) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: kind, Target: target}, Outcome: probe.OK, Started: testNow, Duration: time.Second, Samples: probe.Samples{},
		Facts: probe.Facts{probe.FactEndpoint: "db.test:3306", probe.FactDatabase: "db", probe.FactUser: target}}
	if kind == probe.Database {
		r.ID.Address, r.ID.Transport = netip.MustParseAddrPort("10.0.3.1:3306"), probe.TCP
	}
	if stage != "" {
		r.Outcome, r.Reason = probe.Failed, probe.ReasonTCPSilent
		r.Facts[probe.FactFailedAt], r.Facts[probe.FactDBStage] = probe.AtDatabase, stage
	}
	return r
}

// A conversation that fell silent where another one at the same address went on is no path MTU, no
// dead database and no slow one. Where all end at the same stage, or nobody went on since, it is.
func TestOneSilentConversationWithADatabaseIsLoss(t *testing.T) {
	earlier := dbTalk(probe.Login, "a@R.TEST", "")
	earlier.Started = testNow.Add(-time.Minute)
	for _, tt := range []struct {
		name    string
		results []probe.Result
		code    Code
	}{
		{"one of three stalls in TLS", []probe.Result{dbTalk(probe.Login, "a@R.TEST", ""), dbTalk(probe.Login, "b@R.TEST", ""), dbTalk(probe.Database, "db.test", "db-tls")}, "path-lossy"},
		{"a login does not connect, another does", []probe.Result{dbTalk(probe.Login, "a@R.TEST", "db-connect"), dbTalk(probe.Login, "b@R.TEST", ""), dbTalk(probe.Database, "db.test", "")}, "path-lossy"},
		{"all stall in TLS", []probe.Result{dbTalk(probe.Login, "a@R.TEST", "db-tls"), dbTalk(probe.Login, "b@R.TEST", "db-tls"), dbTalk(probe.Database, "db.test", "db-tls")}, "db-path-mtu"},
		{"all tokens stall", []probe.Result{dbTalk(probe.Login, "a@R.TEST", "db-token"), dbTalk(probe.Database, "db.test", "")}, "db-path-mtu"},
		{"it worked a minute ago", []probe.Result{earlier, dbTalk(probe.Database, "db.test", "db-greeting")}, "db-silent"},
	} {
		if got := codesOf(Explain(Snapshot{Now: testNow, Results: tt.results})); !slices.Equal(got, []Code{tt.code}) {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.code)
		}
	}
}

// UDP that is refused, or blocked, is no loss: a KDC that is silent to users beside it hangs.
func TestAKDCThatIsSilentToUsersHangsBesideRefusedUDP(t *testing.T) {
	for _, udp := range []probe.Reason{probe.ReasonRefused, probe.ReasonUDPSilent} {
		login := unanswered(loginResult(probe.ReasonTCPSilent, probe.AtAS), "10.0.0.1:88")
		login.Facts[probe.FactKDC] = "10.0.0.1:88"
		got := codesOf(Explain(Snapshot{Now: testNow, Results: []probe.Result{kdcResult("10.0.0.1:88", probe.UDP, udp), kdcResult("10.0.0.1:88", probe.TCP, ""), login}}))
		if !slices.Contains(got, "kdc-hung") || slices.Contains(got, "path-lossy") {
			t.Errorf("beside %s: %v", udp, got)
		}
	}
}

// A program does not lose each time what a lost packet cost a probe once.
func TestALateAnswerAfterALostPacketMakesNoLoginSlow(t *testing.T) {
	for resends, want := range map[float64]bool{0: true, 1: false} {
		l := loginResult("", "")
		l.Outcome = probe.OK
		l.Facts[probe.FactRoute] = "R.TEST 1465 1600 0s 0s a/udp/0s/10.0.0.1:88 a/tcp/0s/10.0.0.1:88"
		k := took(kdcResult("10.0.0.1:88", probe.TCP, ""), 1600*time.Millisecond)
		k.Samples = probe.Samples{probe.SampleResends: resends}
		quick := took(kdcResult("10.0.0.1:88", probe.UDP, ""), time.Millisecond)
		if got := codesOf(Explain(Snapshot{Now: testNow, Results: []probe.Result{l, k, quick}})); slices.Contains(got, "login-slow") != want {
			t.Errorf("%v resends: %v", resends, got)
		}
	}
}
