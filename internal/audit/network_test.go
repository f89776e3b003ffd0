//go:build linux

package audit

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/config"
)

// From a network of its own a program does not reach what listens in this host's,
// and this process's threads are all where they were.
func TestNetworkOfAProgram(t *testing.T) {
	onlyRoot(t)
	if out, err := exec.Command("unshare", "-n", "true").CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: no right to make namespaces: %s", out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := netip.MustParseAddrPort(l.Addr().String())
	o := Options{Targets: Targets{Network: true}, Config: &config.Config{
		Realms:    []config.Realm{{Name: "CORP.EXAMPLE.COM", Kind: config.ActiveDirectory}},
		Databases: []config.Database{{Name: "orders", Host: "db.example.net", Port: at.Port(), Realm: "CORP.EXAMPLE.COM"}},
	}, Addresses: func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{at.Addr()}, nil }}
	env := []string{"KRB5CCNAME=KEYRING:persistent:0"}
	if got := codes(audited(t, o, program(t, nil, env))); slices.Contains(got, "app-network-unreachable") {
		t.Errorf("in this host's network: %v", got)
	}
	if got := codes(audited(t, o, program(t, nil, env, "unshare", "-n"))); !slices.Contains(got, "app-network-unreachable") {
		t.Errorf("in a network of its own: %v", got)
	}
	made := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			made <- struct{}{}
		}
	}()
	crowd := o
	for range 5 {
		crowd.PIDs = append(crowd.PIDs, program(t, nil, env))
	}
	crowd.Now = time.Now
	<-made // of the first program above
	if _, err := Run(t.Context(), crowd); err != nil {
		t.Fatal(err)
	}
	<-made
	if n := len(made); n > 0 {
		t.Errorf("%d connections more than one out of the one network of five programs", n)
	}
	o.Network = false
	if got := codes(audited(t, o, program(t, nil, env, "unshare", "-n"))); slices.Contains(got, "app-network-unreachable") {
		t.Errorf("nobody asked for connections: %v", got)
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	for _, thread := range threads {
		if theirs, err := os.Readlink(thread); err == nil && theirs != ours {
			t.Errorf("%s is in another network", thread)
		}
	}
}

// The process's first thread never ends, so a namespace that it entered would be
// the process's own from then on.
func TestNoNamespaceIsEnteredByTheFirstThread(t *testing.T) {
	for range 2000 {
		at := make(chan int)
		go onLostThread(func() { at <- unix.Gettid() })
		if <-at == unix.Getpid() {
			t.Fatal("the first thread was used")
		}
	}
}

// The folder of a process is closed when its audit has ended, so no connection is
// still being tried then, also where the first one was made at once.
func TestNoConnectionIsTriedAfterItsAudit(t *testing.T) {
	p, err := openProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ns, err := p.link("ns/net")
	if err != nil {
		t.Fatal(err)
	}
	fast, slow := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	synctest.Test(t, func(t *testing.T) {
		answer, ended := make(chan error), false
		s := &survey{dialed: map[string]func() error{
			ns + fast.String(): func() error { return nil },
			ns + slow.String(): func() error { return <-answer },
		}}
		var app Application
		go func() {
			s.reach(t.Context(), p, &app, "the database orders", []netip.AddrPort{fast, slow})
			ended = true
		}()
		synctest.Wait()
		if ended {
			t.Error("one connection is still being tried")
		}
		answer <- context.DeadlineExceeded
		synctest.Wait()
		if !ended || len(app.Issues)+len(app.Unread) > 0 {
			t.Errorf("one server answered, and it says %v", app)
		}
	})
}
