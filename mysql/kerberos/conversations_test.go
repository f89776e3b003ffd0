//go:build conversations

package kerberos_test

import (
	"context"
	"flag"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/liar"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

var (
	lieFor  = flag.Duration("lie-for", time.Minute, "how long")
	lieSeed = flag.Uint64("lie-seed", uint64(time.Now().UnixNano()), "of the first conversation")
)

// TestConnectorAmongLiars logs in among KDCs and databases that lie, again and again:
// no crash, no hang, no leak, no account tried twice, and no connection handed over
// that the database did not let in, with the proof that was required.
func TestConnectorAmongLiars(t *testing.T) {
	runs, lies, good := 0, 0, 0
	for end := time.Now().Add(*lieFor); time.Now().Before(end); {
		w := newWorld(t, mysqltest.Config{Flavour: mysqltest.Flavour(runs % 2), ConnectTimeout: time.Second})
		before := runtime.NumGoroutine()
		for range 50 {
			seed := *lieSeed + uint64(runs)
			runs++
			network := liar.New(&net.Dialer{}, seed)
			cfg := w.config(t)
			cfg.Dialer, cfg.Timeout = network, 300*time.Millisecond
			if runs%2 == 0 { // in the clear lies get further
				cfg.TLS, cfg.WithoutTLS = nil, true
			}
			connector, err := kerberos.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			logins, wrong := w.db.Stats().Logins, 0
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			began := time.Now()
			for range 3 {
				c, err := connector.Connect(ctx)
				if err == nil {
					good++
					if w.db.Stats().Logins == logins {
						t.Errorf("seed %d: a connection without a login\n%s", seed, strings.Join(network.Lies(), "\n"))
					}
					c.Close()
				}
			}
			cancel()
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("seed %d: %s", seed, took)
			}
			if wrong, _ = w.corp.Failures("alice"); wrong > 2 {
				t.Errorf("seed %d: %d wrong passwords\n%s", seed, wrong, strings.Join(network.Lies(), "\n"))
			}
			if err := w.corp.SetPassword("alice", secret); err != nil { // clears what was counted
				t.Fatal(err)
			}
			lies += len(network.Lies())
		}
		w.db.Wait(0)
		for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+4; runtime.Gosched() {
			if time.Now().After(wait) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
		w.db.Close()
		w.kdc.Close()
		w.onpremKDC.Close()
	}
	t.Logf("%d connectors, %d connections, %d lies, from seed %d; %s", runs, good, lies, *lieSeed, liar.Cost())
}
