package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// leave begins n handshakes and leaves them unfinished.
func leave(t *testing.T, d *Database, n int) {
	t.Helper()
	for range n {
		h, err := d.Begin()
		must(t, err)
		must(t, h.End(false, false))
	}
}

// logIn has a full login.
func logIn(t *testing.T, d *Database) {
	t.Helper()
	h, err := d.BeginLogin("alice@R")
	must(t, err)
	must(t, h.End(true, true))
}

func unfinished(t *testing.T, d *Database) int {
	t.Helper()
	n, err := d.Unfinished()
	must(t, err)
	return n
}

func TestUnfinishedPausesUntilALogin(t *testing.T) {
	l, c, dir := open(t)
	d := l.Database("orders", 100)
	for range 30 {
		h, err := d.Begin()
		must(t, err)
		must(t, h.End(true, false))
	}
	leave(t, d, 24)
	c.at = noon.Add(time.Minute)
	leave(t, d, 1)
	if n := unfinished(t, d); n != 25 {
		t.Fatalf("%d unfinished", n)
	}
	d = openAt(t, dir, c).Database("orders", 100)
	_, err := d.Begin()
	if p := wantPaused(t, err, ReasonUnfinished); !p.Since.Equal(c.at) {
		t.Errorf("since %v", p.Since)
	}
	if _, err := l.Database("billing", 100).Begin(); err != nil {
		t.Errorf("another database is paused: %v", err)
	}
	first, err := d.BeginLogin("alice@R")
	must(t, err)
	_, err = d.BeginLogin("bob@R")
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Errorf("two logins at once on the way out: %v", err)
	}
	must(t, first.End(true, false)) // an ERR neither counts nor resets
	if n := unfinished(t, d); n != 25 {
		t.Fatalf("%d after an ERR", n)
	}
	again, err := d.BeginLogin("alice@R")
	must(t, err)
	must(t, again.End(true, true))
	c.pass(settled)
	logIn(t, d)
	if n := unfinished(t, d); n != 0 {
		t.Errorf("%d after two logins", n)
	}
	leave(t, d, 1)
}

// A server that hangs forever, tried every five minutes: the host is never
// blocked, and at least one try a day goes on for weeks.
func TestHangingServerDoesNotBlockTheHost(t *testing.T) {
	for _, most := range []int{1, 2, 3, 10, 100} {
		l, c, _ := open(t)
		d := l.Database("orders", most)
		var tries int
		last := noon
		for c.at.Before(noon.Add(6 * 24 * time.Hour)) {
			h, err := d.BeginLogin("alice@R")
			if err == nil {
				tries++
				last = c.at
				must(t, h.End(false, false))
			} else {
				wantPaused(t, err, ReasonUnfinished)
			}
			c.at = c.at.Add(5 * time.Minute)
		}
		if tries > max(1, most-1) {
			t.Errorf("max_connect_errors %d: %d unfinished, the host is blocked", most, tries)
		}
		if most >= 100 && c.at.Sub(last) > 25*time.Hour {
			t.Errorf("max_connect_errors %d: gave up at %v", most, last)
		}
	}
}

func TestCountIsCapped(t *testing.T) {
	l, _, _ := open(t)
	if d := l.Database("orders", 1_000_000); d.pauseAt() != 250 {
		t.Errorf("pauses at %d", d.pauseAt())
	}
}

func TestPausedLoginSaysUntilWhen(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 100)
	for range 50 {
		h, err := d.BeginLogin("alice@R")
		must(t, err)
		must(t, h.End(false, false))
		c.at = c.at.Add(time.Minute)
	}
	_, err := d.BeginLogin("alice@R")
	p := wantPaused(t, err, ReasonUnfinished)
	if want := c.at.Add(time.Hour - time.Minute); !p.Until.Equal(want) {
		t.Errorf("until %v, want %v", p.Until, want)
	}
	c.at = noon.Add(-time.Hour) // the clock steps back
	h, err := d.BeginLogin("alice@R")
	must(t, err)
	must(t, h.End(false, false))
	_, err = d.BeginLogin("alice@R")
	wantPaused(t, err, ReasonUnfinished)
}

