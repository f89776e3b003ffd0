package bootstrap

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// A further host's client is killed at any call to AWS and before and after each thing that
// it does here (kerbagent.yaml, krb5.conf, credential, drop-in, the login, the daemon's
// start), on a new host and on one whose password was rotated, and run again: it ends as if
// it had never been killed.
func TestClientKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	for _, rotated := range []bool{false, true} {
		t.Run(map[bool]string{false: "a new host", true: "after a rotation"}[rotated], func(t *testing.T) {
			t.Parallel()
			c := newClients(t)
			whole, d := c.further(t, rotated)
			if _, err, _ := whole.client(); err != nil {
				t.Fatal(err)
			}
			want, calls, events := whole.hostFiles(), whole.calls, len(whole.events)
			if len(want) != 4 || calls < 4 || events < 4 || d.started == 0 {
				t.Fatalf("%d files after %d calls and %d events", len(want), calls, events)
			}
			draw := drawn(t)
			kills := map[string]func(*host, *daemon){
				"before the daemon starts": func(_ *host, d *daemon) { d.onStart = runtime.Goexit },
				"when it has started":      func(_ *host, d *daemon) { d.onStarted = runtime.Goexit },
				"before the login":         func(h *host, _ *daemon) { h.onVerify = runtime.Goexit },
			}
			for i := 1; i <= calls; i++ {
				after := draw.IntN(2) > 0 // none has an effect
				kills["at call "+strconv.Itoa(i)] = func(h *host, _ *daemon) { h.killAt, h.killAfter = i, after }
			}
			for i := 1; i <= events; i++ {
				kills["at event "+strconv.Itoa(i)] = func(h *host, _ *daemon) { h.killEvent = i }
			}
			for where, kill := range kills {
				c.killed(t, rotated, where, kill, want)
			}
		})
	}
}

// clients are an account and the host that has set it up.
type clients struct {
	cloud *awstest.Cloud
	first *host
}

func newClients(t *testing.T) *clients {
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	first := newHost(t, cloud, wish(modifyMode, ""))
	first.done()
	return &clients{cloud, first}
}

// further is another host with a daemon. rotated: it was set up, and bob has a new password since.
func (c *clients) further(t *testing.T, rotated bool) (*host, *daemon) {
	t.Helper()
	h := newHost(t, c.cloud, wish(modifyMode, ""))
	h.people, h.database = c.first.people, c.first.database
	d := h.serves()
	if !rotated {
		return h, d
	}
	if _, err, _ := h.client(); err != nil {
		t.Fatal(err)
	}
	if _, err, _ := c.first.rotate("bob"); err != nil {
		t.Fatal(err)
	}
	return h, d
}

// killed kills a client once, and holds what is there then, and after one run more, to what it should be.
func (c *clients) killed(t *testing.T, rotated bool, where string, kill func(*host, *daemon), want map[string]string) {
	t.Helper()
	h, d := c.further(t, rotated)
	before, mutations, started := h.hostFiles(), len(c.cloud.Mutations()), d.started
	want = maps.Clone(want)
	want["credentials/bob"] = "600 " + c.first.people.passwords["bob"]
	h.checks = 0
	kill(h, d)
	if _, err, dead := h.client(); !dead {
		t.Errorf("%s: it ended by itself: %v", where, err)
	}
	for name, text := range h.hostFiles() {
		if text != before[name] && text != want[name] {
			t.Errorf("killed %s: %s is neither as it was nor as it should be: %q", where, name, text)
		}
	}
	h.secretIsRoots(where) // at the kill: what it left, temporary files too
	h.killAt, h.killAfter, h.killEvent, h.onVerify, d.onStart, d.onStarted = 0, false, 0, nil, nil, nil
	first := h.checks
	if _, err, _ := h.client(); err != nil {
		t.Fatalf("killed %s, and run again: %v", where, err)
	}
	if got := h.hostFiles(); !maps.Equal(got, want) {
		t.Errorf("killed %s, and run again: %q, want %q", where, got, want)
	}
	if d.started != started+1 || d.has["bob"] != c.first.people.passwords["bob"] {
		t.Errorf("killed %s: started %d times, with the password that counts: %v", where, d.started-started, d.has["bob"] == c.first.people.passwords["bob"])
	}
	if first > 1 || h.checks > first+1 {
		t.Errorf("killed %s: %d logins in the first run, %d in the second; one each is enough", where, first, h.checks-first)
	}
	if n := len(c.cloud.Mutations()); n != mutations {
		t.Errorf("killed %s: %d changes at AWS", where, n-mutations)
	}
	h.secretIsRoots(where)
	if info, err := os.Stat(filepath.Join(h.dir, "credentials")); err != nil || info.Mode().Perm() != 0o700 {
		h.t.Errorf("killed %s: the folder of the credentials: %v, %v", where, info.Mode(), err)
	}
}

// hostFiles returns what a client writes: mode and text of each file, by its path in the host's folder,
// which stands as DIR in the texts.
func (h *host) hostFiles() map[string]string {
	h.t.Helper()
	out := map[string]string{}
	h.walk(func(name string, mode fs.FileMode, text []byte) {
		if name == "kerbagent.yaml" || name == "krb5.conf" || strings.Contains(name, "/") {
			out[name] = strconv.FormatUint(uint64(mode), 8) + " " + strings.ReplaceAll(string(text), h.dir, "DIR")
		}
	})
	return out
}

// secretIsRoots looks for the passwords of Secrets Manager in every file, temporary ones too: only the
// credential has one, and nobody else may read it or see its folder.
func (h *host) secretIsRoots(where string) {
	h.t.Helper()
	h.walk(func(name string, mode fs.FileMode, text []byte) {
		if bytes.Contains(text, []byte(h.people.passwords["bob"])) && (name != "credentials/bob" || mode != 0o600) {
			h.t.Errorf("killed %s: %s, mode %o, has a password", where, name, mode)
		}
	})
}

// walk visits each file of the host.
func (h *host) walk(visit func(name string, mode fs.FileMode, text []byte)) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := strings.CutPrefix(path, h.dir+"/")
		visit(name, info.Mode().Perm(), text)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}
