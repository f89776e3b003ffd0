package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// A check takes no refusal for final where the command printed the old password a moment
// before it was changed; and of one that always prints something else it tries two.
func TestCheckFetchesARefusedPasswordOnceMore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a program is run only for root's configuration file: internal/secrets tests what others get")
	}
	for name, c := range map[string]struct {
		script string
		want   probe.Outcome
		tried  int // how many passwords were tried in two checks
	}{
		"changed meanwhile":    {`[ "$(wc -l < "$0")" = 1 ] && echo wrong || cat "$1"`, probe.OK, 3},
		"the same":             {`echo wrong`, probe.Failed, 1},
		"another one each run": {`echo "wrong $(wc -l < "$0")"`, probe.Failed, 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, w, env := liveWorld(t, "")
			cfg := *w.Config()
			password, err := cfg.Logins[0].Secret.Path()
			if err != nil {
				t.Fatal(err)
			}
			calls := filepath.Join(t.TempDir(), "calls")
			cfg.Logins = slices.Clone(cfg.Logins[:1])
			cfg.Logins[0].SecretKind, cfg.Logins[0].Secret = config.PasswordFile, commanded(t, "echo x >> \"$0\"; "+c.script, calls, password)
			for range 2 {
				results := Run(t.Context(), &cfg, env)
				i := slices.IndexFunc(results, func(r probe.Result) bool { return r.ID.Kind == probe.Login })
				if results[i].Outcome != c.want {
					t.Errorf("%s: %s %v", results[i].Outcome, results[i].Reason, results[i].Err)
				}
				seen := map[probe.ID]bool{}
				for _, r := range results {
					if seen[r.ID] {
						t.Errorf("%s is there twice", r.ID)
					}
					seen[r.ID] = true
				}
			}
			if n := tries(t, w); n != c.tried {
				t.Errorf("%d passwords were tried, want %d", n, c.tried)
			}
		})
	}
}

// tries counts the attempts on record.
func tries(t *testing.T, w *rehearsal.World) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.StateDir(), "account-*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var account struct{ Recent []string }
		if err := json.Unmarshal(b, &account); err != nil {
			t.Fatal(err)
		}
		n += len(account.Recent)
	}
	return n
}

// commanded refers to a program of root's configuration file.
func commanded(t *testing.T, script string, args ...string) config.SecretRef {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kerbagent.yaml")
	text := fmt.Sprintf("realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\nlogins: [{user: u@R.TEST, database: d, password_command: [/bin/sh, -c, %q, %q, %q]}]\n",
		script, args[0], args[1])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Logins[0].Secret
}

// The finding names the file that was changed, not the service's copy of it: the database's
// part of a login once put the copy back.
func TestACopiedSecretIsNamedByItsFile(t *testing.T) {
	_, w, env := liveWorld(t, "")
	cfg := *w.Config()
	cfg.Logins = slices.Clone(cfg.Logins[:1])
	r := newRun(&cfg, env)
	read := r.store.Material
	for _, j := range r.planner.Jobs(discover.Known{}) {
		p, is := j.Probes[0].(login.Probe)
		if !is {
			continue
		}
		p.Material = func() (login.Material, error) {
			m, err := read(j.Login)
			m.Handed = login.Handed{File: "/etc/kerbagent/probe.pw", Unit: "kerbagent.service", Changed: time.Unix(1790000000, 0)}
			return m, err
		}
		res := probe.Safely(t.Context(), p)
		if res.Outcome != probe.OK || res.Facts[probe.FactSecretFile] != "/etc/kerbagent/probe.pw" || res.Facts[probe.FactSecretUnit] != "kerbagent.service" || res.Facts[probe.FactSecretChanged] == "" {
			t.Errorf("%s %v %v", res.Outcome, res.Err, res.Facts)
		}
		return
	}
	t.Error("no login is planned")
}
