package guard

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

	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pace
		took := 0
		for range 4 * 15 { // a quarter of an hour
			if p.Take("here", 5*time.Minute) {
				took++
			}
			time.Sleep(15 * time.Second)
		}
		if took != 3 {
			t.Errorf("asked %d times in a quarter of an hour", took)
		}
		p.Asked("elsewhere")
		if p.Take("elsewhere", 5*time.Minute) {
			t.Error("asked again at once")
		}
		time.Sleep(time.Hour)
		if p.Forget(); len(p.last) > 0 {
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
		var o Overload
		var asked []time.Duration
		begun := time.Now()
		for range 2 * 60 * 4 / 2 {
			if !o.Spares(at) {
				asked = append(asked, time.Since(begun))
				o.Heard(says(probe.ReasonKRBServiceUnavailable), beat)
				o.Heard(says(probe.ReasonKRBServiceUnavailable), beat) // over the other transport
			}
			time.Sleep(beat)
		}
		want := []time.Duration{0, 15 * time.Second, 45 * time.Second, 105 * time.Second, 225 * time.Second, 465 * time.Second, 765 * time.Second}
		if !slices.Equal(asked[:len(want)], want) || len(o.Notes()) != 1 || !strings.Contains(o.Notes()[0], "dc1 (10.0.0.1:88)") {
			t.Errorf("asked at %v; notes %q", asked, o.Notes())
		}
		time.Sleep(longestPause)
		o.Heard(says(""), beat)
		if o.Spares(at) || len(o.Notes()) > 0 {
			t.Error("still left alone")
		}
		o.Heard(says(probe.ReasonKRBServiceUnavailable), beat)
		if o.Retain(nil); o.Spares(at) {
			t.Error("still known although it is asked no more")
		}
	})
}

// A state directory that was lost is missed, and used again once it is back;
// one that could not be made at the start is made later.
func TestRecord(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "var")
	m := OnDisk(filepath.Join(parent, "state"), time.Now, 20)
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Ledger(); !errors.Is(err, ledger.ErrNoRecord) {
		t.Fatalf("a ledger below a file: %v", err)
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	try := func() error {
		a, err := New(m, Options{}).Account("alice@R").Begin([]byte("pw"))
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
			was := Recall(c.held, nil)
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

// DNS that names other places each time gets as many first requests as one that stays.
func TestNewPortsAreLimitedByTheHour(t *testing.T) {
	var p newPorts
	now := time.Now()
	at := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 1088)
	}
	asked := 0
	for n := range 3000 {
		if p.take(at(n), now.Add(time.Duration(n)*time.Second)) {
			asked++
		}
	}
	if asked != newPortsHour {
		t.Errorf("%d in 50 minutes", asked)
	}
	if p.take(at(0), now.Add(59*time.Minute)) || !p.take(at(0), now.Add(61*time.Minute)) {
		t.Error("a place is not asked once an hour")
	}
	p.answered(at(9999))
	for range 2 {
		if !p.take(at(9999), now) {
			t.Error("a place that has answered is held back")
		}
	}
}
