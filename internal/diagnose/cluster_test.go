package diagnose

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// An instance's name is a peer's word: it is in a command only where the certificate of
// the connection was verified, or where it is configured. Of a writer the outage is said first.
func TestAnInstanceIsInARemedyOnlyWhereItIsVouchedFor(t *testing.T) {
	const command = "--db-instance-identifier orders-3"
	for _, c := range []struct {
		role, vouched string
		named, outage bool
	}{{probe.RoleReader, "true", true, false}, {probe.RoleWriter, "true", true, true}, {probe.RoleReader, "", false, false}} {
		r := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "orders-3.abc123.us-east-1.rds.amazonaws.com", Address: netip.MustParseAddrPort("10.0.0.3:3306")},
			Outcome: probe.Failed, Reason: probe.ReasonDBPluginMissing, Facts: probe.Facts{probe.FactDatabase: "orders", probe.FactInstance: "orders-3",
				probe.FactEndpoint: "orders-3.abc123.us-east-1.rds.amazonaws.com:3306", probe.FactDBRole: c.role, probe.FactVouched: c.vouched}}
		found := Explain(Snapshot{Results: []probe.Result{r}, Now: time.Now()}).Findings
		if len(found) != 1 || found[0].Code != "db-plugin-missing" || !strings.Contains(found[0].Title, "orders-3") {
			t.Fatalf("%+v", found)
		}
		remedy := found[0].Remedy
		if strings.Contains(remedy, command) != c.named || strings.Contains(remedy, "abc123") != c.named || strings.HasPrefix(remedy, "CAUTION: ") != c.outage {
			t.Errorf("%s, vouched for: %q:\n%s", c.role, c.vouched, remedy)
		}
	}
}
