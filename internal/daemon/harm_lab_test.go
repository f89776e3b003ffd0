//go:build lab

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/secrets"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

const (
	maxConnectErrors = 10
	labDatabase6     = "fd77:0:0:3::20"

	// envVictim tells a process that is to be killed of the state directory,
	// the user, the address, and the write at which it waits for its end.
	envVictim = "KERBAGENT_TEST_VICTIM"
)

// TestHarm proves that no use of kerbagent gets its host blocked: by the
// server's own count beside ours on disk, whatever breaks.
func TestHarm(t *testing.T) {
	if about := os.Getenv(envVictim); about != "" {
		waitForEnd(t, about)
		return
	}
	labtest.Up(t)
	labtest.Fault(t, "db", "conf", "skip-name-resolve=0", "performance_schema=ON", fmt.Sprint("max_connect_errors=", maxConnectErrors))
	root := openConsole(t)
	for _, family := range []struct {
		name, database, client string
		probes                 int // of each user
	}{
		{"IPv4", labtest.Database, labtest.Client, harmProbes},
		{"IPv6", labDatabase6, labtest.Client6, 200},
	} {
		t.Run(family.name, func(t *testing.T) {
			h := newHost(t, root, t.TempDir(), family.database, family.client)
			for _, user := range []string{"alice", probe.Stranger, "pwuser"} {
				t.Run(user, func(t *testing.T) { h.probes(t, user, family.probes) })
			}
			t.Run("a password user is asked once", h.passwordUser)
			t.Run("another client gets in", h.plainClient)
			t.Run("control", h.control)
		})
	}
	t.Run("two addresses", func(t *testing.T) { twoAddresses(t, root) })
}

// host is this host as one address of the database sees it.
type host struct {
	ledger *ledger.Ledger
	dialer probe.Dialer
	root   *console
	dir    string // the ledger's
	at     netip.AddrPort
	client string        // our own address there
	ahead  time.Duration // of the record's clock
	sum    struct{ broken, counted, pauses, ours, theirs int }
}

