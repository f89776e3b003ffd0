package diagnose

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// Where a conversation with a database ends decides what is said of it: a connection
// that the other side cuts is no matter of the KDC's, and a greeting that has come is
// not said to be missing.
func TestWhereADatabaseFails(t *testing.T) {
	at := func(stage string, why probe.Reason) []probe.Result {
		facts := probe.Facts{probe.FactDatabase: "db", probe.FactEndpoint: "db.r.test:3306", probe.FactDBStage: stage}
		db := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "db.r.test", Address: netip.MustParseAddrPort("10.0.3.1:3306")},
			Outcome: probe.Failed, Reason: why, Started: testNow, Facts: facts, Samples: probe.Samples{}}
		login := loginResult(why, probe.AtDatabase)
		login.Facts[probe.FactDBStage], login.Facts[probe.FactEndpoint] = stage, "db.r.test:3306"
		if stage == "db-token" || stage == "query" { // stages of a login alone
			db.Outcome, db.Reason = probe.OK, ""
		}
		return []probe.Result{kdcResult("10.0.0.1:88", probe.TCP, ""), db, login}
	}
	for _, c := range []struct {
		stage string
		why   probe.Reason
		code  Code
		says  string
	}{
		{"db-greeting", probe.ReasonDBCut, "db-connection-cut", "before its greeting"},
		{"db-tls", probe.ReasonDBCut, "db-connection-cut", "in the TLS handshake"},
		{"db-switch", probe.ReasonDBCut, "db-connection-cut", "after the login packet"},
		{"db-token", probe.ReasonDBCut, "db-connection-cut", "while it received the ticket"},
		{"query", probe.ReasonDBCut, "db-connection-cut", "after the login"},
		{"db-connect", probe.ReasonClosed, "db-connection-cut", "before its greeting"}, // a reset that overtakes connect's own return
		{"db-greeting", probe.ReasonTCPSilent, "db-silent", "sends no greeting"},
		{"db-tls", probe.ReasonTCPSilent, "db-path-mtu", "the greeting arrived"},
		{"db-token", probe.ReasonTCPSilent, "db-path-mtu", "asked for the ticket"},
		{"db-switch", probe.ReasonTCPSilent, "db-silent", "the greeting arrived"},
		{"db-connect", probe.ReasonConnectTimeout, "db-silent", "does not connect"},
	} {
		t.Run(c.stage+" "+string(c.why), func(t *testing.T) {
			got := Explain(Snapshot{Now: testNow, Results: at(c.stage, c.why)})
			if !slices.Equal(codesOf(got), []Code{c.code}) || got.Verdict != VerdictFailed {
				t.Fatalf("%v, %s: %+v", codesOf(got), got.Verdict, got.Findings)
			}
			if f := got.Findings[0]; !strings.Contains(f.Title+" "+f.Cause, c.says) || strings.Contains(f.Cause, "KDC") {
				t.Errorf("%s / %s", f.Title, f.Cause)
			}
		})
	}
}
