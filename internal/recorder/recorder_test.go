package recorder_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/probe"
)

// clock is a clock that stands until it is moved.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

func failure(target string, reason probe.Reason) probe.Result {
	rec := probe.Begin(probe.ID{Kind: probe.KDC, Target: target, Transport: probe.TCP}, nil)
	rec.Fact(probe.FactRealm, "CORP.EXAMPLE.COM")
	_ = rec.Stage("connect", func() error { return errors.New("no answer") })
	return rec.Fail(reason, errors.New("connecting: no answer"))
}

func success(target string) probe.Result {
	return probe.Begin(probe.ID{Kind: probe.KDC, Target: target, Transport: probe.TCP}, nil).OK()
}

func open(t *testing.T, dir string, o recorder.Options) *recorder.Recorder {
	t.Helper()
	r, err := recorder.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func add(t *testing.T, r *recorder.Recorder, res probe.Result, codes ...string) {
	t.Helper()
	if err := r.Add(res, codes); err != nil {
		t.Fatal(err)
	}
}

// brief is what a test wants to see of records: target, reason, count, codes.
func brief(t *testing.T, r *recorder.Recorder) []string {
	t.Helper()
	var out []string
	for _, rec := range r.Records() {
		var res struct{ Target, Reason string }
		if err := json.Unmarshal(rec.Result, &res); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %d %s", res.Target, res.Reason, rec.Count, strings.Join(rec.Findings, ",")), " "))
	}
	return out
}

func want(t *testing.T, r *recorder.Recorder, records ...string) {
	t.Helper()
	if diff := cmp.Diff(records, brief(t, r)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRowsAreCountedAndKept(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	o := recorder.Options{Now: func() time.Time { return c.now }}
	r := open(t, dir, o)
	add(t, r, failure("dc1", probe.ReasonTCPSilent))
	c.pass(15 * time.Second)
	add(t, r, failure("dc2", probe.ReasonRefused), "kdc-tcp-blocked")
	c.pass(15 * time.Second)
	add(t, r, failure("dc1", probe.ReasonTCPSilent), "kdc-down")
	wantNow := []string{"dc1 tcp-silent 2 kdc-down", "dc2 refused 1 kdc-tcp-blocked"}
	want(t, r, wantNow...)
	first := r.Records()[0]
	if first.Last.Sub(first.At) != 30*time.Second {
		t.Errorf("from %v to %v", first.At, first.Last)
	}
	if diff := cmp.Diff(r.Records(), open(t, dir, o).Records()); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}

	// The row goes on after a restart, and ends with a success or another reason.
	r = open(t, dir, o)
	add(t, r, failure("dc1", probe.ReasonTCPSilent))
	add(t, r, success("dc1"))
	add(t, r, probe.Begin(probe.ID{Kind: probe.KDC, Target: "dc2", Transport: probe.TCP}, nil).Skip(probe.ReasonPaused, errors.New("later")))
	r = open(t, dir, o)
	add(t, r, failure("dc1", probe.ReasonTCPSilent))
	add(t, r, failure("dc2", probe.ReasonRefused))
	add(t, r, failure("dc2", probe.ReasonUnreachable))
	want(t, open(t, dir, o), "dc2 unreachable 1", "dc2 refused 2 kdc-tcp-blocked", "dc1 tcp-silent 1", "dc1 tcp-silent 3 kdc-down")
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	add(t, open(t, dir, recorder.Options{}), failure("dc1", probe.ReasonRefused))
	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, recorder.FileName): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s: mode %04o", path, info.Mode().Perm())
		}
	}
}

