//go:build conversations

package aduser_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/liar"
)

var (
	lieFor  = flag.Duration("lie-for", time.Minute, "how long")
	lieSeed = flag.Uint64("lie-seed", uint64(time.Now().UnixNano()), "of the first conversation")
)

// TestDirectoryAmongLiars makes users at a domain controller that lies over LDAP,
// Kerberos and kpasswd: no crash, no hang, no leak, the Admin's password tried once,
// and no user called made who cannot log in.
func TestDirectoryAmongLiars(t *testing.T) {
	runs, lies, good := 0, 0, 0
	for end := time.Now().Add(*lieFor); time.Now().Before(end); {
		before := runtime.NumGoroutine()
		t.Run("", func(t *testing.T) {
			d := newDomain(t)
			for range 25 {
				seed := *lieSeed + uint64(runs)
				runs++
				network := liar.New(d, seed)
				o := d.options()
				o.Dialer, o.Timeout = network, 300*time.Millisecond
				user := fmt.Sprintf("user%d", runs)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				began := time.Now()
				err := makeUser(ctx, o, user)
				cancel()
				if took := time.Since(began); took > 20*time.Second {
					t.Errorf("seed %d: %s", seed, took)
				}
				if err == nil {
					good++
					if !d.logsIn(t, user, newPassword) {
						t.Errorf("seed %d: made, and cannot log in\n%s", seed, strings.Join(network.Lies(), "\n"))
					}
				}
				if wrong, _ := d.realm.Failures("admin"); wrong > 1 {
					t.Errorf("seed %d: %d wrong passwords\n%s", seed, wrong, strings.Join(network.Lies(), "\n"))
				}
				if err := d.realm.SetPassword("admin", adminPassword); err != nil { // clears what was counted
					t.Fatal(err)
				}
				lies += len(network.Lies())
			}
		})
		for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
			if time.Now().After(wait) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	}
	t.Logf("%d conversations, %d users made, %d lies, from seed %d; %s", runs, good, lies, *lieSeed, liar.Cost())
}
