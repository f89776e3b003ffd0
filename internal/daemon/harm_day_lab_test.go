//go:build lab && soak

package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
)

// A day of a daemon, in a little more than a minute.
const (
	faster  = 1200
	day     = 24 * time.Hour / faster
	perKill = 40 // dials to the database until the daemon is killed

	// envDay tells a process that is to be killed how to be the daemon.
	envDay = "KERBAGENT_TEST_DAY"
)

// shift is what a daemon is told, from its start to its kill.
type shift struct {
	State string    // directory
	Flags []string  // of check
	Began time.Time // the day
	Nth   int
}

// TestSoakHarmDay proves that a daemon never gets its host blocked: it has a day's
// beats of logins and of deliberate probes against max_connect_errors = 10, over
// IPv4 and IPv6, with cut connections, timeouts and kill -9 among them. The
// server counts on its side, the ledger on ours.
func TestSoakHarmDay(t *testing.T) {
	if about := os.Getenv(envDay); about != "" {
		work(t, about)
		return
	}
	labtest.Up(t)
	flags := labtest.Break(t, "none")
	labtest.Fault(t, "db", "conf", "skip-name-resolve=0", "performance_schema=ON", fmt.Sprint("max_connect_errors=", maxConnectErrors))
	root := openConsole(t)
	state := t.TempDir()
	families := map[string]*host{
		"IPv4": newHost(t, root, state, labtest.Database, labtest.Client),
		"IPv6": newHost(t, root, state, labDatabase6, labtest.Client6),
	}
	dials, broken, kills, began := 0, 0, 0, time.Now()
	for ; time.Since(began) < day; kills++ {
		said := employ(t, shift{state, flags, began, kills}, func() {
			for name, h := range families {
				h.sum.theirs = max(h.sum.theirs, h.root.counted(h.client))
				// Probes end at a quarter; from a half on, logins are an hour apart.
				if h.sum.theirs > maxConnectErrors/2 {
					t.Errorf("over %s the server counts %d", name, h.sum.theirs)
				}
			}
		})
		dials, broken = dials+said["dial"], broken+said["broken"]
		for name, h := range families {
			theirs := h.root.connectErrors(h.client)
			ours, err := h.ledger.Database(labtest.Endpoint+":3306", maxConnectErrors).At(h.at.String()).Unfinished()
			if err != nil || ours < theirs {
				t.Errorf("after kill %d, over %s: the server counts %d, we %d (%v)", kills, name, theirs, ours, err)
			}
			h.sum.ours, h.sum.counted = max(h.sum.ours, ours), h.sum.counted+theirs
		}
	}
	logins := root.ask("SELECT TOTAL_CONNECTIONS FROM performance_schema.users WHERE USER = 'alice'")
	t.Logf("%d connections, %d of them broken by a fault, %d by kill -9; %d full logins", dials, broken, kills, logins)
	for name, h := range families {
		t.Logf("%s: most unfinished at once: ours %d, the server's %d; the server's when it was killed, summed up: %d", name, h.sum.ours, h.sum.theirs, h.sum.counted)
		if h.sum.theirs == 0 {
			t.Errorf("over %s no fault is one to the server: this proves nothing", name)
		}
		if n := root.ask("SELECT COALESCE(MAX(COUNT_HOST_BLOCKED_ERRORS), 0) FROM performance_schema.host_cache WHERE IP = '" + h.client + "'"); n > 0 {
			t.Errorf("over %s the host was blocked %d times", name, n)
		}
		h.plainClient(t)
	}
	if least := int(24 * time.Hour / config.DefaultLoginInterval); dials < least || logins < least/2 || broken < dials/10 || kills < 5 {
		t.Error("that is no day with faults")
	}
}

// employ runs a daemon until it is killed in the middle of a handshake, and
// counts what it says.
func employ(t *testing.T, s shift, dialled func()) map[string]int {
	t.Helper()
	about, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSoakHarmDay$")
	cmd.Env = append(os.Environ(), envDay+"="+string(about))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(day/4, func() { cmd.Process.Kill() })
	said, other := map[string]int{}, ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); line {
		case "dial":
			dialled()
			said[line]++
		case "broken":
			said[line]++
		case "kill":
			cmd.Process.Kill()
		default:
			other += line + "\n"
		}
	}
	late.Stop()
	cmd.Process.Kill()
	cmd.Wait()
	if other != "" || said["dial"] == 0 {
		left, _ := filepath.Glob(filepath.Join(s.State, "*.flight"))
		t.Fatalf("shift %d, %d dials, %d handshakes on record:\n%s", s.Nth, said["dial"], len(left), other)
	}
	return said
}

// work is the daemon, whose time is fast.
func work(t *testing.T, about string) {
	var s shift
	if err := json.Unmarshal([]byte(about), &s); err != nil {
		t.Fatal(err)
	}
	cfg := labConfig(t, "", s.Flags)
	beat := config.DefaultLoginInterval / faster
	cfg.Databases[0].MaxConnectErrors = maxConnectErrors
	cfg.Logins[0].Interval = beat
	cfg.Probes = config.Probes{Interval: beat, Timeout: beat * 9 / 20}
	startInLab(t, cfg, func(o *Options) {
		o.StateDir = s.State
		o.Dialer = &clumsy{Dialer: o.Dialer, shift: s.Nth}
		o.clock = fast(s.Began, faster)
	})
	<-t.Context().Done()
}

// clumsy dials well, but for a fifth of the connections to a database. They
// break at each write of the conversation in turn.
type clumsy struct {
	probe.Dialer
	shift int

	mu    sync.Mutex
	dials int
}

func (d *clumsy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if at, err := netip.ParseAddrPort(address); err != nil || at.Port() != config.PortMySQL {
		return d.Dialer.DialContext(ctx, network, address)
	}
	d.mu.Lock()
	d.dials++
	n := d.dials
	d.mu.Unlock()
	fmt.Println("dial")
	var once sync.Once
	broken := func() { once.Do(func() { fmt.Println("broken") }) }
	nth := 1 + (n/5+d.shift)%4
	switch {
	case n == perKill:
		return faulty{nth, func(net.Conn) error { fmt.Println("kill"); select {} }}.DialContext(ctx, network, address)
	case n%10 == 3:
		return faulty{nth, func(c net.Conn) error { broken(); return errors.Join(net.ErrClosed, c.Close()) }}.DialContext(ctx, network, address)
	case n%10 == 7: // what is written is lost
		return faulty{min(nth, 3), func(net.Conn) error { broken(); return nil }}.DialContext(ctx, network, address)
	}
	return d.Dialer.DialContext(ctx, network, address)
}