// A failure that goes on for a day costs a line a minute, and the file stays
// below its bound.
func TestBounds(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	r := open(t, dir, recorder.Options{Now: func() time.Time { return c.now }})
	large := func(i int) probe.Result {
		res := failure(fmt.Sprintf("dc%d", i), probe.ReasonRefused)
		res.Facts = probe.Facts{}
		for k := range 40 {
			res.Facts[probe.Fact(fmt.Sprint("fact", k))] = strings.Repeat("\x00", 80+i%20) // six bytes each, in JSON
		}
		return res
	}
	for i := range 200 {
		c.pass(3 * time.Second)
		add(t, r, large(i))
		for k := max(0, i-20); k <= i; k++ {
			add(t, r, large(k))
		}
	}
	file := filepath.Join(dir, recorder.FileName)
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	n := len(r.Records())
	if info.Size() > 1<<20 || n > 50 || n < 20 {
		t.Errorf("%d bytes, %d records", info.Size(), n)
	}
	if again := open(t, dir, recorder.Options{}).Records(); len(again) != n {
		t.Errorf("%d records in memory, %d on disk", n, len(again))
	}
	before := info.Size()
	for range 4 * 60 { // an hour
		c.pass(15 * time.Second)
		add(t, r, large(199))
	}
	info, err = os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if grown := info.Size() - before; grown > 75*150 || grown <= 0 {
		t.Errorf("an hour of one failure grew the file by %d bytes", grown)
	}
}

// One result that a peer has filled keeps its place and not its filling.
func TestAHugeResult(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, recorder.Options{})
	huge := failure("dc1", probe.ReasonMalformed)
	for k := range 100 {
		huge.Facts[probe.Fact(fmt.Sprint("fact", k))] = strings.Repeat("\x00", 2000)
	}
	add(t, r, huge)
	add(t, r, failure("dc2", probe.ReasonRefused))
	want(t, open(t, dir, recorder.Options{}), "dc2 refused 1", "dc1 malformed-answer 1")
	if n := len(r.Records()[1].Result); n > 32<<10 {
		t.Errorf("it has %d bytes", n)
	}
}

// Ten thousand probes that fail at once, for an hour, do not push out what
// was there before, and are said to be missing.
func TestAFloodLeavesRoom(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	r := open(t, dir, recorder.Options{Now: func() time.Time { return c.now }})
	add(t, r, failure("the first", probe.ReasonRefused), "kdc-down")
	c.pass(time.Hour)
	for range 20 {
		for i := range 1_000 {
			add(t, r, failure(fmt.Sprint("dc", i), probe.ReasonUDPSilent))
		}
		c.pass(3 * time.Minute)
	}
	records := brief(t, r)
	if len(records) != 31 || records[30] != "the first refused 1 kdc-down" || records[0] != "dc29 udp-silent 20" {
		t.Errorf("%d records, from %q to %q", len(records), records[0], records[len(records)-1])
	}
	if r.Missed() != 1_000-30 {
		t.Errorf("%d missed", r.Missed())
	}
}

