package ledger

import (
	"os"
	"testing"
	"time"
)

// limited opens the same state directory as a daemon that may try n times an hour.
func limited(t *testing.T, dir string, c *clock, n int) *Ledger {
	t.Helper()
	l, err := Open(dir, Options{Now: c.now, PerHour: n})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (c *clock) pass(d time.Duration) { c.at = c.at.Add(d) }

// A daemon that is started again and again must not try more often than one
// that runs, and what people try by hand is counted, but not refused.
func TestAttemptsOfAnHour(t *testing.T) {
	byHand, c, dir := open(t)
	for i := range 3 {
		must(t, begin(t, limited(t, dir, c, 4), "right").Accepted()) // each time a new process
		c.pass(time.Duration(i+1) * time.Minute)
	}
	must(t, begin(t, byHand, "right").Accepted())
	daemon := limited(t, dir, c, 4)
	_, err := daemon.Account("alice@R").Begin([]byte("right"))
	if p := wantPaused(t, err, ReasonHourly); !p.Until.Equal(noon.Add(time.Hour)) {
		t.Errorf("until %v", p.Until)
	}
	wantPaused(t, daemon.Account("alice@R").Paused([]byte("right")), ReasonHourly)
	wantPaused(t, daemon.Account("alice@R").Paused([]byte("another secret")), ReasonHourly)
	must(t, daemon.Account("bob@R").Paused([]byte("right")))
	must(t, begin(t, byHand, "right").Withdrawn())
	c.at = noon.Add(time.Hour + 2*time.Minute) // two of the five are over
	must(t, begin(t, daemon, "right").Accepted())
}

// However often people try, the record stays small and goes on refusing.
func TestAttemptsOfAnHourAreBounded(t *testing.T) {
	byHand, c, dir := open(t)
	for range 2 * maxRecent {
		must(t, begin(t, byHand, "right").Accepted())
		c.pass(time.Second)
	}
	wantPaused(t, limited(t, dir, c, 1000).Account("alice@R").Paused([]byte("right")), ReasonHourly)
}

// A clock that was a year ahead holds nobody back for a year.
func TestClockThatWasAhead(t *testing.T) {
	_, c, dir := open(t)
	daemon := limited(t, dir, c, 2)
	c.pass(365 * 24 * time.Hour)
	for range 2 {
		must(t, begin(t, daemon, "right").Unanswered())
	}
	c.at = noon
	must(t, daemon.Account("alice@R").Paused([]byte("right")))
	_, err := daemon.Account("alice@R").Begin([]byte("right"))
	wantPaused(t, err, ReasonUnanswered)
	wantPaused(t, daemon.Account("alice@R").Paused([]byte("right")), ReasonUnanswered)
	c.pass(unansweredWindow)
	_, err = daemon.Account("alice@R").Begin([]byte("right"))
	wantPaused(t, err, ReasonHourly)
	c.pass(time.Hour)
	must(t, begin(t, daemon, "right").Accepted())
}

// A state directory that was lost is not made anew, since every refusal would
// be forgotten; one that a person puts in its place is used.
func TestRenew(t *testing.T) {
	l, _, dir := open(t)
	must(t, os.RemoveAll(dir))
	if err := l.Renew(); err == nil {
		t.Fatal("renewed nothing")
	}
	must(t, os.Mkdir(dir, 0o700))
	if err := l.Account("alice@R").Paused([]byte("right")); err == nil {
		t.Fatal("no key, and no error")
	}
	must(t, l.Renew())
	must(t, begin(t, l, "right").Accepted())
}

// A password_command that printed another text each time was tried twenty times an hour:
// enough to lock the account.
func TestSeveralRefusedSecrets(t *testing.T) {
	l, c, dir := open(t)
	must(t, begin(t, l, "right").Accepted())
	tried := 0
	for n := range 120 { // each minute another one
		if at, err := limited(t, dir, c, 20).Account("alice@R").Begin([]byte{'w', byte(n)}); err == nil {
			tried++
			must(t, at.Refused("krb-preauth-failed"))
		} else if p := wantPaused(t, err, "krb-preauth-failed"); !p.Until.After(c.at) || p.Until.Sub(c.at) > unansweredWindow {
			t.Errorf("until %v at %v", p.Until, c.at)
		}
		c.pass(time.Minute)
	}
	if most := 2 * 120 / 30; tried > most || tried < most-1 {
		t.Errorf("%d tries in two hours, want %d", tried, most)
	}
	must(t, begin(t, l, "right").Withdrawn()) // the one that was accepted last
	byHand, err := Open(dir, Options{Now: c.now, IgnoreBreaker: true})
	if err != nil {
		t.Fatal(err)
	}
	must(t, begin(t, byHand, "another").Withdrawn())
}

// A clock that is set ahead does not end the wait.
func TestSeveralRefusedSecretsAfterAClockThatWasAhead(t *testing.T) {
	l, c, _ := open(t)
	c.pass(365 * 24 * time.Hour)
	for _, s := range []string{"a", "b"} {
		must(t, begin(t, l, s).Refused("krb-preauth-failed"))
	}
	c.pass(-365 * 24 * time.Hour)
	if _, err := l.Account("alice@R").Begin([]byte("c")); err == nil {
		t.Error("a third secret is tried")
	}
	c.pass(unansweredWindow)
	must(t, begin(t, l, "c").Withdrawn())
}
