package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// clustered starts a daemon that logs alice in, in a rehearsed cluster.
func clustered(t *testing.T, fault diagnose.Code) *running {
	t.Helper()
	return start(t, fault, func(_ *Options, cfg *config.Config) {
		cfg.Logins, cfg.Probes = cfg.Logins[:1], config.Probes{Interval: 3 * time.Second, Timeout: 2500 * time.Millisecond}
		cfg.Logins[0].Interval, cfg.Databases[0].Instances = 3*time.Second, config.InstancesDiscover
	})
}

// at returns alice's login at an instance.
func (r *running) at(instance string) probe.Result {
	for _, e := range r.d.State().Entries {
		if e.Result.ID.Kind == probe.Login && e.Result.ID.Variant == instance {
			return e.Result
		}
	}
	return probe.Result{}
}

func (r *running) loggedInAt(instances ...string) func() bool {
	return func() bool {
		return !slices.ContainsFunc(instances, func(i string) bool { return r.at(i).Outcome != probe.OK })
	}
}

// A reader without its plugin is named with its reboot command, while the logins by the
// cluster's name go on.
func TestAReaderWithoutItsPluginIsNamed(t *testing.T) {
	r := clustered(t, "db-plugin-missing")
	r.until("db-plugin-missing", r.has("db-plugin-missing"))
	r.until("logins at the others", r.loggedInAt("orders-1", "orders-2"))
	r.until("the login at orders-3", func() bool { return r.at("orders-3").Outcome == probe.Failed })
	r.until("the finding beside a login that works", func() bool {
		rep, l := r.d.State().Report, r.login("alice@")
		if len(rep.Findings) != 1 || rep.Verdict != diagnose.VerdictDegraded {
			return false
		}
		f := rep.Findings[0]
		return f.Severity == diagnose.Warning && strings.Contains(f.Title, "orders-3") &&
			strings.Contains(f.Remedy, "reboot-db-instance --db-instance-identifier orders-3") && l.Outcome == probe.OK && l.ID.Variant == ""
	})
	// The account pays for the login by the name alone.
	for _, i := range []string{"orders-1", "orders-2", "orders-3"} {
		if slices.ContainsFunc(r.at(i).Stages, func(s probe.Stage) bool { return strings.HasPrefix(s.Name, "as") }) {
			t.Errorf("at %s a ticket was asked for: %v", i, r.at(i).Stages)
		}
	}
}

// After a failover one info stands, and no error outlives it.
func TestAFailoverIsOneFinding(t *testing.T) {
	r := clustered(t, "")
	r.until("logins at all instances", r.loggedInAt("orders-1", "orders-2", "orders-3"))
	r.world.SetCluster("orders-2", 3)
	failovers := func() (n int) {
		for _, f := range r.d.State().Report.Findings {
			if f.Code == "failover" && f.Severity == diagnose.Info && strings.Contains(f.Title, "from orders-1 to orders-2") {
				n++
			}
		}
		return n
	}
	r.until("failover", func() bool { return failovers() == 1 })
	r.until("orders-1 is a reader", func() bool {
		return r.at("orders-1").Facts[probe.FactDBRole] == probe.RoleReader && r.at("orders-2").Facts[probe.FactDBRole] == probe.RoleWriter
	})
	last := r.at("orders-1").Started
	r.until("two more logins there", func() bool { return r.at("orders-1").Started.Sub(last) > 4*time.Second })
	if !r.healthy() || failovers() != 1 {
		t.Errorf("findings %v, %d failovers", r.codes(), failovers())
	}
}

// Instances that come are logged in to, and those that go leave nothing behind.
func TestInstancesThatGoLeaveNothing(t *testing.T) {
	r := clustered(t, "")
	r.until("logins at all instances", r.loggedInAt("orders-1", "orders-2", "orders-3"))
	recorded := r.recorded()
	if m := r.get("/metrics"); !strings.Contains(m, `kerbagent_instance_replica_lag_seconds{database="orders",db_instance="orders-2"} 0.018`) ||
		strings.Contains(m, `kerbagent_instance_replica_lag_seconds{database="orders",db_instance="orders-1"}`) {
		t.Error("the lag of a reader is not shown, or the writer has one")
	}
	r.world.SetCluster("orders-1", 15)
	var added []string
	for i := 4; i <= 15; i++ {
		added = append(added, fmt.Sprintf("orders-%d", i))
	}
	took := r.until("logins at 15 instances", r.loggedInAt(added...))
	if took > time.Minute {
		t.Errorf("the new instances were logged in to after %s", took)
	}
	r.world.SetCluster("orders-1", 3)
	left := func() string {
		for _, i := range added {
			for _, shown := range []string{"/metrics", "/", "/api/v1/report"} {
				for line := range strings.Lines(r.get(shown)) {
					if strings.Contains(line, i+`"`) || strings.Contains(line, i+".") || strings.Contains(line, i+"<") {
						return line
					}
				}
			}
			for _, e := range r.d.State().Entries {
				if e.Result.Facts[probe.FactInstance] == i {
					return e.Result.ID.String()
				}
			}
		}
		return ""
	}
	r.until("nothing is left of them", func() bool { return left() == "" })
	r.until("well again", r.healthy)
	// A login may be under way, and has a file then.
	r.until("nothing is left on record", func() bool { return len(r.recorded()) <= len(recorded) })
}

