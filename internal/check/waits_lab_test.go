//go:build lab

package check

import (
	"bytes"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// kinitAndMariaDB logs in by hand, and returns how long that took.
func kinitAndMariaDB(t *testing.T) time.Duration {
	t.Helper()
	ccache := "KRB5CCNAME=FILE:" + filepath.Join(t.TempDir(), "cc")
	began := time.Now()
	for _, args := range [][]string{{"kinit", "alice@CORP.EXAMPLE.COM"},
		{"mariadb", "--no-defaults", "--ssl-ca=" + labtest.CA(), "--ssl-verify-server-cert", "-h", labtest.Endpoint, "-u", "alice", "-e", "SELECT CURRENT_USER()"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env, cmd.Stdin = append(os.Environ(), ccache), strings.NewReader("Alice-Passw0rd1\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", args[0], err, bytes.TrimSpace(out))
		}
	}
	return time.Since(began)
}

// saidLate finds how late logins are in a finding's cause.
var saidLate = regexp.MustCompile(`about ([0-9]+) s (?:late|at)`)

// checkInTheLab runs a check of alice's login, and returns its verdict and how late it says that logins are.
func checkInTheLab(t *testing.T) (diagnose.Verdict, float64, []diagnose.Finding) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "alice.pw")
	if err := os.WriteFile(secret, []byte("Alice-Passw0rd1"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.FromFlags(config.Flags{Realms: []string{"CORP.EXAMPLE.COM"}, Database: labtest.Endpoint, User: "alice", PasswordFile: secret,
		DatabaseCA: labtest.CA()}) // no DNS servers: with them the login is as they say, and not as programs do it
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(filepath.Join(t.TempDir(), "state"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	env := Env{Dialer: exchange.HostDialer(), Now: time.Now, Resolver: []netip.AddrPort{netip.MustParseAddrPort(labtest.Resolver + ":53")}, Ledger: l}
	r := diagnose.Explain(diagnose.Snapshot{Results: Run(t.Context(), cfg, env), Now: time.Now()})
	late := 0.0
	for _, f := range r.Findings {
		if m := saidLate.FindStringSubmatch(f.Cause); m != nil {
			n, _ := strconv.Atoi(m[1])
			late = max(late, float64(n))
		}
	}
	return r.Verdict, late, r.Findings
}

// What a program loses is computed by a check that does not wait so long itself, from what its probes hear and a model of
// libkrb5, glibc and the kernel. It is right within a factor of 1.5 of what kinit and mariadb really need, and where it says
// that nothing is lost they need less than a second. docs/measured.md has the kinds of which it says too little or too much.
func TestLabWaitsAreThoseOfPrograms(t *testing.T) {
	labtest.Up(t)
	const name = labtest.Endpoint
	silentAt := func(proto string, where ...string) (out [][]string) {
		for _, w := range where {
			out = append(out, []string{"fault", "drop", proto, "88", w})
		}
		return out
	}
	for _, tt := range []struct {
		what   string
		faults [][]string
	}{
		{"the first KDC is silent", silentAt("any", "dc1")},
		{"the first KDC is silent over UDP", silentAt("udp", "dc1")},
		{"the first KDC is silent over TCP", silentAt("tcp", "dc1")},
		{"both KDCs are silent over UDP", silentAt("udp", "dc1", "dc2")},
		{"the first KDC over both, the second over UDP", append(silentAt("any", "dc1"), silentAt("udp", "dc2")...)},
		{"three of four addresses are silent", silentAt("any", "dc1", "fd77:0:0:1::11")},
		{"one IPv6 address of a KDC is silent", silentAt("any", "fd77::10")},
		{"IPv6 is dead on the way to KDCs", silentAt("any", "fd77::10", "fd77:0:0:1::11")},
		{"the first KDC is silent over TCP by IPv6", silentAt("tcp", "fd77::10")},

		{"the first KDC refuses", [][]string{{"fault", "reject", "udp", "88", "dc1"}, {"fault", "rst", "tcp", "88", "dc1"}}},
		{"the resolver is slow", [][]string{{"dns", "bend", "ns", "slow=400ms"}}},
		{"the database's first address is unreachable", [][]string{{"dns", "bend", "ns", "set=" + name + ". 600 IN A 10.77.3.99", "set=" + name + ". 600 IN A 10.77.3.20"}}},
		{"healthy", nil},
	} {
		t.Run(tt.what, func(t *testing.T) {
			for _, f := range tt.faults {
				labtest.Fault(t, f...)
			}
			measured := make(chan time.Duration, 1)
			go func() { defer close(measured); measured <- kinitAndMariaDB(t) }()
			verdict, said, findings := checkInTheLab(t)
			lost := (<-measured).Seconds()
			t.Logf("%s; kinit and mariadb take %.1f s, %.1f s lost by the model", verdict, lost, said)
			const noticed = 1.0
			if verdict == diagnose.VerdictFailed || math.Max(said, lost) > noticed && (said > 1.5*lost || lost > 1.5*said+noticed) {
				t.Errorf("the model says that %.1f s are lost, kinit and mariadb take %.1f s", said, lost)
				for _, f := range findings {
					t.Logf("%s: %s", f.Code, f.Cause)
				}
			}
		})
	}
}