func TestADiskThatFailsAndComesBack(t *testing.T) {
	c := newClock()
	parent := t.TempDir()
	dir := filepath.Join(parent, "state")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	o := recorder.Options{Now: func() time.Time { return c.now }}
	r, err := recorder.Open(dir, o)
	if err == nil || r == nil {
		t.Fatalf("recorder %v, error %v", r, err)
	}
	if err := r.Add(failure("dc1", probe.ReasonRefused), nil); err == nil {
		t.Error("no error from a directory that is a file")
	}
	if err := r.Add(failure("dc2", probe.ReasonRefused), nil); err == nil {
		t.Error("no error while it waits")
	}
	want(t, r, "dc2 refused 1", "dc1 refused 1")
	// What needs no line of its own was no error: nobody heard that the others have none.
	for what, res := range map[string]probe.Result{"the same again, which is only counted": failure("dc1", probe.ReasonRefused), "a success": success("dc9")} {
		r.Add(res, nil) // of dc1: the second, which is written
		if r.Add(res, nil) == nil {
			t.Errorf("no error from %s", what)
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	c.pass(time.Minute)
	add(t, r, success("dc9"))
	want(t, open(t, dir, o), "dc1 refused 3", "dc2 refused 1")
	add(t, r, failure("dc3", probe.ReasonRefused))
	want(t, open(t, dir, o), "dc3 refused 1", "dc1 refused 3", "dc2 refused 1")

	// The directory goes under a running recorder.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	add(t, r, failure("dc4", probe.ReasonRefused))
	want(t, open(t, dir, o), "dc4 refused 1", "dc3 refused 1", "dc1 refused 3", "dc2 refused 1")

	// Somebody else wrote to the file, or cut it.
	if err := os.Truncate(filepath.Join(dir, recorder.FileName), 10); err != nil {
		t.Fatal(err)
	}
	add(t, r, failure("dc5", probe.ReasonRefused))
	if n := len(open(t, dir, o).Records()); n != 5 {
		t.Errorf("%d records after the file was cut", n)
	}
}

// Whatever is damaged costs what it is of, and nothing else.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, recorder.Options{})
	for _, dc := range []string{"dc1", "dc2", "dc3"} {
		add(t, r, failure(dc, probe.ReasonRefused))
	}
	file := filepath.Join(dir, recorder.FileName)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"half of the last line": {string(good[:len(good)-20]), []string{"dc2 refused 1", "dc1 refused 1"}},
		"no last line end":      {string(good[:len(good)-1]), []string{"dc2 refused 1", "dc1 refused 1"}},
		"a changed byte":        {lines[0] + strings.Replace(lines[1], "dc2", "dcX", 1) + lines[2], []string{"dc3 refused 1", "dc1 refused 1"}},
		"zeros after a crash":   {string(good) + strings.Repeat("\x00", 4096), []string{"dc3 refused 1", "dc2 refused 1", "dc1 refused 1"}},
		"empty":                 {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			r := open(t, dir, recorder.Options{})
			want(t, r, c.want...)
			add(t, r, failure("dc9", probe.ReasonRefused))
			want(t, open(t, dir, recorder.Options{}), append([]string{"dc9 refused 1"}, c.want...)...)
		})
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, recorder.FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := recorder.Open(dir, recorder.Options{}); err == nil {
		t.Error("a directory in the file's place is no error")
	}
}

func TestHideUsers(t *testing.T) {
	login := func(user string) probe.Result {
		rec := probe.Begin(probe.ID{Kind: probe.Login, Target: user + "@CORP.EXAMPLE.COM@orders"}, nil)
		rec.Fact(probe.FactUser, user+"@CORP.EXAMPLE.COM")
		return rec.Fail(probe.ReasonKRBPreauthFailed, fmt.Errorf("%s: wrong password, says bob", user))
	}
	dir := t.TempDir()
	add(t, open(t, dir, recorder.Options{}), login("alice"))
	o := recorder.Options{HideUsers: true, Users: []string{"alice@CORP.EXAMPLE.COM", "bob@CORP.EXAMPLE.COM"}}
	r := open(t, dir, o)
	want(t, r)
	for range 2 {
		add(t, r, login("alice"))
		add(t, r, login("bob"))
	}
	want(t, r, "user-2@orders krb-preauth-failed 2", "user-1@orders krb-preauth-failed 2")
	b, err := os.ReadFile(filepath.Join(dir, recorder.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob"} {
		if strings.Contains(string(b), name) {
			t.Errorf("%s is on the disk:\n%s", name, b)
		}
	}
	r = open(t, dir, o)
	want(t, r, "user-2@orders krb-preauth-failed 2", "user-1@orders krb-preauth-failed 2")

	r.SetUsers([]string{"bob@CORP.EXAMPLE.COM", "carol@CORP.EXAMPLE.COM", "alice@CORP.EXAMPLE.COM"})
	add(t, r, login("carol"))
	want(t, r, "user-2@orders krb-preauth-failed 1", "user-2@orders krb-preauth-failed 2", "user-1@orders krb-preauth-failed 2")
}
