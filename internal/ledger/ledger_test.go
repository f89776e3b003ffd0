package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func open(t *testing.T) (*Ledger, *clock, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	c := &clock{noon}
	return openAt(t, dir, c), c, dir
}

func openAt(t *testing.T, dir string, c *clock) *Ledger {
	t.Helper()
	l, err := Open(dir, Options{Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func begin(t *testing.T, l *Ledger, secret string) *Attempt {
	t.Helper()
	a, err := l.Account("alice@R").Begin([]byte(secret))
	if err != nil {
		t.Fatalf("beginning with %q: %v", secret, err)
	}
	return a
}

func wantPaused(t *testing.T, err error, reason string) *PausedError {
	t.Helper()
	var p *PausedError
	if !errors.As(err, &p) || p.Reason != reason {
		t.Fatalf("got %v, want a pause because of %q", err, reason)
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRefusalHoldsUntilTheSecretChanges(t *testing.T) {
	l, c, dir := open(t)
	must(t, begin(t, l, "wrong").Refused("krb-preauth-failed"))
	c.at = c.at.Add(1000 * time.Hour)
	for range 2 { // in this process, and in one started later
		_, err := l.Account("alice@R").Begin([]byte("wrong"))
		p := wantPaused(t, err, "krb-preauth-failed")
		if !p.Since.Equal(noon) || !p.Until.IsZero() {
			t.Errorf("since %v until %v", p.Since, p.Until)
		}
		wantPaused(t, l.Account("alice@R").Paused([]byte("wrong")), "krb-preauth-failed")
		l = openAt(t, dir, c)
	}
	must(t, l.Account("alice@R").Paused([]byte("right")))
	must(t, begin(t, l, "right").Accepted())
	must(t, begin(t, l, "right").Accepted())
	_, err := l.Account("alice@R").Begin([]byte("wrong"))
	wantPaused(t, err, "krb-preauth-failed") // it is still the wrong one
	if _, err := l.Account("bob@R").Begin([]byte("wrong")); err != nil {
		t.Errorf("another account is held back: %v", err)
	}
}

// Only the secret that was accepted last is known to be right.
func TestProven(t *testing.T) {
	l, c, dir := open(t)
	proven := func(secret string) bool { return l.Account("alice@R").Proven([]byte(secret)) }
	if proven("old") {
		t.Error("proven without a record")
	}
	must(t, begin(t, l, "old").Accepted())
	must(t, begin(t, l, "old").Unanswered())
	l = openAt(t, dir, c)
	if !proven("old") || proven("new") {
		t.Errorf("old %v, new %v", proven("old"), proven("new"))
	}
	must(t, begin(t, l, "new").Accepted())
	if proven("old") || !proven("new") {
		t.Errorf("after a change: old %v, new %v", proven("old"), proven("new"))
	}
}

func TestIgnoreBreakerStillRecords(t *testing.T) {
	l, c, dir := open(t)
	must(t, begin(t, l, "was locked").Refused("krb-revoked"))
	loud, err := Open(dir, Options{Now: c.now, IgnoreBreaker: true})
	must(t, err)
	a := begin(t, loud, "was locked")
	_, err = loud.Account("alice@R").Begin([]byte("was locked"))
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Errorf("two at once: %v", err)
	}
	must(t, a.Accepted())
	must(t, begin(t, l, "was locked").Accepted()) // it closed the breaker for all
}

func TestLostAnswersPause(t *testing.T) {
	l, c, _ := open(t)
	must(t, begin(t, l, "s").Unanswered())
	c.at = noon.Add(10 * time.Minute)
	must(t, begin(t, l, "s").Unanswered())
	_, err := l.Account("alice@R").Begin([]byte("s"))
	p := wantPaused(t, err, ReasonUnanswered)
	if want := noon.Add(30 * time.Minute); !p.Until.Equal(want) {
		t.Errorf("until %v, want %v", p.Until, want)
	}
	c.at = p.Until.Add(-time.Nanosecond)
	_, err = l.Account("alice@R").Begin([]byte("s"))
	wantPaused(t, err, ReasonUnanswered)
	c.at = p.Until
	must(t, begin(t, l, "s").Unanswered())
	_, err = l.Account("alice@R").Begin([]byte("s"))
	wantPaused(t, err, ReasonUnanswered)
	must(t, begin(t, l, "another").Withdrawn())
}

func TestAcceptedForgetsLostAnswers(t *testing.T) {
	l, _, _ := open(t)
	must(t, begin(t, l, "s").Unanswered())
	must(t, begin(t, l, "s").Accepted())
	must(t, begin(t, l, "s").Unanswered())
	must(t, begin(t, l, "s").Withdrawn())
	must(t, begin(t, l, "s").Withdrawn()) // never sent: never counted
}

func TestFirstEndCounts(t *testing.T) {
	l, _, _ := open(t)
	a := begin(t, l, "s")
	must(t, a.Refused("krb-preauth-failed"))
	must(t, a.Accepted())
	_, err := l.Account("alice@R").Begin([]byte("s"))
	wantPaused(t, err, "krb-preauth-failed")
}

func TestKilledBetweenBeginAndEnd(t *testing.T) {
	l, c, dir := open(t)
	account := l.Account("alice@R")
	for range maxUnanswered {
		p := start(t, "login", dir)
		_, err := account.Begin([]byte("right"))
		var busy *BusyError
		if !errors.As(err, &busy) {
			t.Fatalf("while another process tries: %v", err)
		}
		kill9(t, p)
	}
	_, err := account.Begin([]byte("right"))
	wantPaused(t, err, ReasonUnanswered)
	c.at = noon.Add(unansweredWindow)
	begin(t, l, "right")
}

func TestClockStepsBack(t *testing.T) {
	l, c, _ := open(t)
	c.at = noon.Add(1000 * time.Hour) // not yet synchronised at boot
	must(t, begin(t, l, "s").Unanswered())
	must(t, begin(t, l, "s").Unanswered())
	c.at = noon
	_, err := l.Account("alice@R").Begin([]byte("s"))
	wantPaused(t, err, ReasonUnanswered)
	c.at = noon.Add(unansweredWindow) // and not a thousand hours
	begin(t, l, "s")
}

func TestFirstTryDelay(t *testing.T) {
	l, c, dir := open(t)
	account := l.Account("alice@R")
	delay := func(secret, host string) time.Duration {
		t.Helper()
		d, err := account.FirstTryDelay([]byte(secret), host)
		must(t, err)
		return d
	}
	if d := delay("first", "h"); d != 0 {
		t.Errorf("nothing was refused, and yet %v", d)
	}
	must(t, begin(t, l, "first").Refused("krb-preauth-failed"))
	if d := delay("first", "h"); d != 0 {
		t.Errorf("the refused secret itself waits %v", d)
	}
	var seen []time.Duration
	for i := range 200 {
		d := delay("second", fmt.Sprint("host", i))
		if d < 0 || d >= maxFirstDelay {
			t.Fatalf("%v", d)
		}
		seen = append(seen, d)
	}
	slices.Sort(seen)
	if seen[50] > 4*time.Minute || seen[150] < 6*time.Minute {
		t.Errorf("not spread: quartiles %v and %v", seen[50], seen[150])
	}
	before := delay("second", "h")
	c.at = c.at.Add(time.Minute)
	l = openAt(t, dir, c) // a restart does not begin it anew
	account = l.Account("alice@R")
	if d := delay("second", "h"); d != max(0, before-time.Minute) {
		t.Errorf("a minute later: %v, before %v", d, before)
	}
	c.at = noon.Add(-time.Hour)
	if d := delay("second", "h"); d != before {
		t.Errorf("after the clock stepped back: %v, not %v", d, before)
	}
	c.at = noon.Add(maxFirstDelay)
	if d := delay("second", "h"); d != 0 {
		t.Errorf("over, and yet %v", d)
	}
	must(t, begin(t, l, "second").Accepted())
	must(t, begin(t, l, "third").Withdrawn())
	if d := delay("second", "h"); d != 0 {
		t.Errorf("the accepted one waits %v", d)
	}
}

func TestNoRecordNoAttempt(t *testing.T) {
	l, _, dir := open(t)
	a, h := begin(t, l, "s"), (*Handshake)(nil)
	h, err := l.Database("orders", 100).Begin()
	must(t, err)
	must(t, os.Rename(dir, dir+".gone"))
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrNoRecord) {
			t.Errorf("%s without a directory: %v", what, err)
		}
	}
	check("ending", a.Refused("krb-preauth-failed"))
	check("ending a handshake", h.End(true, false))
	_, err = l.Account("alice@R").Begin([]byte("s"))
	check("login", err)
	check("paused", l.Account("alice@R").Paused([]byte("s")))
	_, err = l.Account("alice@R").FirstTryDelay([]byte("s"), "h")
	check("delay", err)
	_, err = l.Database("orders", 100).Begin()
	check("handshake", err)
	_, err = l.Database("orders", 100).BeginLogin("alice@R")
	check("login handshake", err)
	_, err = l.Database("orders", 100).Unfinished()
	check("count", err)
	check("pause", l.Database("orders", 100).PauseUser("bob", "r"))
	check("paused user", l.Database("orders", 100).UserPaused("bob"))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory was made anew: %v", err)
	}
	// It has come back: the lost end counts as unanswered.
	must(t, os.Rename(dir+".gone", dir))
	must(t, begin(t, l, "s").Unanswered())
	_, err = l.Account("alice@R").Begin([]byte("s"))
	wantPaused(t, err, ReasonUnanswered)
}

func TestFullDisk(t *testing.T) {
	_, _, dir := open(t)
	start(t, "full disk", dir)
}

func TestDamagedRecordIsNotReset(t *testing.T) {
	for name, content := range map[string]string{
		"empty":         "",
		"cut short":     `{"version":1,"user":"alice@R","refused":{"ab`,
		"other version": `{"version":2,"user":"alice@R"}`,
		"other user":    `{"version":1,"user":"bob@R"}`,
		"unknown key":   `{"version":1,"user":"alice@R","breaker":"open"}`,
		"two records":   `{"version":1,"user":"alice@R"}{"version":1,"user":"alice@R"}`,
		"too large":     `{"version":1,"user":"alice@R"}` + strings.Repeat(" ", maxRecord),
	} {
		t.Run(name, func(t *testing.T) {
			l, _, dir := open(t)
			must(t, begin(t, l, "s").Refused("krb-preauth-failed"))
			file := filepath.Join(dir, l.Account("alice@R").file+".json")
			must(t, os.WriteFile(file, []byte(content), 0o600))
			_, err := l.Account("alice@R").Begin([]byte("other"))
			var bad *CorruptError
			if !errors.As(err, &bad) || !errors.Is(err, ErrNoRecord) || bad.File != file {
				t.Fatalf("got %v", err)
			}
			if got, _ := os.ReadFile(file); string(got) != content {
				t.Errorf("the file was changed to %q", got)
			}
		})
	}
}

func TestKeyIsNeverMadeAnewBesideRecords(t *testing.T) {
	l, c, dir := open(t)
	must(t, begin(t, l, "s").Refused("krb-preauth-failed"))
	key := filepath.Join(dir, keyFile)
	must(t, os.WriteFile(key, []byte("short"), 0o600))
	if _, err := l.Account("alice@R").Begin([]byte("s")); !errors.Is(err, ErrNoRecord) {
		t.Errorf("with half a key: %v", err)
	}
	must(t, os.Remove(key))
	if _, err := l.Account("alice@R").Begin([]byte("s")); !errors.Is(err, ErrNoRecord) {
		t.Errorf("without a key: %v", err)
	}
	if _, err := Open(dir, Options{Now: c.now}); !errors.Is(err, ErrNoRecord) {
		t.Errorf("opening without a key: %v", err)
	}
}

func TestNothingSecretOnDiskAndModes(t *testing.T) {
	l, _, dir := open(t)
	must(t, begin(t, l, "hunter2-hunter2").Refused("krb-preauth-failed"))
	begin(t, l, "hunter3-hunter3")
	_, err := l.Database("orders", 100).Begin()
	must(t, err)
	must(t, l.Database("orders", 100).PauseUser("alice@R", "db-other-plugin"))
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("directory is %v", info.Mode())
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	if len(files) < 5 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		info, _ := f.Info()
		if info.Mode() != 0o600 {
			t.Errorf("%s is %v", f.Name(), info.Mode())
		}
		b, _ := os.ReadFile(filepath.Join(dir, f.Name()))
		if bytes.Contains(b, []byte("hunter")) || strings.ContainsAny(f.Name(), "@/ ") {
			t.Errorf("%s holds %q", f.Name(), b)
		}
	}
}

