package daemon

import (
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
)

// Where a login begins to fail, its record has its last success, and what was
// changed since then: here the file with the password.
func TestARecordHasWhatChanged(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	login := r.cfg.Logins[0]
	r.until("logged in", func() bool { return r.login(login.User).Outcome == "ok" })
	path, err := login.Secret.Path()
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	r.path.breaks(func(string, netip.AddrPort) error { return syscall.ECONNREFUSED })
	var found recorder.Record
	r.until("the failure is recorded", func() bool {
		for _, rec := range r.d.Failures() {
			if strings.Contains(string(rec.Result), `"login/`+login.User) {
				found = rec
				return true
			}
		}
		return false
	})
	want := "the file with the secret was written at " + later.UTC().Format(time.RFC3339)
	if strings.Join(found.Changed, "; ") != want || found.LastGood.IsZero() {
		t.Errorf("changed %q, last good %v; want %q", found.Changed, found.LastGood, want)
	}
}
