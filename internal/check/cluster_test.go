package check

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
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

var (
	drawnClusters = flag.Int("clusters", 8, "how many clusters TestDrawnClusters draws")
	clusterSeed   = flag.Uint64("cluster-seed", 1, "the seed; 0: the time, to look for what no seed has shown")
)

// Clusters drawn by a seed: what is wrong at which instance, and by which name alice
// comes. Each instance that lets nobody in is named, no other is, and the verdict fails
// exactly where the name can lead to one of them.
func TestDrawnClusters(t *testing.T) {
	faults := []struct {
		codes string // any of these
		how   mysqltest.Faults
	}{{}, {}, {"db-plugin-missing", mysqltest.Faults{PluginMissing: true}}, {"reader-unlike-writer db-account-unknown", mysqltest.Faults{Plugin: mysqltest.CachingSHA2}},
		{"db-refused", mysqltest.Faults{Refuse: true}}, {"reader-unlike-writer db-realm-mismatch", mysqltest.Faults{Realm: "CORP.EXAMPLE.ORG"}},
		{"db-host-blocked", mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129, Message: "Host '10.0.9.100' is blocked because of many connection errors"}}},
		{"db-connection-cut", mysqltest.Faults{CutAt: mysqltest.AtToken}}}
	seed := *clusterSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for n := range *drawnClusters {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		t.Run(fmt.Sprintf("seed %d %d", seed, n), func(t *testing.T) {
			w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { w.Close() })
			broken := map[string]string{}
			for _, i := range []string{"orders-2", "orders-3"} { // a writer that refuses everybody tells nobody of the others
				f := faults[r.IntN(len(faults))]
				if f.codes != "" {
					broken[i] = f.codes
				}
				if err := w.SetInstanceFaults(i, f.how); err != nil {
					t.Fatal(err)
				}
			}
			members := map[string][]string{"orders.cluster-abc123.us-east-1.rds.amazonaws.com": {"orders-1"}, customEndpoint: {"orders-1", []string{"orders-2", "orders-3"}[r.IntN(2)]}}
			host := slices.Sorted(maps.Keys(members))[r.IntN(2)]
			if host == customEndpoint {
				w.SetMembers(host, members[host]...)
			}
			rep, want := judged(t, w, host), diagnose.VerdictOK
			for _, i := range []string{"orders-1", "orders-2", "orders-3"} {
				named := slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool {
					return f.Severity != diagnose.Info && strings.Contains(f.Title, i) && slices.Contains(strings.Fields(broken[i]), string(f.Code))
				})
				other := slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool { return strings.Contains(f.Title, i) })
				if bad := broken[i] != ""; named != bad || other != bad {
					t.Errorf("%s is broken by %q", i, broken[i])
				}
				switch {
				case broken[i] == "":
				case slices.Contains(members[host], i):
					want = diagnose.VerdictFailed
				case want == diagnose.VerdictOK:
					want = diagnose.VerdictDegraded
				}
			}
			if rep.Verdict != want || t.Failed() {
				t.Errorf("by %s (%v), broken %v: %s, want %s", host, members[host], broken, rep.Verdict, want)
				for _, f := range rep.Findings {
					t.Errorf("%s %s: %s", f.Severity, f.Code, f.Title)
				}
			}
		})
	}
}
