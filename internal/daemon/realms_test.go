package daemon

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// manyRealms is a configuration of n realms, each with a DNS server, a KDC, a
// database and a login of its own.
func manyRealms(tb testing.TB, n int) *config.Config {
	tb.Helper()
	dir := tb.TempDir()
	secret := filepath.Join(dir, "pw")
	var realms, databases, logins strings.Builder
	for i := range n {
		at := fmt.Sprintf("10.1.%d.%d", i>>8, i&255)
		fmt.Fprintf(&realms, "  R%d.TEST: {kind: active-directory, dns_servers: [%s], kdcs: [%s], kpasswd_servers: [%s]}\n", i, at, at, at)
		fmt.Fprintf(&databases, "  db%d: {endpoint: %s, realm: R%d.TEST, tls: {mode: require}}\n", i, at, i)
		fmt.Fprintf(&logins, "  - {user: u%d@R%d.TEST, database: db%d, password_file: %s}\n", i, i, i, secret)
	}
	file := filepath.Join(dir, "kerbagent.yaml")
	text := "realms:\n" + realms.String() + "databases:\n" + databases.String() + "logins:\n" + logins.String() + "resolver: [127.0.0.1:53]\n"
	for name, b := range map[string]string{secret: "not used anywhere else", file: text} {
		if err := os.WriteFile(name, []byte(b), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	cfg, err := config.Load(file)
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// Where the first round is over before every login has had its turn, those that
// have not are shown, and nothing is said to be well.
func TestLoginsWithoutATurnArePending(t *testing.T) {
	d := idle(t, manyRealms(t, 3), nil)
	var logins []task
	for _, task := range d.allTasks() {
		if len(task.Asks) > 0 && task.Asks[0].Kind == probe.Login {
			logins = append(logins, task)
		}
	}
	if len(logins) != 3 {
		t.Fatalf("%d logins", len(logins))
	}
	logins[0].run(t.Context())
	d.explainer.FirstRoundOver()
	d.explainer.Explain()
	r := &running{t: t, d: d}
	page, report := r.get("/"), r.get("/api/v1/report")
	if got := strings.Count(report, `"error": "pending: it has not had its first turn yet"`); got != 2 {
		t.Errorf("%d logins are pending in the report: %s", got, report)
	}
	if got := strings.Count(page, "</svg> pending</span>"); got != 2 || !strings.Contains(page, "logins that have not had their first turn yet: 2") {
		t.Errorf("%d logins are pending on the page: %s", got, page)
	}
	for _, task := range logins[1:] {
		task.run(t.Context())
	}
	d.explainer.Explain()
	if page := r.get("/"); strings.Contains(page, "pending") {
		t.Errorf("after their turn: %s", page)
	}
}

// A reader that does not end, an explanation of very many results say, does not
// hold up the end of the daemon for longer than two seconds.
func TestWhatDoesNotEndIsNotWaitedFor(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	r := start(t, "", func(o *Options, _ *config.Config) {
		o.Serve = func(context.Context, http.Handler) error { <-release; return nil }
	})
	r.untilReady()
	r.stop() // which allows two seconds
	if len(r.log.with("not everything ended in time; handshakes that were left unfinished are recorded")) != 1 {
		t.Error("nothing is said of it")
	}
}