// recorded returns the files of the daemon's record of attempts, but for those of handshakes under way.
func (r *running) recorded() (files []string) {
	entries, err := os.ReadDir(r.d.o.StateDir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".flight") && !strings.HasSuffix(e.Name(), ".new") {
			files = append(files, e.Name())
		}
	}
	return files
}

// An instance that goes in the middle of its login leaves nothing: no finding, no result,
// no series, whatever becomes of the login.
func TestAnInstanceThatGoesInTheMiddleOfItsLogin(t *testing.T) {
	for name, gone := range map[string]func(r *running) error{
		"off the list": func(r *running) error { r.world.SetCluster("orders-1", 2); return nil },
		"a row that is 301 seconds old": func(r *running) error {
			r.world.SetRows(mysqltest.Instance{Name: "orders-1", Writer: true}, mysqltest.Instance{Name: "orders-2"}, mysqltest.Instance{Name: "orders-3", Age: 301 * time.Second})
			return nil
		},
		"refusing": func(r *running) error {
			r.world.SetCluster("orders-1", 2)
			return r.world.Instance("orders-3").SetFaults(mysqltest.Faults{Refuse: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := clustered(t, "")
			r.until("logins at all instances", r.loggedInAt("orders-1", "orders-2", "orders-3"))
			if err := r.world.Instance("orders-3").SetFaults(mysqltest.Faults{StallAt: mysqltest.AtToken}); err != nil {
				t.Fatal(err)
			}
			before := r.world.Instance("orders-3").Stats().Connections
			r.until("a login at orders-3 is under way", func() bool { return r.world.Instance("orders-3").Stats().Connections > before })
			if err := gone(r); err != nil {
				t.Fatal(err)
			}
			r.until("nobody speaks of orders-3", func() bool {
				return r.at("orders-3").ID.Kind == "" && r.healthy() && !strings.Contains(r.get("/metrics"), "orders-3") && !strings.Contains(r.get("/"), "orders-3")
			})
			last := r.at("orders-2").Started
			r.until("logins go on", func() bool { return r.at("orders-2").Started.Sub(last) > 4*time.Second })
			if m := r.get("/metrics"); !r.healthy() || r.at("orders-3").ID.Kind != "" || strings.Contains(m, "orders-3") {
				t.Errorf("findings %v\n%s", r.codes(), r.results())
			}
		})
	}
}

// A cluster that is deleted, instance by instance, ends as one finding about its name, and none
// of an instance outlives it.
func TestAClusterThatIsDeleted(t *testing.T) {
	r := clustered(t, "")
	r.until("logins at all instances", r.loggedInAt("orders-1", "orders-2", "orders-3"))
	host := r.world.Config().Databases[0].Host
	r.world.SetCluster("orders-1", 1)
	for _, i := range []string{"orders-2", "orders-3"} {
		if err := r.world.Instance(i).SetFaults(mysqltest.Faults{Refuse: true}); err != nil {
			t.Fatal(err)
		}
	}
	r.until("the writer is alone", func() bool { return r.at("orders-3").ID.Kind == "" && r.at("orders-2").ID.Kind == "" && r.healthy() })
	if err := r.world.Instance("orders-1").SetFaults(mysqltest.Faults{Refuse: true}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{host, "orders-1.abc123.us-east-1.rds.amazonaws.com"} {
		r.world.SetMembers(name)
	}
	r.until("one finding", func() bool { return slices.Equal(r.codes(), []string{"endpoint-unresolvable"}) })
	for _, f := range r.d.State().Report.Findings {
		if strings.Contains(f.Title+f.Cause+f.Remedy, "orders-1") {
			t.Errorf("%s: %s; %s; %s", f.Code, f.Title, f.Cause, f.Remedy)
		}
	}
	r.mu.Lock()
	cfg := *r.cfg
	cfg.Logins, cfg.Databases = nil, nil
	r.cfg = &cfg
	r.mu.Unlock()
	if err := r.d.Reload(); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		for _, shown := range []string{"/metrics", "/api/v1/report"} { // the page keeps the history of failures
			for line := range strings.Lines(r.get(shown)) {
				if strings.Contains(line, "orders") {
					return shown + ": " + line
				}
			}
		}
		return ""
	}
	defer func() {
		if line := left(); line != "" {
			t.Errorf("left: %s", line)
		}
	}()
	r.until("nothing is left of it", func() bool { return r.healthy() && left() == "" })
}