func TestOthersMayNotWrite(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o777))
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrNoRecord) || !strings.Contains(err.Error(), "chmod 0700") {
		t.Errorf("got %v", err)
	}
}

func TestLinksLeadNowhere(t *testing.T) {
	l, _, dir := open(t)
	outside := filepath.Join(t.TempDir(), "passwd")
	must(t, os.WriteFile(outside, []byte("root"), 0o600))
	name := l.Account("alice@R").file
	for _, suffix := range []string{".json.new", ".json", ".lock"} {
		link := filepath.Join(dir, name+suffix)
		os.Remove(link)
		must(t, os.Symlink(outside, link))
		a, err := l.Account("alice@R").Begin([]byte("s"))
		if suffix == ".json.new" {
			must(t, err)
			must(t, a.Withdrawn())
		} else if !errors.Is(err, ErrNoRecord) {
			t.Errorf("%s: %v", suffix, err)
		}
		os.Remove(link)
	}
	if b, _ := os.ReadFile(outside); string(b) != "root" {
		t.Errorf("the file outside is now %q", b)
	}
}

// Root may run `check` in the daemon's directory; the daemon must still be
// able to read what it finds there.
func TestFilesBelongToTheOwnerOfTheDirectory(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 12345
		must(t, os.Chown(dir, owner, owner))
	}
	must(t, os.Chmod(dir, 0o700))
	l := openAt(t, dir, &clock{noon})
	must(t, begin(t, l, "s").Refused("krb-preauth-failed"))
	_, err := l.Database("orders", 100).Begin()
	must(t, err)
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		info, err := f.Info()
		must(t, err)
		if uid := int(info.Sys().(*syscall.Stat_t).Uid); uid != owner {
			t.Errorf("%s belongs to %d, not to %d", f.Name(), uid, owner)
		}
	}
}
