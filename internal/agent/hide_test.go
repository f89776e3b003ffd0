package agent

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
)

// A hidden user has one number in the page, the report, the metrics, the
// flight recorder, the log and what the manager hears, from the order of the
// logins; after a reload, from the new order. No name is anywhere.
func TestHiddenUsersHaveOneNumber(t *testing.T) {
	var state string
	reversed := func(o *RunOptions, cfg *config.Config) {
		state, cfg.HideUsers = o.StateDir, true
		slices.Reverse(cfg.Logins)
	}
	r := start(t, "password-wrong", reversed)
	r.untilReady()
	r.until("the finding is in the log", func() bool { return len(r.log.with("finding began")) > 0 })
	users := Users(r.cfg)
	if slices.IsSorted(users) || len(users) < 2 {
		t.Fatalf("users %q: their order proves nothing", users)
	}
	broken := slices.IndexFunc(users, func(u string) bool { return strings.HasPrefix(u, "alice@") }) + 1
	if broken == 0 {
		t.Fatalf("users %q", users)
	}
	r.d.o.Log.Error("a job panicked", "job", "login "+users[0], "panic", os.ErrPermission)

	numbered := func(n string, outputs map[string]string) {
		t.Helper()
		for name, text := range outputs {
			for _, u := range users {
				user, _, _ := strings.Cut(u, "@")
				if i := strings.Index(report.HideUsers(text, nil), user); i >= 0 {
					t.Errorf("%s names %s: …%s…", name, u, text[max(0, i-60):min(len(text), i+60)])
				}
			}
			if !strings.Contains(text, n) {
				t.Errorf("no %s in %s", n, name)
			}
		}
	}
	outputs := func() map[string]string {
		disk, err := os.ReadFile(filepath.Join(state, recorder.FileName))
		if err != nil {
			t.Fatal(err)
		}
		log, err := json.Marshal(r.log.all)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{"page": r.get("/"), "report": r.get("/api/v1/report"), "failures": r.get("/api/v1/failures"), "disk": string(disk), "log": string(log), "manager": strings.Join(r.says, "\n"),
			"metrics": r.get("/metrics")}
	}
	t.Log(outputs()["manager"])
	t.Log(outputs()["log"])
	numbered("user-"+string(rune('0'+broken)), outputs())
}

var _ slog.Handler = hiding{}
