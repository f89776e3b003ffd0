package daemon

import (
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// frugal starts a daemon that logs alice in every second, in a cluster whose servers
// block a host after eight connection errors.
func frugal(t *testing.T) *running {
	t.Helper()
	r := start(t, "", func(_ *Options, cfg *config.Config) {
		cfg.Logins, cfg.Probes = cfg.Logins[:1], config.Probes{Interval: time.Second, Timeout: 900 * time.Millisecond}
		cfg.Logins[0].Interval = time.Second
		cfg.Databases[0].Instances, cfg.Databases[0].MaxConnectErrors = config.InstancesDiscover, 8
	})
	r.until("logins at all instances", r.loggedInAt("orders-1", "orders-2", "orders-3"))
	return r
}

// hang makes an instance hang in the middle of every login, until its probing is paused and
// ten turns have passed since.
func (r *running) hang(instance string) {
	r.t.Helper()
	if err := r.world.Instance(instance).SetFaults(mysqltest.Faults{StallAt: mysqltest.AtToken}); err != nil {
		r.t.Fatal(err)
	}
	r.until("paused", r.has("db-probing-paused"))
	paused := time.Now()
	r.until("ten turns more", func() bool { return time.Since(paused) > 10*time.Second })
}

// An instance that hangs uses up its own budget of unfinished handshakes, half of what
// its server bears, and the logins at the others go on.
func TestEachInstanceHasItsOwnBudget(t *testing.T) {
	r := frugal(t)
	r.hang("orders-3")
	if n := r.world.Instance("orders-3").Stats().Unfinished; n < 2 || n > 4 {
		t.Errorf("%d unfinished handshakes with orders-3", n)
	}
	for _, other := range []string{"orders-1", "orders-2"} {
		if n := r.world.Instance(other).Stats(); n.Unfinished > 1 || n.Logins < 5 { // one may be a busy machine's
			t.Errorf("%s: %+v", other, n)
		}
	}
	if r.login("alice@").Outcome != probe.OK || !r.loggedInAt("orders-1", "orders-2")() || r.d.State().Report.Verdict == diagnose.VerdictFailed {
		t.Errorf("findings %v\n%s", r.codes(), r.results())
	}
}

// A server counts what comes from a host, by whatever name that knows the server: the
// cluster's writer is asked by the cluster's name and by its own, and has one budget.
func TestAServerHasOneBudgetUnderAllItsNames(t *testing.T) {
	r := frugal(t)
	r.hang("orders-1")
	if n := r.world.Instance("orders-1").Stats().Unfinished; n < 2 || n > 4 {
		t.Errorf("%d unfinished handshakes with orders-1", n)
	}
	if n := r.world.Instance("orders-2").Stats().Unfinished + r.world.Instance("orders-3").Stats().Unfinished; n > 1 {
		t.Errorf("%d unfinished handshakes with the others", n)
	}
}
