package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

// With nothing wrong it is ready after a round, says so once, and is well.
func TestRunHealthy(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	if !r.healthy() {
		t.Fatalf("findings %v\n%s", r.codes(), r.results())
	}
	if !r.heard("STATUS=ok: ") {
		t.Errorf("the manager heard %q", r.says)
	}
	all := r.get("/metrics")
	for _, want := range []string{
		`kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 1`,
		`kerbagent_login_breaker_open{user="carol@ONPREM.LOCAL"} 0`,
		`kerbagent_probe_kind_failures_total{probe="login"} 0`,
		`kerbagent_database_unfinished_handshakes{database="orders"} 0`,
		`kerbagent_config_last_reload_successful 1`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
	if n := len(r.log.with("finding began")); n > 0 {
		t.Errorf("%d findings in the log", n)
	}
	if r.d.Healthy() != nil {
		t.Error(r.d.Healthy())
	}
	r.stop()
	if !r.heard("STOPPING=1") {
		t.Error("the manager did not hear of the end")
	}
}

// From a fault to its finding it takes an interval and a timeout at most; the
// log has one line when it begins and one when it ends.
func TestRunFaultAndBack(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	kdcs := map[netip.AddrPort]bool{}
	for _, e := range r.d.State().Entries {
		if id := e.Result.ID; id.Kind == probe.KDC && id.Address.Addr().String() == "127.77.0.10" {
			kdcs[id.Address] = true
		}
	}
	begun := time.Now()
	r.path.breaks(func(network string, to netip.AddrPort) error {
		if network == "tcp" && kdcs[to] {
			return syscall.ECONNREFUSED
		}
		return nil
	})
	r.until("kdc-tcp-blocked", func() bool {
		return len(kdcs) > 0 && strings.Contains(r.get("/metrics"), `kerbagent_finding{code="kdc-tcp-blocked",severity="warning"} 1`)
	})
	if took := time.Since(begun); took > runInterval+runTimeout+500*time.Millisecond {
		t.Errorf("the finding came after %v", took)
	}
	r.until("the beginning in the log", func() bool { return len(r.log.with("finding began")) > 0 })
	r.path.breaks(nil)
	r.until("well again", r.healthy)
	r.until("the end in the log", func() bool { return len(r.log.with("finding ended")) > 0 })
	r.stop()
	began, ended := r.log.with("finding began"), r.log.with("finding ended")
	if len(began) != 1 || len(ended) != 1 || began[0]["code"] != "kdc-tcp-blocked" || began[0]["first"] != "kdc-tcp-blocked" || began[0]["since"] == "" || ended[0]["lasted"] == "" {
		t.Errorf("the log has\n%v\n%v", began, ended)
	}
	if !strings.Contains(r.get("/api/v1/failures"), `"kdc-tcp-blocked"`) {
		t.Error("the flight recorder does not have it")
	}
}

// A network that is not there at the start is a finding, and once it is there
// all is well, without a restart.
func TestRunNetworkGoneAtStart(t *testing.T) {
	gone := func(string, netip.AddrPort) error { return syscall.ENETUNREACH }
	var resolver error = errors.New("no nameserver yet")
	r := start(t, "", func(o *Options, cfg *config.Config) {
		good := o.Resolver
		cfg.Resolver = nil
		var mu sync.Mutex
		calls := 0
		o.Resolver = func() ([]netip.AddrPort, error) {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls < 4 {
				return nil, resolver
			}
			return good()
		}
		o.Dialer.(*path).breaks(gone)
	})
	r.untilReady()
	r.until("host-offline", r.has("host-offline"))
	r.path.breaks(nil)
	r.until("well", func() bool {
		return r.healthy() && r.login("alice").Outcome == probe.OK && r.login("carol").Outcome == probe.OK
	})
}

// A password that the directory refused is tried once, however long the daemon
// runs and however often it is started; and all that time it says so.
func TestRunTriesARefusedPasswordOnce(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: "password-wrong"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	state := filepath.Join(t.TempDir(), "state")
	r := startIn(t, w, state, nil)
	r.untilReady()
	r.until("paused", func() bool { return r.login("alice").Facts[probe.FactRefusedAt] != "" })
	for range 2 {
		r.until("password-wrong", r.has("password-wrong"))
		if v := r.d.State().Report.Verdict; v != diagnose.VerdictFailed {
			t.Errorf("verdict %s while a login is held back", v)
		}
		if !slices.ContainsFunc(r.d.State().Notes, func(n string) bool {
			return strings.Contains(n, "login of alice@CORP.EXAMPLE.COM to orders is paused: krb-preauth-failed at ")
		}) {
			t.Errorf("notes %q", r.d.State().Notes)
		}
		if !strings.Contains(r.get("/metrics"), `kerbagent_login_breaker_open{user="alice@CORP.EXAMPLE.COM"} 1`) {
			t.Error("the breaker is not open in /metrics")
		}
		r.until("the page says that the login fails", func() bool {
			return strings.Contains(r.get("/metrics"), `kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 0`) &&
				strings.Contains(r.get("/"), "not tried again since")
		})
		r.stop()
		r = startIn(t, w, state, nil)
		r.untilReady()
	}
	if tried := strings.Count(r.get("/metrics"), `kerbagent_probe_kind_failures_total{probe="login"} 0`); tried != 1 {
		t.Error("it was tried again after a restart")
	}
	// Another secret waits for its place in the fleet.
	alice := r.cfg.Logins[slices.IndexFunc(r.cfg.Logins, func(l config.Login) bool { return l.User == "alice" })]
	file, err := alice.Secret.Path()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("another wrong one"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.until("the first try waits", func() bool {
		return slices.ContainsFunc(r.d.State().Notes, func(n string) bool { return strings.Contains(n, "waits for its first attempt") })
	})
	if r.login("alice").Outcome != probe.Failed || r.d.State().Report.Verdict != diagnose.VerdictFailed {
		t.Errorf("while a changed secret waits for its first try: %+v, verdict %s", r.login("alice"), r.d.State().Report.Verdict)
	}
}

// A login that waits only for its hour keeps its latest verdict; one that has
// none yet is not ok.
func TestRunAtItsHourlyBudgetKeepsTheLatestVerdict(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	state := filepath.Join(t.TempDir(), "state")
	r := startIn(t, w, state, nil)
	r.until("well", func() bool { return r.d.Ready() == nil && r.d.State().Report.Verdict == diagnose.VerdictOK })
	r.stop()
	good := r.login("alice")
	held := good
	held.Outcome, held.Reason = probe.Skipped, probe.ReasonNotAsked
	held.Err = &probe.HeldBack{Reason: held.Reason, Err: &ledger.PausedError{Since: time.Now(), Reason: ledger.ReasonHourly, Until: time.Now().Add(time.Minute)}}
	_, jobs := r.d.planning.plan()
	i := slices.IndexFunc(jobs, func(j plan.Job) bool { return j.Key == held.ID.String() })
	r.d.loggedIn(t.Context(), jobs[i], held)
	if got := r.login("alice"); got.Outcome != probe.OK || !got.Started.Equal(good.Started) {
		t.Errorf("the latest verdict was lost: %+v", got)
	}
	if !slices.ContainsFunc(r.d.State().Notes, func(n string) bool { return strings.Contains(n, "waits") && strings.Contains(n, "one hour allows") }) {
		t.Errorf("notes %q", r.d.State().Notes)
	}
	// After a restart nothing is known of a login that must wait.
	r = startIn(t, w, state, func(o *Options, _ *config.Config) { o.perHour = 1 })
	r.until("the verdict is unknown", func() bool { return r.d.Ready() == nil && r.d.State().Report.Verdict == diagnose.VerdictUnknown })
	if page := r.get("/"); !strings.Contains(page, "UNKNOWN") || !strings.Contains(page, "no login was tried") {
		t.Error("the page does not say that nothing is known of the logins")
	}
}

// Without a place for the record nothing is tried, and that is said; with one
// again, logins go on.
func TestRunWithoutStateDirectory(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	state := r.d.o.StateDir
	if err := os.Rename(state, state+".away"); err != nil {
		t.Fatal(err)
	}
	r.until("login-record-impossible", r.has("login-record-impossible"))
	if _, err := os.Stat(state); err == nil {
		t.Fatal("it was made again, and what was refused is forgotten")
	}
	if err := os.Rename(state+".away", state); err != nil {
		t.Fatal(err)
	}
	r.until("well", func() bool { return r.healthy() && r.login("alice").Outcome == probe.OK })
}

// A user whom the database asks for a password is not logged in again: each
// time would be one failed login more.
func TestRunPausesAPasswordAccount(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: "db-account-unknown"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	state := filepath.Join(t.TempDir(), "state")
	for range 2 {
		r := startIn(t, w, state, nil)
		r.untilReady()
		r.until("db-account-unknown", r.has("db-account-unknown"))
		r.until("held back", func() bool { return strings.Contains(strings.Join(r.d.State().Notes, "\n"), "the server asked for") })
		r.until("db-account-unknown", r.has("db-account-unknown"))
		r.stop()
	}
}

// A bad configuration changes nothing; in a good one only what is other is
// other.
func TestRunReload(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	r.mu.Lock()
	r.cfgErr = errors.New("line 3: no such key")
	r.mu.Unlock()
	if err := r.d.Reload(); err == nil {
		t.Fatal("a bad file was taken")
	}
	if m := r.get("/metrics"); !strings.Contains(m, "kerbagent_config_last_reload_successful 0") || !strings.Contains(m, `realm="ONPREM.LOCAL"`) && !strings.Contains(m, "dc1.onprem.local") {
		t.Error("the bad file is not told of, or it was used")
	}
	if !slices.ContainsFunc(r.d.State().Notes, func(n string) bool { return strings.Contains(n, "no such key") }) {
		t.Errorf("notes %q", r.d.State().Notes)
	}
	r.mu.Lock()
	less := *r.cfg
	less.Realms = less.Realms[:1]
	less.Logins = slices.DeleteFunc(slices.Clone(less.Logins), func(l config.Login) bool { return l.Realm == "ONPREM.LOCAL" })
	r.cfg, r.cfgErr = &less, nil
	r.mu.Unlock()
	runs := func() (n int) {
		for _, e := range r.d.State().Entries {
			if e.Result.ID.Target == "dc1.corp.example.com" {
				n = max(n, len(e.History))
			}
		}
		return n
	}
	r.until("some history", func() bool { return runs() >= 3 })
	if err := r.d.Reload(); err != nil {
		t.Fatal(err)
	}
	if !r.heard("RELOADING=1\nMONOTONIC_USEC=") {
		t.Error("the manager did not hear of it")
	}
	if n := runs(); n < 3 {
		t.Errorf("the history of what stayed has %d runs", n)
	}
	if m := r.get("/metrics"); strings.Contains(m, "onprem.local") || !strings.Contains(m, "kerbagent_config_last_reload_successful 1") {
		t.Error("series of what is no longer configured stay")
	}
	for _, e := range r.d.State().Entries {
		if strings.Contains(e.Result.ID.String(), "onprem") || strings.Contains(e.Result.ID.String(), "carol") {
			t.Errorf("%s stays", e.Result.ID)
		}
	}
}

// A clock that is set back an hour is a finding, and when it is right again all
// is well.
func TestRunClockStepsBack(t *testing.T) {
	var mu sync.Mutex
	var back time.Duration
	set := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		back = d
	}
	r := start(t, "", func(o *Options, _ *config.Config) {
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Round(0).Add(-back) // a wall clock alone
		}
	})
	r.untilReady()
	set(time.Hour)
	r.until("clock-skew", r.has("clock-skew"))
	if err := r.d.Healthy(); err != nil {
		t.Error(err)
	}
	set(0)
	r.until("well", func() bool { return r.healthy() && r.login("alice").Outcome == probe.OK })
}

