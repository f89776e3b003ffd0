package bootstrap

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/ledger"
)

// A real process of `bootstrap client` dies by SIGKILL at each of its changes of files
// (open, write, chmod, sync, rename …), and within each write, and is run again. No file is
// torn or lost, nobody but root could read a password at any of these moments, nothing of a
// password is left beside the credential, and no more than one login was lost.
// make test-aws has every moment, of a new host and of one after a rotation; else some are drawn.
func TestClientKilledInsideItsWrites(t *testing.T) {
	t.Parallel()
	for _, rotated := range []bool{false, true} {
		t.Run(map[bool]string{false: "a new host", true: "after a rotation"}[rotated], func(t *testing.T) {
			t.Parallel()
			insides(t, "client", func(t *testing.T) (*processHost, func()) {
				c := newClients(t)
				old := c.first.people.passwords["bob"]
				h, d := c.further(t, rotated)
				p := &processHost{oldBob: old}
				p.onHost(h)
				p.give(outside{Accounts: h.people.accounts, Passwords: h.people.passwords, Since: d.since, Has: d.has})
				mutations := len(c.cloud.Mutations())
				return p, func() {
					if n := len(c.cloud.Mutations()); n != mutations {
						t.Errorf("%d changes at AWS", n-mutations)
					}
					var now outside
					if err := now.load(p.outside); err != nil || now.Has["bob"] != h.people.passwords["bob"] {
						t.Errorf("the daemon does not have bob's password: %v", err)
					}
				}
			})
		})
	}
}

// The same of `bootstrap rotate`: whenever it dies, who reads the secrets gets a password
// that the directory has (rotated watches that); and the next run ends it, with one value.
func TestRotateKilledInsideItsWrites(t *testing.T) {
	t.Parallel()
	insides(t, "rotate Admin bob", func(t *testing.T) (*processHost, func()) {
		h := rotated(t, 0)
		p := &processHost{}
		p.onHost(h)
		admin, bob := h.cloud.Directories()[0].Password, h.people.passwords["bob"]
		p.give(outside{Accounts: h.people.accounts, Passwords: h.people.passwords, Admin: admin})
		return p, func() { h.rotatedBoth(admin, bob) }
	})
}

