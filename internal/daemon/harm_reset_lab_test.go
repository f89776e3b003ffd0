//go:build lab

package daemon

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/probe"
)

// TestHarmReset proves that a full login never makes the record forget what the
// server still counts, in the orders of events in which it once did.
func TestHarmReset(t *testing.T) {
	labtest.Up(t)
	labtest.Fault(t, "db", "conf", "skip-name-resolve=0", "performance_schema=ON", "connect_timeout=2", fmt.Sprint("max_connect_errors=", maxConnectErrors))
	root := openConsole(t)
	for name, test := range map[string]func(*testing.T, *host){
		"broken while a login is in flight": brokenDuringALogin,
		"its end was lost":                  endLost,
		"the server lost patience":          outOfPatience,
	} {
		t.Run(name, func(t *testing.T) {
			root.ask("FLUSH HOSTS; SELECT 1")
			test(t, newHost(t, root, t.TempDir(), labtest.Database, labtest.Client))
		})
	}
}

// left is a handshake that was begun, on record and at the server.
func (h *host) left(t *testing.T) (*ledger.Handshake, net.Conn) {
	t.Helper()
	db := h.login(t).Database
	shake, err := h.ledger.Database(db.Endpoint(), db.MaxConnectErrors).At(h.at.String()).Begin()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", h.at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := mysql.NewConn(c).Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return shake, c
}

// await waits until the server counts n against this host.
func (h *host) await(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); h.root.counted(h.client) != n; {
		if time.Now().After(end) {
			t.Fatalf("the server counts %d, not %d", h.root.counted(h.client), n)
		}
	}
}

// firstWrite does something else before its first connection to the database is
// written to: the server's greeting has come, so it has looked at its counter.
type firstWrite struct {
	probe.Dialer
	do func()
}

func (o *firstWrite) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := o.Dialer.DialContext(ctx, network, address)
	if err == nil && strings.HasSuffix(address, ":3306") {
		c = &firstWriteConn{c, o}
	}
	return c, err
}

type firstWriteConn struct {
	net.Conn
	o *firstWrite
}

func (c *firstWriteConn) Write(b []byte) (int, error) {
	if do := c.o.do; do != nil {
		c.o.do = nil
		do()
	}
	return c.Conn.Write(b)
}

// brokenDuringALogin: the server sets its counter back only if it was above
// zero when the login's connection came.
func brokenDuringALogin(t *testing.T, h *host) {
	h.logInOver(t, &firstWrite{h.dialer, func() {
		shake, c := h.left(t)
		c.Close()
		shake.End(false, false)
		h.await(t, 1)
	}})
	if ours, theirs := h.check(t); theirs != 1 || ours != 1 {
		t.Errorf("the server counts %d, we %d; this test is about one", theirs, ours)
	}
	h.reset(t)
}

// endLost: the server hears of the end of a connection after a login.
func endLost(t *testing.T, h *host) {
	shake, c := h.left(t)
	shake.End(false, false)
	h.logIn(t)
	c.Close()
	h.await(t, 1)
	if ours, theirs := h.check(t); theirs != 1 || ours != 1 {
		t.Errorf("the server counts %d, we %d; this test is about one", theirs, ours)
	}
	h.reset(t)
}

// outOfPatience: the server gives up a handshake by itself and counts it, so
// nothing that is heard or not heard after that is a good end.
func outOfPatience(t *testing.T, h *host) {
	secure := h.probe(t, "alice").Server.TLS
	for _, stage := range []string{"greeting", "TLS", "switch"} {
		t.Run(stage, func(t *testing.T) {
			h.root.ask("FLUSH HOSTS; SELECT 1")
			nc, err := net.Dial("tcp", h.at.String())
			if err != nil {
				t.Fatal(err)
			}
			c := mysql.NewConn(nc)
			defer c.Close()
			_, err = c.Greeting(t.Context())
			if err == nil && stage != "greeting" {
				_, err = c.StartTLS(t.Context(), secure)
			}
			var sw *mysql.Switch
			if err == nil && stage == "switch" {
				sw, err = c.Respond(t.Context(), "alice", nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			theirs := h.root.connectErrors(h.client) // waits until the server has closed it
			err = c.Abandon(t.Context(), sw)
			t.Logf("the server counts %d; %v", theirs, err)
			if theirs > 0 && c.Finished() {
				t.Errorf("the server counts %d, we take it for finished: %v", theirs, err)
			}
		})
	}
}
