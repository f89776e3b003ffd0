//go:build lab

package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
)

// at returns the login at an instance of the lab's cluster; with "", the one by its name.
func (l *labDaemon) at(instance string) probe.Result {
	for _, e := range l.State().Entries {
		if e.Result.ID.Kind == probe.Login && e.Result.ID.Variant == instance {
			return e.Result
		}
	}
	return probe.Result{}
}

func (l *labDaemon) loggedInAt(instances ...string) func() bool {
	return func() bool {
		return !slices.ContainsFunc(instances, func(i string) bool { return l.at(i).Outcome != probe.OK })
	}
}

// What is wrong with one reader of three is named within one turn, while the logins by
// the cluster's name go on.
func TestLabOneReaderOfThree(t *testing.T) {
	labtest.Up(t)
	flags := labtest.Break(t, "db-plugin-missing")
	labtest.Run(t, "heal")
	l := startInLab(t, labConfig(t, "db", flags), nil)
	well := func() bool {
		return l.State().Report.Verdict == diagnose.VerdictOK && l.loggedInAt("", "mycluster-1", "mycluster-2", "mycluster-3")()
	}
	for fault, remedy := range map[string]string{
		"db-plugin-missing":    "reboot-db-instance --db-instance-identifier mycluster-3",
		"reader-unlike-writer": "reboot-db-instance --db-instance-identifier mycluster-3",
		"db-refused:reader":    "kerbagent check --only database",
	} {
		l.until("well before "+fault, labPatience, well)
		labtest.Break(t, fault)
		begun := time.Now()
		l.until(fault+" named", labPatience, func() bool {
			fs := l.State().Report.Findings
			return len(fs) > 0 && strings.HasPrefix(fault, string(fs[0].Code)) && strings.Contains(fs[0].Title, "mycluster-3") && strings.Contains(fs[0].Remedy, remedy)
		})
		// A turn is a beat of logins; what was under way when it began ends within a time limit.
		if took := time.Since(begun); took > labInterval+3*labTimeout {
			t.Errorf("%s: named after %v", fault, took)
		}
		if rep := l.State().Report; rep.Verdict != diagnose.VerdictDegraded || l.at("").Outcome != probe.OK || l.at("mycluster-2").Outcome != probe.OK {
			t.Errorf("%s: verdict %s; by the cluster's name %s, at mycluster-2 %s", fault, rep.Verdict, l.at("").Outcome, l.at("mycluster-2").Outcome)
		}
		labtest.Run(t, "heal")
	}
}

// load logs in with MariaDB's own client again and again, as an application would, under
// a name of its own, and returns how many logins there were by now.
func load(t *testing.T, hosts ...string) (logins func() int64) {
	t.Helper()
	ccache := filepath.Join(t.TempDir(), "cc")
	if out, err := exec.Command("kinit", "-c", "FILE:"+ccache, "-k", "-t", labtest.Keytab("alice"), "alice@CORP.EXAMPLE.COM").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var done atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for _, host := range hosts {
		go func() {
			for ctx.Err() == nil {
				c := exec.CommandContext(ctx, "mariadb", "--no-defaults", "--connect-timeout=1", "--ssl", "-h"+host, "-P3310", "-ualice@CORP.EXAMPLE.COM", "-e", "SELECT @@read_only")
				c.Env = append(os.Environ(), "KRB5CCNAME=FILE:"+ccache)
				if c.Run() == nil {
					done.Add(1)
				}
			}
			ended <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range hosts {
			<-ended
		}
	})
	return done.Load
}

// A failover under load is one information: no error outlives it, and kerbagent logs in
// no more often than on its beats.
func TestLabFailoverUnderLoad(t *testing.T) {
	labtest.Up(t)
	flags := labtest.Break(t, "db-plugin-missing")
	labtest.Run(t, "heal")
	all := []string{"1", "2", "3"}
	for _, i := range all {
		labtest.Fault(t, "db", i, "sql", "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON; TRUNCATE mysql.general_log")
	}
	began := time.Now()
	l := startInLab(t, labConfig(t, "db", flags), nil)
	l.until("logged in at all", labPatience, l.loggedInAt("", "mycluster-1", "mycluster-2", "mycluster-3"))
	logins := load(t, labtest.Endpoint, strings.Replace(labtest.Endpoint, "cluster-", "cluster-ro-", 1))
	l.until("under load", labPatience, func() bool { return logins() >= 10 })

	labtest.Fault(t, "cluster", "failover", "2")
	failovers := func() (n int) {
		for _, f := range l.State().Report.Findings {
			if f.Code == "failover" && f.Severity == diagnose.Info && strings.Contains(f.Title, "from mycluster-1 to mycluster-2") {
				n++
			}
		}
		return n
	}
	l.until("seen", labPatience, func() bool { return failovers() == 1 })
	labtest.Run(t, "db", "1", "restart") // as Aurora restarts the writer of before
	labtest.Run(t, "db", "1", "sql", "SET GLOBAL read_only = 1, GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
	l.until("roles", labPatience, func() bool {
		return l.at("mycluster-1").Facts[probe.FactDBRole] == probe.RoleReader && l.at("mycluster-2").Facts[probe.FactDBRole] == probe.RoleWriter
	})
	before := logins()
	l.until("well", labPatience, func() bool {
		return l.State().Report.Verdict == diagnose.VerdictOK && l.loggedInAt("", "mycluster-1", "mycluster-2", "mycluster-3")() && logins() > before+10
	})
	last := l.at("").Started
	l.until("two more turns", labPatience, func() bool { return l.at("").Started.Sub(last) > 2*labInterval })
	for _, f := range l.State().Report.Findings {
		if f.Severity != diagnose.Info {
			t.Errorf("%s (%s) outlives it: %s", f.Code, f.Severity, f.Title)
		}
	}
	if n := failovers(); n != 1 {
		t.Errorf("%d failovers", n)
	}
	budget := int(time.Since(began)/labInterval) + 2
	t.Logf("%d logins of applications beside it", logins())
	for _, i := range all {
		out := labtest.Run(t, "db", i, "sql", "SELECT COUNT(*) FROM mysql.general_log WHERE command_type = 'Connect' AND argument LIKE 'alice@10.77.9.100%' OR argument LIKE 'alice@fd77:%'")
		n, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(out))
		if err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		// An instance has a login of its own on each beat, and by the cluster's name one more while that leads to it.
		most := budget
		if i != "3" {
			most = 2 * budget
		}
		if n == 0 || n > most {
			t.Errorf("mycluster-%s was logged in to %d times in %v, at most %d are within the budget", i, n, time.Since(began).Round(time.Second), most)
		}
	}
}
