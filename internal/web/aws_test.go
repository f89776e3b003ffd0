package web

import (
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// What AWS reports has a section of its own, with its age, clean and bounded.
func TestAWSOnThePage(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var s State
	s.Now = now
	add := func(target, variant string, facts probe.Facts) {
		r := probe.Result{ID: probe.ID{Kind: probe.AWS, Target: target, Variant: variant}, Outcome: probe.OK, Started: now.Add(-3 * time.Minute), Facts: facts}
		r.Facts[probe.FactRegion] = "us-east-1"
		s.Entries = append(s.Entries, results.Entry{Result: r})
	}
	add("us-east-1", "", probe.Facts{probe.FactNotSeen: "the permission rds:DescribeEvents is missing"})
	add("orders", probe.AWSCluster, probe.Facts{probe.FactCluster: "orders", probe.FactState: "available<script>", probe.FactMembership: "joined", probe.FactDirectory: "d-1"})
	for range 100 {
		add("orders/i", probe.AWSInstance, probe.Facts{probe.FactInstance: "orders-1", probe.FactState: "\x1b[31mavailable"})
	}
	got := awsRegions(s)
	if len(got) != 1 || got[0].Age != ago(3*time.Minute) || len(got[0].Rows) != maxAWSRows || got[0].More != 42 {
		t.Fatalf("%d regions: %+v", len(got), got)
	}
	if r := got[0].Rows[0]; r.Key != "not seen" || !strings.Contains(r.Value, "DescribeEvents") {
		t.Errorf("first %+v", r)
	}
	for _, r := range got[0].Rows {
		if strings.Contains(r.Value, "\x1b") {
			t.Errorf("%q", r.Value)
		}
	}
}