func TestKilledHandshakeCounts(t *testing.T) {
	l, _, dir := open(t)
	d := l.Database("orders", 100)
	p, q := start(t, "handshake", dir), start(t, "handshake", dir)
	if n := unfinished(t, d); n != 0 {
		t.Errorf("%d while two are in flight", n)
	}
	kill9(t, p)
	if n := unfinished(t, d); n != 1 {
		t.Errorf("%d after kill -9 of one", n)
	}
	kill9(t, q)
	if n := unfinished(t, d); n != 2 {
		t.Errorf("%d after kill -9 of both", n)
	}
}

func TestInFlightLeavesRoom(t *testing.T) {
	l, _, _ := open(t)
	d := l.Database("orders", 3)
	one, err := d.Begin()
	must(t, err)
	_, err = d.Begin()
	must(t, err)
	_, err = d.Begin()
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Errorf("a third at max_connect_errors 3: %v", err)
	}
	must(t, one.End(true, false))
	_, err = d.Begin()
	must(t, err)
}

func TestForeignFlightFileIsNotSkipped(t *testing.T) {
	l, _, dir := open(t)
	d := l.Database("orders", 100)
	must(t, os.WriteFile(filepath.Join(dir, d.file+"-x.flight"), nil, 0o600))
	var bad *CorruptError
	if _, err := d.Begin(); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestUserPause(t *testing.T) {
	l, c, dir := open(t)
	d := l.Database("orders", 100)
	must(t, d.UserPaused("alice@R"))
	must(t, d.PauseUser("alice@R", "db-other-plugin"))
	c.at = noon.Add(1000 * time.Hour)
	d = openAt(t, dir, c).Database("orders", 100)
	if p := wantPaused(t, d.UserPaused("alice@R"), "db-other-plugin"); !p.Since.Equal(noon) {
		t.Errorf("since %v", p.Since)
	}
	must(t, d.UserPaused("bob@R"))
	must(t, l.Database("billing", 100).UserPaused("alice@R"))
	loud, err := Open(dir, Options{Now: c.now, IgnoreBreaker: true})
	must(t, err)
	must(t, loud.Database("orders", 100).UserPaused("alice@R"))
	h, err := d.BeginLogin("alice@R")
	must(t, err)
	must(t, h.End(true, true))
	must(t, d.UserPaused("alice@R"))
}

// Who looks whether a file is held must not be taken for its holder.
func TestCountIsRightWhileAnotherLooks(t *testing.T) {
	l, _, dir := open(t)
	d := l.Database("orders", 100)
	leave(t, d, 1)
	files, err := filepath.Glob(filepath.Join(dir, "*.flight"))
	must(t, err)
	f, err := os.Open(files[0])
	must(t, err)
	defer f.Close()
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_SH))
	if n := unfinished(t, d); n != 1 {
		t.Errorf("%d unfinished", n)
	}
}

func TestOneLoginAtATimeOnTheWayOut(t *testing.T) {
	l, _, _ := open(t)
	d := l.Database("orders", 100)
	leave(t, d, 25)
	for range 20 {
		var all errgroup.Group
		var mu sync.Mutex
		var in []*Handshake
		for range 4 {
			all.Go(func() error {
				h, err := d.BeginLogin("alice@R")
				var busy *BusyError
				switch {
				case err == nil:
					mu.Lock()
					defer mu.Unlock()
					in = append(in, h)
				case !errors.As(err, &busy):
					return err
				}
				return nil
			})
		}
		must(t, all.Wait())
		if len(in) > 1 {
			t.Fatalf("%d logins at once", len(in))
		}
		for _, h := range in {
			must(t, h.End(true, false))
		}
	}
}

// A login sets back the count of its own address only, but ends the user's
// pause at all of them.
func TestAddressesCountForThemselves(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 10)
	v4, v6 := d.At("10.0.0.1:3306"), d.At("[fd00::1]:3306")
	leave(t, v4, 1)
	leave(t, v6, 2)
	must(t, v4.PauseUser("alice@R", "a password"))
	logIn(t, v4)
	c.pass(settled)
	logIn(t, v4)
	if four, six := unfinished(t, v4), unfinished(t, v6); four != 0 || six != 2 {
		t.Errorf("%d and %d unfinished", four, six)
	}
	_, err := v6.Begin()
	wantPaused(t, err, ReasonUnfinished)
	must(t, v6.UserPaused("alice@R"))
}
