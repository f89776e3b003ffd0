//go:build lab

package check

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
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
			t.Fatalf("%s: %v\n%s", args[0], err, bytes.TrimSpace(out))
		}
	}
	return time.Since(began)
}

// What a program loses is computed by a login that does not wait so long itself, from a model of libkrb5, glibc
// and the kernel. It is right within a factor of 1.5 of what kinit and mariadb really need, and where it says that
// nothing is lost they need less than a second. docs/measured.md has the kinds of which it says too little or too much.
func TestLabWaitsAreThoseOfPrograms(t *testing.T) {
	labtest.Up(t)
	const name = labtest.Endpoint
	for what, faults := range map[string][][]string{
		"the first KDC is silent":                     {{"fault", "drop", "any", "88", "dc1"}},
		"one IPv6 address of a KDC is silent":         {{"fault", "drop", "any", "88", "fd77::10"}},
		"the first KDC refuses":                       {{"fault", "reject", "udp", "88", "dc1"}, {"fault", "rst", "tcp", "88", "dc1"}},
		"the database's first address is unreachable": {{"dns", "bend", "ns", "set=" + name + ". 600 IN A 10.77.3.99", "set=" + name + ". 600 IN A 10.77.3.20"}},
		"healthy": {},
	} {
		t.Run(what, func(t *testing.T) {
			for _, f := range faults {
				labtest.Fault(t, f...)
			}
			measured := make(chan time.Duration, 1)
			go func() { defer close(measured); measured <- kinitAndMariaDB(t) }()
			res := labLogin(t).Run(t.Context())
			if res.Outcome != probe.OK {
				t.Error(res.Reason, res.Err)
			}
			said, lost := res.Samples[probe.SampleProgramWait], (<-measured).Seconds()
			t.Logf("kinit and mariadb take %.1f s, %.1f s lost by the model: %s", lost, said, res.Facts[probe.FactPassed])
			const noticed = 1.0
			if math.Max(said, lost) > noticed && (said > 1.5*lost || lost > 1.5*said+noticed) {
				t.Errorf("the model says that %.1f s are lost, kinit and mariadb take %.1f s", said, lost)
			}
		})
	}
}
