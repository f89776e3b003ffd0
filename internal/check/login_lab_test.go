//go:build lab

package check

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
	"github.com/kerbagent/kerbagent/probe/login"
)

// labLogin is alice's login as check would plan it: to what DNS servers say, or as programs do it.
func labLogin(tb testing.TB, dns ...string) login.Probe {
	tb.Helper()
	secret := filepath.Join(tb.TempDir(), "alice.pw")
	if err := os.WriteFile(secret, []byte("Alice-Passw0rd1"), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg, err := config.FromFlags(config.Flags{Realms: []string{"CORP.EXAMPLE.COM"}, Database: labtest.Endpoint, User: "alice", PasswordFile: secret,
		DatabaseCA: labtest.CA(), DNSServers: dns})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := ledger.Open(filepath.Join(tb.TempDir(), "state"), ledger.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	env := Env{Dialer: exchange.HostDialer(), Now: time.Now, Resolver: []netip.AddrPort{netip.MustParseAddrPort(labtest.Resolver + ":53")}, Ledger: l}
	for _, j := range newRun(cfg, env).planner.Jobs(discover.Known{}) {
		if p, is := j.Probes[0].(login.Probe); is {
			return p
		}
	}
	tb.Fatal("no login is planned")
	return login.Probe{}
}

func cpuOf(tb testing.TB, who int) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkLabLogin sets the CPU of a login beside that of a kinit and mariadb
// pair, both with TLS, in the same run: cpu-ratio is what the docs claim.
func BenchmarkLabLogin(b *testing.B) {
	p := labLogin(b, labtest.DC1, labtest.DC2)
	if res := p.Run(b.Context()); res.Outcome != probe.OK {
		b.Fatal(res.Reason, res.Err)
	}
	b.ReportAllocs()
	before, n := cpuOf(b, syscall.RUSAGE_SELF), 0
	for b.Loop() {
		n++
		if res := p.Run(b.Context()); res.Outcome != probe.OK {
			b.Fatal(res.Reason, res.Err)
		}
	}
	ours := (cpuOf(b, syscall.RUSAGE_SELF) - before) / time.Duration(n)
	const pairs = 20
	before = cpuOf(b, syscall.RUSAGE_CHILDREN)
	for range pairs {
		pair(b)
	}
	theirs := (cpuOf(b, syscall.RUSAGE_CHILDREN) - before) / pairs
	b.ReportMetric(ours.Seconds()*1000, "cpu-ms/login")
	b.ReportMetric(theirs.Seconds()*1000, "cpu-ms/pair")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "cpu-ratio")
}

// pair is the same login by hand: kinit with the password, mariadb over TLS.
func pair(b *testing.B) {
	b.Helper()
	ccache := "KRB5CCNAME=FILE:" + filepath.Join(b.TempDir(), "cc")
	for _, cmd := range []*exec.Cmd{
		exec.Command("kinit", "alice@CORP.EXAMPLE.COM"),
		exec.Command("mariadb", "--no-defaults", "--ssl-ca="+labtest.CA(), "--ssl-verify-server-cert",
			"-h", labtest.Endpoint, "-u", "alice", "-e", "SELECT CURRENT_USER()"),
	} {
		cmd.Env = append(os.Environ(), ccache)
		cmd.Stdin = bytes.NewBufferString("Alice-Passw0rd1\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%s: %v\n%s", cmd.Path, err, out)
		}
	}
}
