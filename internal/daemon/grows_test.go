package daemon

import (
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// TestSoakGrows has 10,000 jobs.
func TestRunGrows(t *testing.T) { grows(t, 2000) }

// A configuration that grows to many jobs, none of which is answered, is
// climbed and explained while logins go on; and when it is small again nothing
// of it is left.
func grows(t *testing.T, jobs int) {
	r := start(t, "", func(o *Options, _ *config.Config) { o.FullMetrics = true })
	r.untilReady()
	r.until("well", r.healthy)
	// But those of findings, of which each severity that was seen adds one, and of
	// a login that was given up, which it is on a machine that is busy enough.
	series := func() (n int) {
		for line := range strings.Lines(r.get("/metrics")) {
			if !strings.HasPrefix(line, "kerbagent_finding{") && !strings.Contains(line, `stage="db-goodbye"`) {
				n++
			}
		}
		return n
	}
	fewSeries, fewGoroutines := series(), runtime.NumGoroutine()
	r.path.breaks(func(_ string, to netip.AddrPort) error {
		if netip.MustParsePrefix("10.1.0.0/16").Contains(to.Addr()) {
			return syscall.ECONNREFUSED
		}
		return nil
	})
	load := func(cfg *config.Config) {
		t.Helper()
		r.mu.Lock()
		r.cfg = cfg
		r.mu.Unlock()
		if err := r.d.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	few := r.cfg
	many := *few
	many.Realms = append(slices.Clone(few.Realms), manyJobs(jobs).Realms...)
	many.Probes.Interval = 5 * time.Second
	load(&many)
	refused := func() (n int) {
		for _, e := range r.d.State().Entries {
			if e.Result.Facts[probe.FactRealm] == "MANY.TEST" && e.Result.Reason == probe.ReasonRefused {
				n++
			}
		}
		return n
	}
	r.until("asked and explained", slowly(func() bool { return r.has("realm-unreachable")() && refused() >= jobs }))
	if err := r.d.Healthy(); err != nil {
		t.Error(err)
	}
	before := time.Now()
	r.until("a login meanwhile", slowly(func() bool { l := r.login("alice"); return l.Outcome == probe.OK && l.Started.After(before) }))
	if n := series(); n < jobs {
		t.Errorf("%d series", n)
	}
	load(few)
	r.until("as well as before", slowly(func() bool { return r.d.State().Report.Verdict == diagnose.VerdictOK }))
	r.until("of as few series as before", slowly(func() bool { return series() == fewSeries }))
	r.until("of as few goroutines as before", slowly(func() bool { return runtime.NumGoroutine() < fewGoroutines+20 }))
}

// slowly asks no more than four times a second: looking at 10,000 results takes time.
func slowly(so func() bool) func() bool {
	var next time.Time
	return func() bool {
		if time.Now().Before(next) {
			return false
		}
		is := so()
		next = time.Now().Add(250 * time.Millisecond)
		return is
	}
}
