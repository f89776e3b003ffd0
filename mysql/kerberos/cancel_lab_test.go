//go:build lab

package kerberos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

// TestMariaDBCancelledLogins: a hundred callers give up somewhere in their logins, at
// max_connect_errors = 10. The server counts none, or one that it saw in a hurry.
func TestMariaDBCancelledLogins(t *testing.T) {
	labtest.Up(t)
	labtest.Fault(t, "db", "conf", "skip-name-resolve=0", "performance_schema=ON", "max_connect_errors=10")
	root := func(sql string) string {
		out, err := exec.CommandContext(t.Context(), "mariadb", "--no-defaults", "-S", labtest.State("db", "run", "sock"), "-uroot", "-BNe", sql).Output()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return strings.TrimSpace(string(out))
	}
	root("FLUSH HOSTS")
	connector, err := kerberos.NewConnector(alice(t))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	c, err := connector.Connect(t.Context()) // the ticket granting ticket, and how long a login takes
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	usual := time.Since(began)
	rng, cancelled, tries := rand.New(rand.NewPCG(10, 100)), 0, 0
	for ; cancelled < 100 && tries < 1000; tries++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Int64N(int64(usual))))
		if c, err := connector.Connect(ctx); err == nil {
			c.Close()
		} else if ctx.Err() != nil {
			cancelled++
		} else {
			t.Errorf("%v", err)
		}
		cancel()
	}
	for end := time.Now().Add(10 * time.Second); root("SELECT COUNT(*) FROM information_schema.processlist WHERE ID <> CONNECTION_ID()") != "0"; {
		if time.Now().After(end) {
			t.Fatal("the server keeps a connection open")
		}
	}
	counted := root("SELECT COALESCE(MAX(SUM_CONNECT_ERRORS), 0) FROM performance_schema.host_cache WHERE IP = '" + labtest.Client + "'")
	t.Logf("%d of %d logins of %s were given up; the server counts %s", cancelled, tries, usual, counted)
	if counted != "0" && counted != "1" || cancelled < 100 {
		t.Errorf("%d given up, the server counts %s", cancelled, counted)
	}
	if c, err = connector.Connect(t.Context()); err != nil {
		t.Fatal(fmt.Errorf("after it: %w", err))
	}
	c.Close()
}
