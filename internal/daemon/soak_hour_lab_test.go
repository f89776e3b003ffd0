//go:build lab && soak

package daemon

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

const (
	soakFaster = 100
	faultLasts = 4 * time.Second // a login comes every three
	// recovers is long: with timeouts of 100 ms a busy machine is a fault of its own. How soon a
	// fault is found is TestSoakRunFaults'.
	recovers = 5 * time.Minute
	// wholeRounds is a time in the first half of which every fault has come and gone, at 10 s each.
	wholeRounds = 30 * time.Minute
)

// TestSoak runs a daemon at 100 times its usual rate for as long as SOAK says,
// while the lab's faults come and go. After each it is well by itself, and in
// the second half it has no more heap, goroutines, open files, series or files
// on disk than in the first.
func TestSoak(t *testing.T) {
	labtest.Up(t)
	most, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Fatalf("SOAK says how long: %v", err)
	}
	healthy := labtest.Break(t, "none")
	cfg := labConfig(t, "", healthy)
	cfg.Probes = config.Probes{Interval: config.DefaultProbeInterval / soakFaster, Timeout: 100 * time.Millisecond}
	cfg.Logins[0].Interval = config.DefaultLoginInterval / soakFaster
	l := startInLab(t, cfg, func(o *Options) { o.clock = fast(time.Now(), soakFaster) })
	well := func() bool { return l.Ready() == nil && l.State().Report.Verdict == diagnose.VerdictOK }
	l.until("well", time.Minute, well)
	faults := strings.Fields(labtest.Run(t, "break", "--list"))
	// Those that bring names and addresses first: these stay for minutes.
	slices.SortStableFunc(faults, func(a, b string) int {
		stale := map[bool]int{true: -1}
		return cmp.Compare(stale[strings.HasPrefix(a, "dns-srv-stale")], stale[strings.HasPrefix(b, "dns-srv-stale")])
	})
	var uses []use
	begun := time.Now()
	for i := 0; time.Since(begun) < most; {
		i %= len(faults)
		fault := faults[i]
		flags := strings.Fields(labtest.Run(t, "break", fault))
		if !slices.Equal(flags, healthy) { // the fault is in what it would be told
			labtest.Run(t, "heal")
			faults = slices.Delete(faults, i, i+1)
			continue
		}
		i++
		<-time.After(faultLasts)
		labtest.Run(t, "heal")
		took := l.until("well after "+fault, recovers, well)
		u := l.use()
		u.at = time.Since(begun)
		uses = append(uses, u)
		t.Logf("%s, well %v after %s", u, took.Round(100*time.Millisecond), fault)
	}
	compare(t, uses, most)
	t.Logf("%d faults, %d probes", len(uses), l.runs())
}

// use is what a daemon has.
type use struct {
	at                                            time.Duration
	heap, goroutines, files, series, stored, disk int // bytes, numbers, and bytes on disk
	findings                                      int // series of kerbagent_finding
}

func (u use) String() string {
	return fmt.Sprintf("%6.0f s: heap %.2f MiB, %d goroutines, %d open files, %d series and %d of findings, %d files of %d bytes", u.at.Seconds(), float64(u.heap)/(1<<20), u.goroutines, u.files, u.series, u.findings, u.stored, u.disk)
}

// use measures the least of a second: what is in flight comes and goes.
func (l *labDaemon) use() use {
	l.t.Helper()
	least := use{heap: 1 << 40, goroutines: 1 << 40, files: 1 << 40, series: 1 << 40}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 10 {
		<-tick.C
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			l.t.Fatal(err)
		}
		least.heap = min(least.heap, int(liveHeap()))
		least.goroutines, least.files = min(least.goroutines, runtime.NumGoroutine()), min(least.files, len(open))
	}
	w := httptest.NewRecorder()
	l.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	least.series = 0
	for line := range strings.Lines(w.Body.String()) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "kerbagent_finding{"):
			least.findings++
		default:
			least.series++
		}
	}
	err := filepath.WalkDir(l.o.StateDir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if info, err := e.Info(); err == nil { // else it is gone meanwhile
			least.stored, least.disk = least.stored+1, least.disk+int(info.Size())
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return least
}

// compare fails where the second half has more than the first. The first
// quarter is warm-up: caches and the last failures fill.
func compare(t *testing.T, uses []use, most time.Duration) {
	t.Helper()
	var first, second use
	for _, u := range uses {
		into := &first
		switch {
		case u.at < most/4:
			continue
		case u.at > most*5/8:
			into = &second
		}
		into.heap, into.goroutines, into.files = max(into.heap, u.heap), max(into.goroutines, u.goroutines), max(into.files, u.files)
		into.findings = max(into.findings, u.findings)
		into.series, into.stored, into.disk = max(into.series, u.series), max(into.stored, u.stored), max(into.disk, u.disk)
	}
	if first.heap == 0 || second.heap == 0 {
		t.Fatalf("%d measurements are too few: SOAK must be longer", len(uses))
	}
	first.at, second.at = most*5/8, most
	t.Logf("at most, then:\n%s\n%s", first, second)
	const maxDisk = 2 << 20 // the flight recorder is the most of it, and has 1 MiB
	if second.heap > first.heap*11/10+1<<20 || second.goroutines > first.goroutines+10 || second.files > first.files+10 ||
		second.series > first.series || second.stored > first.stored+5 || second.disk > maxDisk {
		t.Error("it grows")
	}
	// A code gets a series for each severity that it was seen with: all of them, once every fault has been.
	if most >= wholeRounds && second.findings > first.findings {
		t.Error("findings grow")
	}
}

// runs counts the probes that were run, by /metrics.
func (l *labDaemon) runs() (n int) {
	w := httptest.NewRecorder()
	l.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		var runs float64
		if i := strings.LastIndexByte(line, ' '); strings.HasPrefix(line, "kerbagent_probe_duration_seconds_count{") {
			if _, err := fmt.Sscan(line[i+1:], &runs); err != nil {
				l.t.Fatal(err)
			}
			n += int(runs)
		}
	}
	return n
}
