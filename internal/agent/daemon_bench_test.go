package agent

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// refusing is a network on which everything is refused at once.
type refusing struct{}

func (refusing) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)), Err: syscall.ECONNREFUSED}
}

// manyJobs is a configuration of n jobs, four for each KDC.
func manyJobs(n int) *config.Config {
	var realm config.Realm
	realm.Name, realm.Kind = "MANY.TEST", config.MIT
	for i := range n / 4 {
		host := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}).String()
		realm.KDCs = append(realm.KDCs, config.HostPort{Host: host, Port: 88})
		realm.KpasswdServers = append(realm.KpasswdServers, config.HostPort{Host: host, Port: 464})
	}
	return &config.Config{Realms: []config.Realm{realm}, Logins: []config.Login{}, Probes: config.Probes{Interval: 15 * time.Second, Timeout: 5 * time.Second},
		Resolver: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}}
}

func idle(tb testing.TB, cfg *config.Config) *daemon {
	tb.Helper()
	d, err := newDaemon(RunOptions{Load: func() (*config.Config, error) { return cfg, nil }, Dialer: refusing{}, Host: "bench", StateDir: filepath.Join(tb.TempDir(), "state"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	d.memory = &memory{dir: d.o.StateDir, now: time.Now, perHour: 20}
	return d
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkTenThousandJobs gives what a job costs in live heap, with a full
// history, where everything fails: all of it, and without the metrics, of which
// each target has some thirty series. It also gives how long it takes to plan
// them anew, and to explain their results.
func BenchmarkTenThousandJobs(b *testing.B) {
	cfg := manyJobs(10_000)
	for b.Loop() {
		before := liveHeap()
		d := idle(b, cfg)
		d.replan()
		d.plan.byKey[realmNamesKey("MANY.TEST")].run(b.Context(), nil)
		jobs := len(d.plan.order)
		if jobs < 10_000 {
			b.Fatalf("%d jobs", jobs)
		}
		for range 60 {
			for _, t := range d.plan.order {
				if len(t.asks) > 0 {
					t.run(b.Context(), t)
				}
			}
			d.pace.last, d.unrecorded = nil, nil
		}
		begun := time.Now()
		d.replan()
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "plan-ms")
		heap := float64(liveHeap()-before) / float64(jobs)
		b.ReportMetric(heap, "heap-B/job")
		if heap > 10<<10 {
			b.Errorf("a job costs %.0f bytes of live heap, at most 10 KiB are promised", heap)
		}
		begun = time.Now()
		d.explain()
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "explain-ms")
		d.metrics, d.report, d.follower = nil, diagnose.Report{}, follower{}
		b.ReportMetric(float64(liveHeap()-before)/float64(jobs), "own-B/job")
		runtime.KeepAlive(d)
	}
}

// BenchmarkResult is what it costs to ask, keep and show, beside the packets.
func BenchmarkResult(b *testing.B) {
	d := idle(b, manyJobs(40))
	d.replan()
	d.plan.byKey[realmNamesKey("MANY.TEST")].run(b.Context(), nil)
	t := d.plan.order[len(d.plan.order)-1]
	for b.Loop() {
		t.run(b.Context(), t)
		d.unrecorded = nil
	}
}