// A job that does not run is said to be stalled, and its result is not
// believed forever.
func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := idle(t, manyJobs(4), nil)
		tasks := d.allTasks()
		run := func(tasks []task) {
			for _, x := range tasks {
				x.run(t.Context())
				d.ended(x.Key)
			}
		}
		run(tasks)
		last := tasks[len(tasks)-1]
		time.Sleep(3*last.Beat + last.Limit + time.Second)
		run(tasks[:len(tasks)-1])
		skipped := 0
		for _, r := range d.results.Snapshot(diagnose.Limits{}).Results {
			if r.Outcome == probe.Skipped && strings.Contains(fmt.Sprint(r.Err), "not asked for 4m") {
				skipped++
			}
		}
		if skipped != 1 {
			t.Errorf("%d results are not believed", skipped)
		}
		if notes := d.State().Notes; !slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "jobs that are stalled: 1; the longest is kpasswd/") }) {
			t.Errorf("notes %q", notes)
		}
	})
}

// A reload that is refused once changed what is said of this host's DNS servers.
func TestARefusedReloadChangesNoNote(t *testing.T) {
	var lost atomic.Bool
	r := start(t, "", func(o *Options, cfg *config.Config) {
		resolver := o.Resolver
		cfg.Resolver = nil
		o.Resolver = func() ([]netip.AddrPort, error) {
			if lost.Load() {
				return nil, errors.New("no resolv.conf")
			}
			return resolver()
		}
	})
	r.untilReady()
	lost.Store(true)
	noted := func() bool {
		return slices.ContainsFunc(r.d.State().Notes, func(n string) bool { return strings.Contains(n, "DNS servers are not known: no resolv.conf") })
	}
	r.until("the note", noted)
	r.mu.Lock()
	r.cfgErr = errors.New("kerbagent.yaml:3: no such key")
	r.mu.Unlock()
	if r.d.Reload() == nil || !noted() {
		t.Errorf("after a refused reload: %q", r.d.State().Notes)
	}
}

