package diagnose

import (
	"net/netip"
	"strings"
	"testing"

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
