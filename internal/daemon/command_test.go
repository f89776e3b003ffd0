package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// A password that a program printed and that was refused is fetched once more at once,
// not at the next beat; the same one is not tried again.
func TestRunFetchesARefusedPasswordOnceMore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a program is run only for root's configuration file: internal/secrets tests what others get")
	}
	dir := t.TempDir()
	calls, file := filepath.Join(dir, "calls"), filepath.Join(dir, "kerbagent.yaml")
	text := fmt.Sprintf("realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\n"+
		"logins: [{user: u@R.TEST, database: d, password_command: [/bin/sh, -c, 'echo x >> \"$0\"; echo wrong', %q]}]\n", calls)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ran := func() int {
		b, _ := os.ReadFile(calls)
		return strings.Count(string(b), "x")
	}
	r := start(t, "", func(_ *Options, cfg *config.Config) {
		cfg.Logins = cfg.Logins[:1]
		cfg.Logins[0].SecretKind, cfg.Logins[0].Secret, cfg.Logins[0].Interval = config.PasswordFile, loaded.Logins[0].Secret, time.Hour
	})
	r.until("fetched once more", func() bool { return ran() == 2 })
	r.until("paused for what was refused", func() bool {
		res := r.login("alice")
		return res.Outcome == probe.Failed && res.Reason == probe.ReasonKRBPreauthFailed && res.Facts[probe.FactRefusedAt] != ""
	})
	if n := ran(); n != 2 {
		t.Errorf("fetched %d times", n)
	}
}
