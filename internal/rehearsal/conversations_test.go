//go:build conversations

package rehearsal_test

import (
	"context"
	"flag"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/liar"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

var (
	lieFor  = flag.Duration("lie-for", time.Minute, "how long")
	lieSeed = flag.Uint64("lie-seed", uint64(time.Now().UnixNano()), "of the first conversation")
)

// TestCheckAmongLiars climbs the ladder among peers that lie, again and again: no
// crash, no hang, no leak, no account tried twice, and no login called good that the
// database did not see.
func TestCheckAmongLiars(t *testing.T) {
	runs, lies := 0, 0
	for end := time.Now().Add(*lieFor); time.Now().Before(end); runs++ {
		seed := *lieSeed + uint64(runs)
		before := runtime.NumGoroutine()
		w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(w.StateDir(), ledger.Options{Now: w.Now()})
		if err != nil {
			t.Fatal(err)
		}
		net := liar.New(w.Dialer(), seed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		began := time.Now()
		results := check.Run(ctx, w.Config(), check.Env{Dialer: net, Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
		cancel()
		if time.Since(began) > 50*time.Second {
			t.Errorf("seed %d: check took %s", seed, time.Since(began))
		}
		check.Explain(w.Config(), results, w.Now()())
		good := 0
		for _, r := range results {
			if r.Reason == probe.ReasonInternal {
				t.Errorf("seed %d: %s: %v", seed, r.ID, r.Err)
			}
			if r.ID.Kind == probe.Login && r.Outcome == probe.OK {
				good++
			}
		}
		wrong, _ := w.Harm()
		if logins := w.Logins(); good > logins || wrong > 3 {
			t.Errorf("seed %d: %d logins are called good, the database saw %d; %d wrong passwords\n%s", seed, good, logins, wrong, strings.Join(net.Lies(), "\n"))
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		lies += len(net.Lies())
		for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
			if time.Now().After(wait) {
				buf := make([]byte, 1<<20)
				t.Fatalf("seed %d: %d goroutines before, %d after\n%s", seed, before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	}
	t.Logf("%d checks, %d lies, from seed %d", runs, lies, *lieSeed)
}
