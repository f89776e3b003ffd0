package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/probe"
)

// outputs returns all that the daemon shows, by what it is.
func (r *running) outputs() map[string]string {
	r.t.Helper()
	disk, err := os.ReadFile(filepath.Join(r.d.o.StateDir, recorder.FileName))
	if err != nil {
		r.t.Fatal(err)
	}
	r.log.mu.Lock()
	log, err := json.Marshal(r.log.all)
	r.log.mu.Unlock()
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	says := strings.Join(r.says, "\n")
	r.mu.Unlock()
	return map[string]string{"page": r.get("/"), "report": r.get("/api/v1/report"), "failures": r.get("/api/v1/failures"), "metrics": r.get("/metrics"),
		"disk": string(disk), "log": string(log), "manager": says}
}

// A hidden user has one number in every output, from the order of the logins;
// after a reload from the new order. No name is anywhere.
func TestHiddenUsersHaveOneNumber(t *testing.T) {
	r := start(t, "", func(_ *Options, cfg *config.Config) {
		cfg.HideUsers = true
		slices.Reverse(cfg.Logins)
	})
	r.untilReady()
	if users := strings.Join(r.cfg.Users(), " "); users != "carol@ONPREM.LOCAL etl@CORP.EXAMPLE.COM alice@CORP.EXAMPLE.COM" {
		t.Fatalf("the world has %s", users)
	}
	kdcs := map[netip.Addr]bool{}
	for _, e := range r.d.State().Entries {
		if id := e.Result.ID; id.Kind == probe.KDC && e.Result.Facts[probe.FactRealm] == "ONPREM.LOCAL" {
			kdcs[id.Address.Addr()] = true
		}
	}
	r.path.breaks(func(_ string, to netip.AddrPort) error {
		if kdcs[to.Addr()] && to.Port() != 53 {
			return syscall.ECONNREFUSED
		}
		return nil
	})
	named := regexp.MustCompile(`(?i)\b(alice|carol|etl)\b`)
	shown := func(carol, alice string) {
		t.Helper()
		r.until("carol's login fails as "+carol, func() bool {
			return strings.Contains(r.get("/api/v1/failures"), `"target":"`+carol+`@orders"`) && strings.Contains(r.get("/metrics"), `kerbagent_login_success{database="orders",user="`+carol+`"} 0`) &&
				len(r.log.with("finding began")) > 0
		})
		r.d.o.Log.With("of", "orders").Error("a job panicked for carol", "job", "login/carol@ONPREM.LOCAL@orders", "panic", errors.New("so it did"))
		all := r.outputs()
		for name, text := range all {
			if at := named.FindStringIndex(text); at != nil {
				t.Errorf("%s names a user: …%s…", name, text[max(0, at[0]-60):min(len(text), at[1]+60)])
			}
		}
		for name, want := range map[string]string{
			"metrics": `kerbagent_login_success{database="orders",user="` + alice + `"} 1`,
			"page":    "Steps of the login of " + carol,
			"log":     `"job":"login/` + carol + `@orders"`,
			"disk":    `"target":"` + carol + `@orders"`,
		} {
			if !strings.Contains(all[name], want) {
				t.Errorf("no %s in %s", want, name)
			}
		}
		var report struct {
			Results []struct {
				Probe, Target, Outcome string
				Evidence               struct{ User string }
			}
		}
		if err := json.Unmarshal([]byte(all["report"]), &report); err != nil {
			t.Fatal(err)
		}
		for _, res := range report.Results {
			if res.Probe == "login" && (res.Outcome == "failed") != (res.Evidence.User == carol && res.Target == carol+"@orders") {
				t.Errorf("the report has a login that is %s as %s, %s", res.Outcome, res.Evidence.User, res.Target)
			}
		}
	}
	shown("user-1", "user-3")

	r.mu.Lock()
	turned := *r.cfg
	turned.Logins = slices.Clone(turned.Logins)
	slices.Reverse(turned.Logins)
	r.cfg = &turned
	r.mu.Unlock()
	r.path.breaks(nil)
	if err := r.d.Reload(); err != nil {
		t.Fatal(err)
	}
	r.until("well again", r.healthy)
	r.path.breaks(func(_ string, to netip.AddrPort) error {
		if kdcs[to.Addr()] && to.Port() != 53 {
			return syscall.ECONNREFUSED
		}
		return nil
	})
	shown("user-3", "user-1")
}

// A name is in no part of a line: neither in what a logger always adds, nor in groups,
// their names, or a value that resolves to one; a user who is learnt later is hidden, too.
func TestNoNameIsInAnyPartOfALine(t *testing.T) {
	var out bytes.Buffer
	cfg := &config.Config{HideUsers: true, Logins: []config.Login{{User: "alice", Realm: "CORP.TEST"}}}
	u := newUsers(cfg)
	log := slog.New(hiding{Handler: slog.NewJSONHandler(&out, nil), users: u})
	early := log.With("who", "bob@CORP.TEST", slog.Group("of", "user", "alice@CORP.TEST")).WithGroup("alice@CORP.TEST")
	u.learn(&config.Config{HideUsers: true, Logins: []config.Login{{User: "alice", Realm: "CORP.TEST"}, {User: "bob", Realm: "CORP.TEST"}}})
	early.Info("alice@CORP.TEST failed", slog.Group("a", slog.Group("b", "c", "alice@CORP.TEST", "d", resolving{})), "alice@CORP.TEST", 1, "e", errors.New("bob@CORP.TEST"))
	if text := strings.ToLower(out.String()); strings.Contains(text, "alice") || strings.Contains(text, "bob") || strings.Count(text, "user-1") != 6 || strings.Count(text, "user-2") != 2 {
		t.Errorf("%s", out.String())
	}
}

type resolving struct{}

func (resolving) LogValue() slog.Value {
	return slog.GroupValue(slog.String("name", "alice@CORP.TEST"))
}
