//go:build lab

package check

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// A clock that is off, and a word for kdc_timesync: whether a login works is what kinit
// and mariadb find out, whose clock libfaketime moves.
func TestLabAClockThatIsOff(t *testing.T) {
	const fake = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
	if _, err := os.Stat(fake); err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile("/etc/krb5.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ off, line string }{{"+20m", ""}, {"-20m", ""}, {"+4m", "kdc_timesync = 0"}, {"+20m", "kdc_timesync = 0"},
		{"+20m", "kdc_timesync = false"}, {"-20m", "kdc_timesync = 00"}, {"+20m", "kdc_timesync = 2"}} {
		dir := t.TempDir()
		file := filepath.Join(dir, "krb5.conf")
		if err := os.WriteFile(file, append([]byte("[libdefaults]\n"+tt.line+"\n"), host...), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KRB5_CONFIG", file)
		kinit := exec.Command("kinit", "-c", filepath.Join(dir, "cc"), "alice@CORP.EXAMPLE.COM")
		kinit.Env = append(os.Environ(), "LD_PRELOAD="+fake, "FAKETIME="+tt.off)
		kinit.Stdin = bytes.NewBufferString("Alice-Passw0rd1\n")
		out, err := kinit.CombinedOutput()
		off, _ := time.ParseDuration(tt.off)
		p := labLogin(t)
		p.Now = func() time.Time { return time.Now().Add(off) }
		if res := p.Run(t.Context()); (err == nil) != (res.Outcome == probe.OK) || err != nil && res.Reason != probe.ReasonKRBSkew {
			t.Errorf("a clock off by %s, %q: kinit %v %s; the login %s %s %v", tt.off, tt.line, err, out, res.Outcome, res.Reason, res.Err)
		}
	}
}
