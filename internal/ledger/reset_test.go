package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a full login may forget: the server sets its counter back only where it
// was above zero when the login's connection came, and counts a broken
// handshake when it hears of its end. So the record was once one short.

// A handshake that breaks while a login is in flight is not made good by it:
// to the login's connection the counter was zero when it came.
func TestBrokenDuringALogin(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 100)
	in, err := d.BeginLogin("alice@R")
	must(t, err)
	leave(t, d, 1)
	must(t, in.End(true, true))
	c.pass(settled)
	for _, want := range []int{1, 1, 0} { // forgotten is what one login has found, by another one later
		if n := unfinished(t, d); n != want {
			t.Errorf("%d unfinished, want %d", n, want)
		}
		logIn(t, d)
		c.pass(settled)
	}
}

// A server that has lost the end of a connection counts it when its
// connect_timeout is over, with logins in between.
func TestCountedLate(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 100)
	leave(t, d, 3)
	c.pass(time.Hour) // it hung, say: time alone proves nothing
	logIn(t, d)
	for range 5 {
		c.pass(settled/5 - time.Second)
		logIn(t, d)
	}
	if n := unfinished(t, d); n != 3 {
		t.Errorf("%d unfinished within the time that the server has to count", n)
	}
	c.pass(5 * time.Second)
	leave(t, d, 1)
	logIn(t, d)
	if n := unfinished(t, d); n != 1 {
		t.Errorf("%d unfinished after it, want the one that is new", n)
	}
}

// A login that began before that time was over does not count as one that
// began after it, however long it took.
func TestLoginThatTookLong(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 100)
	leave(t, d, 1)
	logIn(t, d)
	c.pass(settled - time.Second)
	in, err := d.BeginLogin("alice@R")
	must(t, err)
	c.pass(2 * time.Second)
	must(t, in.End(true, true))
	if n := unfinished(t, d); n != 1 {
		t.Errorf("%d unfinished", n)
	}
}

// One that is in flight during a login is not forgotten by those after it
// before they have found it left.
func TestInFlightDuringALogin(t *testing.T) {
	l, c, dir := open(t)
	d := l.Database("orders", 100)
	p := start(t, "handshake", dir)
	logIn(t, d)
	c.pass(settled)
	kill9(t, p)
	logIn(t, d)
	if n := unfinished(t, d); n != 1 {
		t.Errorf("%d unfinished", n)
	}
}

// A clock that is set back makes a record wait a minute anew, not for a year.
func TestClockThatWasAheadOfALogin(t *testing.T) {
	l, c, _ := open(t)
	d := l.Database("orders", 100)
	c.pass(365 * 24 * time.Hour)
	leave(t, d, 1)
	logIn(t, d)
	c.at = noon
	for _, want := range []int{1, 1, 0} {
		if n := unfinished(t, d); n != want {
			t.Errorf("%d unfinished, want %d", n, want)
		}
		logIn(t, d)
		c.pass(settled)
	}
}

// A line that was cut short, by a full disk say, forgets nothing and is written anew.
func TestNoteCutShort(t *testing.T) {
	for _, rest := range []string{"", "17", "1700000000000000000", "x\n"} {
		l, c, dir := open(t)
		d := l.Database("1600000000000000000", 100) // a name like a time
		leave(t, d, 1)
		files, err := filepath.Glob(filepath.Join(dir, "*.flight"))
		must(t, err)
		must(t, os.WriteFile(files[0], []byte(d.name+"\n"+rest), 0o600))
		logIn(t, d)
		if n := unfinished(t, d); n != 1 {
			t.Errorf("%q: %d unfinished after one login", rest, n)
		}
		for range 2 {
			c.pass(settled)
			logIn(t, d)
		}
		if n := unfinished(t, d); n != 0 {
			t.Errorf("%q: %d unfinished after three", rest, n)
		}
	}
}