// Killed after each login, before its answer is written down, a client does not try a third
// time: the two before may have been refusals, and the account near its lockout.
func TestClientKilledAfterItsLogins(t *testing.T) {
	t.Parallel()
	c := newClients(t)
	h, _ := c.further(t, false)
	p := &processHost{}
	p.onHost(h)
	p.give(outside{Accounts: h.people.accounts, Passwords: h.people.passwords})
	for run := range 4 {
		before := p.sent.Load()
		killed, said, _ := runWatched(t, p.command("client"), func(fileChange) death {
			if p.sent.Load() > before {
				return diesBefore
			}
			return lives
		})
		if killed != (run < 2) || !killed && !strings.Contains(said, "got no answer") {
			t.Errorf("run %d: killed %v: %s", run+1, killed, said)
		}
		p.saw(said)
		p.secretsAreRoots()
	}
	if n := p.sent.Load(); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// give tells the host's processes what is outside of them.
func (p *processHost) give(o outside) {
	p.t.Helper()
	b, err := json.Marshal(o)
	if err == nil {
		err = os.WriteFile(p.outside, b, 0o600)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// insides kills a verb at its changes of files. begin returns a host before it, and what
// holds it to be right after it.
func insides(t *testing.T, verb string, begin func(*testing.T) (*processHost, func())) {
	whole, right := begin(t)
	before := whole.tree()
	var all []fileChange
	killed, said, err := runWatched(t, whole.command(verb), func(c fileChange) death { all = append(all, c); return lives })
	if killed || err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	whole.saw(said)
	right()
	var moments []int // in all that is done to this host, and not to what stands for the outside
	for i, c := range all {
		if c.path != whole.outside {
			moments = append(moments, i)
			if !strings.HasPrefix(c.path, whole.dir+"/") && c.path != whole.dir {
				t.Errorf("%s is changed outside of the host's folders (%s)", c.path, c.call)
			}
		}
	}
	if len(moments) < 30 {
		t.Fatalf("only %d changes of files: %v", len(moments), all)
	}
	want, draw, left := whole.tree(), drawn(t), 4
	if wholeMatrix {
		left = 2 * len(moments)
	}
	for _, n := range draw.Perm(len(moments)) {
		i := moments[n]
		for _, how := range []death{diesBefore, diesWithin} {
			if how == diesWithin && all[i].call != "write" || left == 0 {
				continue
			}
			left--
			name := fmt.Sprintf("%d %s %s within %v", i, all[i].call, strings.TrimPrefix(all[i].path, whole.dir), how == diesWithin)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p, right := begin(t)
				p.killedInside(verb, i, how, before, want)
				right()
			})
		}
	}
}

// killedInside kills a process at its n-th change of a file, and runs it again.
func (p *processHost) killedInside(verb string, n int, how death, before, want map[string]string) {
	p.t.Helper()
	at := -1
	killed, said, err := runWatched(p.t, p.command(verb), func(fileChange) death {
		if at++; at == n {
			return how
		}
		return lives
	})
	if !killed {
		p.t.Fatalf("it ended by itself: %v\n%s", err, said)
	}
	p.saw(said)
	p.whole(before, want)
	p.secretsAreRoots()
	_, said, err = runWatched(p.t, p.command(verb), func(fileChange) death { return lives })
	if err != nil {
		p.t.Fatalf("run again: %v\n%s", err, said)
	}
	p.saw(said)
	if got := p.tree(); !maps.Equal(got, want) {
		p.t.Errorf("run again: %q, want %q", got, want)
	}
	p.whole(want, want)
	p.secretsAreRoots()
	p.walk(func(name string, _ fs.FileMode, text []byte) {
		if own := name == "credentials/bob" || strings.HasSuffix(name, ".password"); !own && p.hasSecret(text) {
			p.t.Errorf("%s has a password, and is left", name)
		}
	})
	if n := p.sent.Load(); n > 2*int64(max(1, strings.Count(verb, " "))) {
		p.t.Errorf("%d logins", n)
	}
}

// tree returns mode and text of the host's files, but for records and what a write leaves.
// bob's passwords, which differ from host to host, stand as NEW and OLD in the texts.
func (p *processHost) tree() map[string]string {
	files := p.hostFiles()
	for name, text := range files {
		text = strings.ReplaceAll(text, p.people.passwords["bob"], "NEW")
		if p.oldBob != "" {
			text = strings.ReplaceAll(text, p.oldBob, "OLD")
		}
		files[name] = text
	}
	maps.DeleteFunc(files, func(name, _ string) bool {
		return strings.HasPrefix(name, "state/") || strings.HasPrefix(filepath.Base(name), ".")
	})
	return files
}

// whole holds each file to be as it was or as it is to be, and the records to be readable.
func (p *processHost) whole(before, want map[string]string) {
	p.t.Helper()
	have := p.tree()
	for name, wanted := range want {
		old, was := before[name]
		text, is := have[name]
		if is && text != wanted && (!was || text != old) || was && !is {
			p.t.Errorf("%s is torn or lost: %q, was %q, is to be %q", name, text, old, wanted)
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			p.t.Errorf("%s is left", name)
		}
	}
	for name, text := range p.hostFiles() {
		var s state
		if strings.HasPrefix(name, "state/bootstrap-") && strings.HasSuffix(name, ".json") {
			if _, text, _ = strings.Cut(text, " "); json.Unmarshal([]byte(text), &s) != nil || s.Schema != 1 {
				p.t.Errorf("%s is torn: %q", name, text)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(p.dir, "state")); err == nil {
		if _, err := ledger.Open(filepath.Join(p.dir, "state"), ledger.Options{}); err != nil {
			p.t.Errorf("the record of logins: %v", err)
		}
	}
}

// secretsAreRoots holds every file with a password in it to be readable by nobody else.
func (p *processHost) secretsAreRoots() {
	p.t.Helper()
	p.walk(func(name string, mode fs.FileMode, text []byte) {
		if mode&0o077 != 0 && p.hasSecret(text) {
			p.t.Errorf("%s has a password, and mode %o", name, mode)
		}
	})
}

func (p *processHost) hasSecret(text []byte) bool {
	for _, s := range p.secrets() {
		if len(s) > 6 && (strings.Contains(string(text), s) || len(text) >= 6 && strings.HasPrefix(s, string(text))) {
			return true
		}
	}
	return false
}
