package recorder

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// What goes on is in the history with its beginning and the success before it;
// what has ended, or was not seen for long, is not.
func TestHistory(t *testing.T) {
	for name, hide := range map[string]bool{"names": false, "hidden names": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			start := time.Date(2026, 11, 22, 13, 57, 0, 0, time.UTC)
			now := start
			r, err := Open(dir, Options{HideUsers: hide, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			goes, ends, turns := probe.ID{Kind: probe.KDC, Target: "dc1"}, probe.ID{Kind: probe.KDC, Target: "dc2"}, probe.ID{Kind: probe.KDC, Target: "dc3"}
			add := func(id probe.ID, o probe.Outcome, why probe.Reason) {
				t.Helper()
				if err := r.Add(probe.Result{ID: id, Outcome: o, Reason: why}, nil); err != nil {
					t.Fatal(err)
				}
			}
			for _, id := range []probe.ID{goes, ends, turns} {
				add(id, probe.OK, "")
			}
			now = start.Add(5 * time.Minute)
			r.Before(goes, start, []string{"krb5.conf was written at 13:58"})
			for _, id := range []probe.ID{goes, ends, turns} {
				add(id, probe.Failed, "udp-silent")
			}
			now = start.Add(6 * time.Minute)
			add(ends, probe.OK, "")
			add(turns, probe.Failed, "tcp-connect-timeout")
			add(goes, probe.Failed, "udp-silent")
			want := map[string]report.Past{
				goes.String():  {Since: start.Add(5 * time.Minute), LastGood: start, Changed: []string{"krb5.conf was written at 13:58"}},
				turns.String(): {Since: start.Add(5 * time.Minute), LastGood: start},
			}
			same := func(got map[string]report.Past, when string) {
				t.Helper()
				for id := range want {
					if !got[id].Since.Equal(want[id].Since) || !got[id].LastGood.Equal(want[id].LastGood) || !slices.Equal(got[id].Changed, want[id].Changed) {
						t.Errorf("%s: %s has %v, want %v", when, id, got[id], want[id])
					}
				}
				if len(got) != len(want) {
					t.Errorf("%s: %v", when, got)
				}
			}
			same(History(dir, now, time.Minute), "while it goes on")
			if got := History(dir, now.Add(time.Hour), time.Minute); len(got) > 0 {
				t.Errorf("an hour after the last record: %v", got)
			}
			// A daemon that was started anew still knows it.
			if r, err = Open(dir, Options{HideUsers: hide, Now: func() time.Time { return now }}); err != nil {
				t.Fatal(err)
			}
			now = start.Add(7 * time.Minute)
			if !hide { // hidden names are not recognised after a restart
				add(goes, probe.Failed, "tcp-refused")
				same(History(dir, now, 2*time.Minute), "after a restart")
			}
		})
	}
}

// Where nothing can be read there is no history.
func TestNoHistory(t *testing.T) {
	dir := t.TempDir()
	if got := History(filepath.Join(dir, "none"), time.Now(), time.Hour); len(got) > 0 {
		t.Errorf("without a directory: %v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("00000000 {}\nrubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := History(dir, time.Now(), time.Hour); len(got) > 0 {
		t.Errorf("of a damaged file: %v", got)
	}
}