// A KDC that cannot serve and then is gone once kept its note until a restart.
func TestAKDCThatIsGoneHasNoNote(t *testing.T) {
	cfg := manyJobs(8)
	d := idle(t, cfg, nil)
	_, jobs := d.planning.plan()
	i := slices.IndexFunc(jobs, func(j plan.Job) bool { return j.Targets[0].ID.Kind == probe.KDC })
	id := jobs[i].Targets[0].ID
	d.guard.Heard(probe.Result{ID: id, Outcome: probe.Failed, Reason: probe.ReasonKRBServiceUnavailable}, time.Second, false)
	noted := func() bool {
		return slices.ContainsFunc(d.State().Notes, func(n string) bool { return strings.Contains(n, id.Target) })
	}
	if !noted() {
		t.Fatalf("no note: %q", d.State().Notes)
	}
	if d.planning.again(); !noted() {
		t.Error("a KDC that is still asked lost its note")
	}
	less := *cfg
	less.Realms = slices.Clone(cfg.Realms)
	less.Realms[0].KDCs = slices.DeleteFunc(slices.Clone(cfg.Realms[0].KDCs), func(h config.HostPort) bool { return h.Host == id.Target })
	d.o.Load = func() (*config.Config, error) { return &less, nil }
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if noted() {
		t.Errorf("a KDC that is gone has a note: %q", d.State().Notes)
	}
}