func newHost(t *testing.T, root *console, dir, at, client string) *host {
	t.Helper()
	h := &host{root: root, dir: dir, at: netip.AddrPortFrom(netip.MustParseAddr(at), config.PortMySQL), client: client}
	l, err := ledger.Open(dir, ledger.Options{Now: func() time.Time { return time.Now().Add(h.ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	h.ledger, h.dialer = l, &net.Dialer{}
	return h
}

// Addresses makes a host the Names of its logins: the database is at one address.
func (h *host) Addresses(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{h.at.Addr()}, nil
}

// KDCs returns the first domain controller.
func (h *host) KDCs(context.Context, string) ([]netip.AddrPort, error) {
	return []netip.AddrPort{netip.MustParseAddrPort(labtest.DC1 + ":88")}, nil
}

// plan is that of somebody who has kerbagent look after this user.
func (h *host) plan(t *testing.T, user string) []plan.Job {
	t.Helper()
	f := config.Flags{Realms: []string{"CORP.EXAMPLE.COM"}, Database: labtest.Endpoint, DatabaseCA: labtest.CA(), DNSServers: []string{labtest.DC1}}
	if user != probe.Stranger {
		f.User, f.Keytab = user, labtest.Keytab("alice")
	}
	cfg, err := config.FromFlags(f)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Databases[0].MaxConnectErrors = maxConnectErrors
	var store secrets.Store
	p := plan.New(cfg, plan.World{Dialer: h.dialer, Now: time.Now, Routable: discover.Routable(h.dialer), Names: h,
		Guard: guard.New(guard.Opened(h.ledger, nil), guard.Options{}), Material: store.Material})
	db := cfg.Databases[0]
	found := discover.Servers{Asked: true, Now: []discover.Server{{Host: db.Host, Port: h.at.Port(), Addrs: []netip.Addr{h.at.Addr()}}}}
	return p.Jobs(discover.Known{Servers: map[discover.Search]discover.Servers{{Kind: probe.Database, Name: db.Name}: found}})
}

// probe is of a user whom the server may ask for a password any number of times.
func (h *host) probe(t *testing.T, user string) database.Probe {
	t.Helper()
	for _, j := range h.plan(t, user) {
		if p, is := j.Probes[0].(database.Probe); is {
			p.Known = user == "alice"
			return p
		}
	}
	t.Fatal("the database is not asked")
	return database.Probe{}
}

// login is alice's.
func (h *host) login(t *testing.T) plan.Job {
	t.Helper()
	jobs := h.plan(t, "alice")
	i := slices.IndexFunc(jobs, func(j plan.Job) bool { return j.Login.User != "" })
	return jobs[i]
}

// logIn is the way out of a pause.
func (h *host) logIn(t *testing.T) {
	t.Helper()
	h.logInOver(t, h.dialer)
}

func (h *host) logInOver(t *testing.T, d probe.Dialer) {
	t.Helper()
	p, _ := h.login(t).Probes[0].(login.Probe)
	p.Dialer = d
	res := p.Run(t.Context())
	if res.Outcome != probe.OK {
		t.Fatalf("login: %s (%s) %v", res.Outcome, res.Reason, res.Err)
	}
}

// check compares the server's count with ours: while nothing is in flight,
// each file that the ledger has of one is a handshake left unfinished.
func (h *host) check(t *testing.T) (ours, theirs int) {
	t.Helper()
	theirs = h.root.connectErrors(h.client)
	files, err := filepath.Glob(filepath.Join(h.dir, "*.flight"))
	if err != nil {
		t.Fatal(err)
	}
	ours = len(files)
	if theirs >= maxConnectErrors || ours < theirs {
		t.Fatalf("the server counts %d connection errors, we know of %d", theirs, ours)
	}
	h.sum.ours, h.sum.theirs = max(h.sum.ours, ours), max(h.sum.theirs, theirs)
	return ours, theirs
}

// probes runs n probes, with faults at every write of the conversation in turn.
func (h *host) probes(t *testing.T, user string, n int) {
	h.sum.broken, h.sum.counted, h.sum.pauses = 0, 0, 0
	h.reset(t)
	for i := 1; i <= n; {
		p, healthy := h.probe(t, user), false
		nth := 1 + h.sum.broken%4
		run := func() (held bool) {
			res := p.Run(t.Context())
			held = res.Reason == probe.ReasonPaused
			if res.Reason == probe.ReasonDBBlocked || healthy && !held && res.Outcome != probe.OK {
				t.Fatalf("probe %d: %s (%s) %v", i, res.Outcome, res.Reason, res.Err)
			}
			return held
		}
		switch {
		case i%100 == 0:
			run = func() bool { return h.kill(t, user, nth) }
		case i%50 == 25:
			p.Dialer = faulty{nth, func(c net.Conn) error { return errors.Join(net.ErrClosed, c.Close()) }}
		case i%80 == 10:
			p.Timeout = 50 * time.Millisecond
			p.Dialer = faulty{min(nth, 3), func(net.Conn) error { return nil }} // what is written is lost
		case i%40 == 10:
			p.Timeout = time.Duration(i) * time.Microsecond // ends anywhere, in the middle of the connect too
		default:
			healthy = true
		}
		if run() {
			h.sum.pauses++
			h.reset(t)
			continue
		}
		if !healthy {
			h.sum.broken++
			h.check(t)
		}
		i++
	}
	h.reset(t)
	t.Logf("%d probes, %d of them broken, %d counted by the server; %d pauses, each ended by a login; most unfinished at once: ours %d, the server's %d",
		n, h.sum.broken, h.sum.counted, h.sum.pauses, h.sum.ours, h.sum.theirs)
	if h.sum.pauses < h.sum.broken/4 || h.sum.counted < h.sum.broken/2 {
		t.Error("the faults are none to the server: this proves nothing")
	}
}

// reset logs in, which sets the server's counter back, and ours with the second
// login, a minute later.
func (h *host) reset(t *testing.T) {
	t.Helper()
	_, theirs := h.check(t)
	h.sum.counted += theirs
	h.logIn(t)
	h.check(t)
	h.ahead += time.Minute
	h.logIn(t)
	if ours, theirs := h.check(t); ours != 0 || theirs != 0 {
		t.Fatalf("after a login the server counts %d, we %d", theirs, ours)
	}
}

// passwordUser: whoever is configured is not asked for a password twice.
func (h *host) passwordUser(t *testing.T) {
	p := h.probe(t, "pwuser")
	p.Known = true
	if res := p.Run(t.Context()); res.Reason != probe.ReasonDBOtherPlugin {
		t.Fatalf("first: %s (%s) %v", res.Outcome, res.Reason, res.Err)
	}
	if res := p.Run(t.Context()); res.Outcome != probe.Skipped || res.Reason != probe.ReasonPaused {
		t.Fatalf("second: %s (%s) %v", res.Outcome, res.Reason, res.Err)
	}
}

func (h *host) plainClient(t *testing.T) {
	cmd := exec.Command("mariadb", "--no-defaults", "-h", h.at.Addr().String(), "-u", "pwuser", "-BNe", "SELECT 1")
	cmd.Env = append(os.Environ(), "MYSQL_PWD=Pw-User1") // lab/env.sh
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "1\n" {
		t.Errorf("mariadb: %v: %s", err, out)
	}
}

// control: what is proved not to happen can happen here.
func (h *host) control(t *testing.T) {
	defer h.root.ask("FLUSH HOSTS; SELECT 1")
	var err error
	for range maxConnectErrors + 1 {
		nc, dialErr := net.Dial("tcp", h.at.String())
		if dialErr != nil {
			t.Fatal(dialErr)
		}
		c := mysql.NewConn(nc)
		_, err = c.Greeting(t.Context())
		c.Close()
		h.root.connectErrors(h.client) // so that it has counted this one
	}
	var refused *mysql.ServerError
	if !errors.As(err, &refused) || refused.Number != 1129 {
		t.Errorf("the last of %d bare connects: %v", maxConnectErrors+1, err)
	}
}

// twoAddresses: the server counts for each address of ours, so that a login
// over IPv4 sets nothing back over IPv6.
func twoAddresses(t *testing.T, root *console) {
	dir := t.TempDir()
	v4, v6 := newHost(t, root, dir, labtest.Database, labtest.Client), newHost(t, root, dir, labDatabase6, labtest.Client6)
	p := v6.probe(t, "alice")
	p.Dialer = faulty{3, func(c net.Conn) error { return errors.Join(net.ErrClosed, c.Close()) }}
	for range 2 * maxConnectErrors {
		p.Run(t.Context())
		v6.check(t)
		v4.logIn(t)
	}
	t.Logf("most unfinished over IPv6: ours %d, the server's %d", v6.sum.ours, v6.sum.theirs)
	v6.plainClient(t)
}
