package agent

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
)

func TestLoginBeats(t *testing.T) {
	login := func(user, db string, kind config.SecretKind, every time.Duration) config.Login {
		return config.Login{User: user, Realm: "R", Database: db, SecretKind: kind, Interval: every}
	}
	for _, c := range []struct {
		name   string
		logins []config.Login
		want   []time.Duration
		notes  int
	}{
		{"the default", []config.Login{login("a", "x", config.PasswordFile, 5*time.Minute)}, []time.Duration{5 * time.Minute}, 0},
		{"one that is too often", []config.Login{login("a", "x", config.PasswordFile, time.Minute)}, []time.Duration{190 * time.Second}, 1},
		{"three of one account, each of them well", []config.Login{login("a", "x", config.PasswordFile, 5*time.Minute), login("a", "y", config.PasswordFile, 5*time.Minute), login("a", "z", config.Keytab, 10*time.Minute)},
			[]time.Duration{474 * time.Second, 474 * time.Second, 948 * time.Second}, 3},
		{"of two accounts", []config.Login{login("a", "x", config.PasswordFile, 4*time.Minute), login("b", "x", config.PasswordFile, 4*time.Minute)}, []time.Duration{4 * time.Minute, 4 * time.Minute}, 0},
		{"a ticket is no attempt", []config.Login{login("a", "x", config.CCache, 10*time.Second)}, []time.Duration{10 * time.Second}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes := loginBeats(c.logins, 20)
			if !slices.Equal(got, c.want) || len(notes) != c.notes {
				t.Errorf("%v, notes %q; want %v", got, notes, c.want)
			}
			hourly := map[string]int{}
			for i, l := range c.logins {
				if l.SecretKind != config.CCache { // at any moment of the hour
					hourly[l.User] += int((time.Hour - 1) / got[i])
				}
			}
			for user, n := range hourly {
				if n > 19 {
					t.Errorf("%s logs in %d times within an hour, beside the one at its end", user, n)
				}
			}
		})
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		took := 0
		for range 4 * 15 { // a quarter of an hour
			if p.take("here", 5*time.Minute) {
				took++
			}
			time.Sleep(15 * time.Second)
		}
		if took != 3 {
			t.Errorf("asked %d times in a quarter of an hour", took)
		}
		p.asked("elsewhere")
		if p.take("elsewhere", 5*time.Minute) {
			t.Error("asked again at once")
		}
		time.Sleep(time.Hour)
		if p.forget(); len(p.last) > 0 {
			t.Errorf("still knows %v", p.last)
		}
	})
}

// A KDC that cannot serve is asked less and less often, and as usual again
// once it can.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := netip.MustParseAddrPort("10.0.0.1:88")
		says := func(r probe.Reason) probe.Result {
			res := probe.Result{ID: probe.ID{Kind: probe.KDC, Target: "dc1", Address: at}, Outcome: probe.Failed, Reason: r}
			if r == "" {
				res.Outcome = probe.OK
			}
			return res
		}
		const beat = 15 * time.Second
		var o overload
		var asked []time.Duration
		begun := time.Now()
		for range 2 * 60 * 4 / 2 {
			if !o.spares(at) {
				asked = append(asked, time.Since(begun))
				o.heard(says(probe.ReasonKRBServiceUnavailable), beat)
				o.heard(says(probe.ReasonKRBServiceUnavailable), beat) // over the other transport
			}
			time.Sleep(beat)
		}
		want := []time.Duration{0, 15 * time.Second, 45 * time.Second, 105 * time.Second, 225 * time.Second, 465 * time.Second, 765 * time.Second}
		if !slices.Equal(asked[:len(want)], want) || len(o.notes()) != 1 || !strings.Contains(o.notes()[0], "dc1 (10.0.0.1:88)") {
			t.Errorf("asked at %v; notes %q", asked, o.notes())
		}
		time.Sleep(longestPause)
		o.heard(says(""), beat)
		if o.spares(at) || len(o.notes()) > 0 {
			t.Error("still left alone")
		}
		o.heard(says(probe.ReasonKRBServiceUnavailable), beat)
		if o.retain(nil); o.spares(at) {
			t.Error("still known although it is asked no more")
		}
	})
}

// A state directory that was lost is missed, and used again once it is back;
// one that could not be made at the start is made later.
func TestMemory(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "var")
	m := &memory{dir: filepath.Join(parent, "state"), now: time.Now, perHour: 20}
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ledger(); !errors.Is(err, ledger.ErrNoRecord) {
		t.Fatalf("a ledger below a file: %v", err)
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	try := func() error {
		env := m.env()
		a, err := env.account("alice@R").Begin([]byte("pw"))
		if err == nil {
			err = a.Refused("krb-preauth-failed")
		}
		return err
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	var held *probe.HeldBack
	if err := try(); !errors.As(err, &held) || held.Reason != probe.ReasonPaused {
		t.Fatalf("a refused secret: %v", err)
	}
	if err := os.Rename(m.dir, m.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.As(err, &held) || held.Reason != probe.ReasonNoRecord {
		t.Errorf("without a directory: %v", err)
	}
	if err := os.Rename(m.dir+".away", m.dir); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.As(err, &held) || held.Reason != probe.ReasonPaused {
		t.Errorf("it came back without what it knew: %v", err)
	}
}

// After a restart only the record knows what was refused; that is what the
// login is broken by.
func TestRecall(t *testing.T) {
	since := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	held := func(at, reason string) probe.Result {
		return probe.Result{ID: probe.ID{Kind: probe.Login, Target: "alice@R@orders"}, Outcome: probe.Skipped, Reason: probe.ReasonPaused,
			Err: &probe.HeldBack{Reason: probe.ReasonPaused, Err: &ledger.PausedError{Since: since, Reason: reason}}, Facts: probe.Facts{probe.FactFailedAt: at}}
	}
	for _, c := range []struct {
		name   string
		held   probe.Result
		reason probe.Reason // empty: nothing was refused
		at     string
	}{
		{"wrong password", held("", "krb-preauth-failed"), probe.ReasonKRBPreauthFailed, probe.AtPreauth},
		{"revoked", held("", "krb-revoked"), probe.ReasonKRBRevoked, probe.AtPreauth},
		{"answers were lost", held("", ledger.ReasonUnanswered), "", ""},
		{"too many in an hour", held("", ledger.ReasonHourly), "", ""},
		{"the database asked for a password", held(probe.AtDatabase, "the server asked for mysql_native_password"), probe.ReasonDBOtherPlugin, probe.AtDatabase},
		{"handshakes are unfinished", held(probe.AtDatabase, ledger.ReasonUnfinished), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := recall(c.held, nil)
			if c.reason == "" {
				if was.Outcome != probe.Skipped {
					t.Errorf("%+v", was)
				}
				return
			}
			if was.Outcome != probe.Failed || was.Reason != c.reason || !was.Started.Equal(since) || was.Facts[probe.FactFailedAt] != c.at ||
				was.Facts[probe.FactRefusedAt] != "2026-11-22T03:00:00Z" {
				t.Errorf("%+v", was)
			}
		})
	}
}
