package daemon

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
	"github.com/kerbagent/kerbagent/probe"
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

// idle is a daemon that is not running, where everything is refused.
func idle(tb testing.TB, cfg *config.Config, clock func() time.Time) *Daemon {
	tb.Helper()
	return idleOn(tb, cfg, refusing{}, clock)
}

// idleOn is a daemon that is not running, on a network.
func idleOn(tb testing.TB, cfg *config.Config, network probe.Dialer, clock func() time.Time) *Daemon {
	tb.Helper()
	d, err := newDaemon(Options{Load: func() (*config.Config, error) { return cfg, nil }, Dialer: network, Host: "bench",
		StateDir: filepath.Join(tb.TempDir(), "state"), Log: slog.New(slog.DiscardHandler), clock: clock})
	if err != nil {
		tb.Fatal(err)
	}
	d.planning.again()
	d.planning.waiting.Store(true) // one plan for all searches, as they end together in a daemon that runs
	for _, t := range d.allTasks() {
		if len(t.Asks) == 0 { // what the others wait for
			t.run(tb.Context())
			d.ended(t.Key)
		}
	}
	d.planning.waiting.Store(false)
	d.planning.again()
	return d
}

func (d *Daemon) allTasks() []task { return d.tasks(d.planning.plan()) }

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkTenThousandJobs measures what a job costs in live heap, with a full
// history, where everything fails: all of it, and without the metrics, of which
// each target has some thirty series. It also gives how long it takes to plan
// them anew, and to explain their results.
func BenchmarkTenThousandJobs(b *testing.B) {
	cfg := manyJobs(10_000)
	begin := time.Now()
	for b.Loop() {
		before := liveHeap()
		var passed time.Duration
		d := idle(b, cfg, func() time.Time { return begin.Add(passed) })
		tasks := d.allTasks()
		jobs := len(tasks)
		if jobs < 10_000 {
			b.Fatalf("%d jobs", jobs)
		}
		for range 60 {
			for _, t := range tasks {
				if len(t.Asks) > 0 {
					t.run(b.Context())
				}
			}
			d.results.Unrecorded()
			passed += time.Hour // so that what is meant to fail is asked again
		}
		begun := time.Now()
		d.planning.again()
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "plan-ms")
		heap := float64(liveHeap()-before) / float64(jobs)
		b.ReportMetric(heap, "heap-B/job")
		if heap > 10<<10 {
			b.Errorf("a job costs %.0f bytes of live heap, at most 10 KiB are promised", heap)
		}
		begun = time.Now()
		d.explainer.Explain()
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "explain-ms")
		d.metrics, d.explainer = nil, nil
		b.ReportMetric(float64(liveHeap()-before)/float64(jobs), "own-B/job")
		runtime.KeepAlive(d)
	}
}

// BenchmarkResult is what it costs to ask, keep and show, beside the packets.
func BenchmarkResult(b *testing.B) {
	d := idle(b, manyJobs(40), nil)
	tasks := d.allTasks()
	t := tasks[len(tasks)-1]
	for b.Loop() {
		t.run(b.Context())
		d.results.Unrecorded()
	}
}
