//go:build lab

package mysql_test

import (
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
)

// connectErrors asks mysqld itself what it holds against its clients.
func connectErrors(t *testing.T) string {
	t.Helper()
	state := os.Getenv("LAB_STATE")
	if state == "" {
		state = "/var/tmp/krb-lab"
	}
	out, err := exec.CommandContext(t.Context(), "chroot", filepath.Join(state, "mysql8/root"), "mysql", "--no-defaults",
		"-S", "/run/mysqld/s", "-uroot", "-N", "-e",
		"SELECT COALESCE(SUM(SUM_CONNECT_ERRORS), 0) + COALESCE(SUM(COUNT_HANDSHAKE_ERRORS), 0) FROM performance_schema.host_cache").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Oracle's mysqld, whose users have caching_sha2_password. It comes from Debian
// unstable (lab.sh extra mysqld97), so it is not part of the gate.
func TestMySQLCountsNothing(t *testing.T) {
	if os.Getenv("KERBAGENT_MYSQL97") != "1" {
		t.Skip("Oracle's mysqld is asked only with KERBAGENT_MYSQL97=1")
	}
	before := connectErrors(t)
	for name, c := range map[string]struct {
		user    string
		secure  bool
		nothing bool // abandon before the login packet
	}{
		"password user":          {"pw", false, false},
		"password user, TLS":     {"pw", true, false},
		"unknown user":           {"zoe", false, false},
		"unknown user, TLS":      {"zoe", true, false},
		"after the greeting":     {"", false, true},
		"after TLS, not trusted": {"", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				nc, err := net.Dial("tcp", net.JoinHostPort(labDatabase, "3308"))
				if err != nil {
					t.Fatal(err)
				}
				conn := mysql.NewConn(nc)
				if _, err := conn.Greeting(within(t)); err != nil {
					t.Fatal(err)
				}
				if c.secure {
					if _, err := conn.StartTLS(within(t), &tls.Config{InsecureSkipVerify: true}); err != nil {
						t.Fatal(err)
					}
				}
				var sw *mysql.Switch
				if !c.nothing {
					if sw, err = conn.Respond(within(t), c.user, nil); err != nil {
						t.Fatal(err)
					}
				}
				serverError(t, conn.Abandon(within(t), sw), 1045)
			}
			if after := connectErrors(t); after != before {
				t.Errorf("connection errors went from %s to %s", before, after)
			}
		})
	}
	// The control: a connection that is just closed does count.
	nc, err := net.Dial("tcp", net.JoinHostPort(labDatabase, "3308"))
	if err != nil {
		t.Fatal(err)
	}
	mysql.NewConn(nc).Greeting(within(t))
	nc.Close()
	ctx := within(t)
	for connectErrors(t) == before {
		if ctx.Err() != nil {
			t.Fatal("the counter does not count")
		}
	}
}
