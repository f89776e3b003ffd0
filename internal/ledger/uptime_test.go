package ledger

import (
	"testing"
	"time"
)

// A clock that is set ahead frees nothing: neither the attempts of the hour nor a
// secret whose answers were lost. After another boot it is believed.
func TestAClockThatIsSetAheadFreesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		boot   string
		passes time.Duration // by the time since boot
		want   string
	}{
		{"at once", "one", 0, ReasonUnanswered},
		{"the window is over", "one", unansweredWindow, ReasonHourly},
		{"the hour is over", "one", time.Hour, ""},
		{"another boot", "two", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, c, dir := open(t)
			boot, up := "one", time.Hour
			l, err := Open(dir, Options{Now: c.now, PerHour: 2, Uptime: func() (string, time.Duration) { return boot, up }})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				must(t, begin(t, l, "right").Unanswered())
			}
			boot, up = tt.boot, up+tt.passes
			c.pass(26 * time.Hour)
			for range 2 { // what it says does not change what it says next
				err = l.Account("alice@R").Paused([]byte("right"))
				if tt.want == "" {
					must(t, err)
					continue
				}
				wantPaused(t, err, tt.want)
			}
			at, err := l.Account("alice@R").Begin([]byte("right"))
			if tt.want == "" {
				must(t, err)
				must(t, at.Accepted())
				return
			}
			wantPaused(t, err, tt.want)
			up += time.Hour // since the clock was set, by both clocks
			c.pass(time.Hour)
			must(t, begin(t, l, "right").Accepted())
		})
	}
}

// An attempt that is under way when the clock is set ahead counts from when it began.
func TestAnAttemptWhileTheClockIsSetAhead(t *testing.T) {
	_, c, dir := open(t)
	up := time.Hour
	l, err := Open(dir, Options{Now: c.now, Uptime: func() (string, time.Duration) { return "one", up }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		at := begin(t, l, "right")
		c.pass(48 * time.Hour)
		must(t, at.Unanswered())
	}
	wantPaused(t, l.Account("alice@R").Paused([]byte("right")), ReasonUnanswered)
}

// What this host says of its boot is the same each time, and its time goes on.
func TestHostUptime(t *testing.T) {
	boot, up := hostUptime()
	again, later := hostUptime()
	if boot != again || later < up || boot != "" && up <= 0 {
		t.Errorf("%q %v, then %q %v", boot, up, again, later)
	}
}
