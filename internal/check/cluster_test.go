package check

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

const (
	readerEndpoint = "orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com"
	customEndpoint = "reports.cluster-custom-abc123.us-east-1.rds.amazonaws.com"
)

// judged returns what a check says where alice logs in by a name of the rehearsed cluster.
func judged(t *testing.T, w *rehearsal.World, host string) diagnose.Report {
	t.Helper()
	return diagnose.Explain(diagnose.Snapshot{Results: ranBy(t, w, host), Now: time.Now()})
}

// ranBy runs a check in which alice logs in by a name of the rehearsed cluster.
func ranBy(t *testing.T, w *rehearsal.World, host string) []probe.Result {
	t.Helper()
	cfg := *w.Config()
	cfg.Logins, cfg.Databases = slices.Clone(cfg.Logins[:1]), slices.Clone(cfg.Databases)
	if host != cfg.Databases[0].Host {
		named := cfg.Databases[0]
		named.Name, named.Host = "named", host
		cfg.Databases = append(cfg.Databases, named)
		cfg.Logins[0].Database = "named"
	}
	l, err := ledger.Open(t.TempDir(), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return Run(t.Context(), &cfg, Env{Instances: true, Dialer: w.Dialer(), Now: time.Now, Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
}

// The verdict of a name is that of the instances to which it can lead: what is wrong at
// one of two readers fails every second login by the reader endpoint, all by a custom
// endpoint of that reader alone, and none by the writer's.
func TestTheVerdictIsOfTheInstancesThatANameLeadsTo(t *testing.T) {
	for _, c := range []struct {
		host    string
		members []string // of a custom endpoint
		verdict diagnose.Verdict
		share   string
	}{
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", verdict: diagnose.VerdictDegraded},
		{host: readerEndpoint, verdict: diagnose.VerdictFailed, share: "1 of 2 logins by this endpoint"},
		{host: customEndpoint, members: []string{"orders-3"}, verdict: diagnose.VerdictFailed},
		{host: customEndpoint, members: []string{"orders-2"}, verdict: diagnose.VerdictDegraded},
		{host: customEndpoint, members: []string{"orders-1", "orders-2", "orders-3"}, verdict: diagnose.VerdictFailed, share: "1 of 3 logins by this endpoint"},
	} {
		t.Run(c.host+" "+strings.Join(c.members, " "), func(t *testing.T) {
			w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: "reader-unlike-writer"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			if c.members != nil {
				w.SetMembers(c.host, c.members...)
			}
			rep := judged(t, w, c.host)
			if rep.Verdict != c.verdict || len(rep.Findings) == 0 {
				t.Fatalf("%s, findings %+v", rep.Verdict, rep.Findings)
			}
			_, share, _ := strings.Cut(rep.Findings[0].Title, "; it fails ")
			listed := len(c.members) != 1 || c.members[0] != "orders-3" // a login that is refused everywhere is told of no instances
			if share != c.share || listed && (!strings.Contains(rep.Findings[0].Title, "orders-3") || len(rep.Findings) > 1) {
				t.Errorf("%+v", rep.Findings)
			}
		})
	}
}

// The login at each reader has its lag, and the one at the writer has none.
func TestTheLagOfEachReader(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	got := map[string]float64{}
	for _, r := range ranBy(t, w, w.Config().Databases[0].Host) {
		if lag, ok := r.Samples[probe.SampleReplicaLag]; ok {
			got[r.ID.Variant] = lag
		}
	}
	if want := map[string]float64{"orders-2": 0.018, "orders-3": 0.018}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A custom endpoint whose members are gone has no address, while its cluster is there.
func TestACustomEndpointWithoutMembers(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	w.SetMembers(customEndpoint)
	rep := judged(t, w, customEndpoint)
	if !slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool {
		return f.Code == "endpoint-members" && strings.Contains(f.Title, "has no members")
	}) || rep.Verdict != diagnose.VerdictFailed {
		t.Errorf("%s: %+v", rep.Verdict, rep.Findings)
	}
	w.SetMembers(readerEndpoint)
	if rep := judged(t, w, readerEndpoint); slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool { return f.Code == "endpoint-members" }) {
		t.Errorf("a reader endpoint: %+v", rep.Findings)
	}
}
