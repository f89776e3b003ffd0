package secrets

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe/login"
)

// copied is a host on which systemd has passed a credential to a unit.
type copied struct {
	store *Store
	root  string
	login config.Login
}

func newCopied(t *testing.T, units map[string]string) copied {
	t.Helper()
	c := copied{root: t.TempDir()}
	cfg, err := config.Parse("kerbagent.yaml", []byte("realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\nlogins: [{user: u@R.TEST, database: d, password_file: 'credential:probe'}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.login, c.store = cfg.Logins[0], &Store{Root: os.DirFS(c.root)}
	for name, text := range units {
		c.write(t, name, text)
	}
	c.write(t, "etc/kerbagent/probe.pw", "old")
	c.write(t, "etc/kerbagent/other.pw", "other")
	c.write(t, "run/credentials/kerbagent.service/probe", "old")
	t.Setenv("CREDENTIALS_DIRECTORY", filepath.Join(c.root, "run/credentials/kerbagent.service"))
	return c
}

func (c copied) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c copied) handed(t *testing.T) login.Handed {
	t.Helper()
	m, err := c.store.Material(c.login)
	if err != nil || string(m.Identity) != "old" {
		t.Fatalf("%q, %v: the service has the copy alone", m.Identity, err)
	}
	return m.Handed
}

const (
	ownUnit = "usr/lib/systemd/system/kerbagent.service"
	dropIn  = "etc/systemd/system/kerbagent.service.d/credentials.conf"
	handsIt = "[Service]\nLoadCredential=probe:/etc/kerbagent/probe.pw\n"
)

// The service is started with a copy of the file; a rotation of the file was not noticed.
func TestAChangedFileBehindACredentialIsNoticed(t *testing.T) {
	for name, change := range map[string]func(c copied){
		"written": func(c copied) { c.write(t, "etc/kerbagent/probe.pw", "new") },
		"an old file is moved there": func(c copied) {
			c.write(t, "etc/kerbagent/next", "new")
			long := time.Now().Add(-24 * time.Hour)
			if err := os.Chtimes(filepath.Join(c.root, "etc/kerbagent/next"), long, long); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(c.root, "etc/kerbagent/next"), filepath.Join(c.root, "etc/kerbagent/probe.pw")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		c := newCopied(t, map[string]string{ownUnit: "[Service]\n", dropIn: handsIt})
		c.startedAgain(t)
		if got := c.handed(t); got != (login.Handed{File: "/etc/kerbagent/probe.pw", Unit: "kerbagent.service"}) {
			t.Errorf("%s: before, %+v", name, got)
		}
		c.waits(t)
		change(c)
		if got := c.handed(t); got.Changed.IsZero() {
			t.Errorf("%s: not noticed: %+v", name, got)
		}
		c.startedAgain(t) // the unit has been restarted
		if got := c.handed(t); !got.Changed.IsZero() {
			t.Errorf("%s: after a restart, %+v", name, got)
		}
	}
}

// startedAgain gives the copy the time of a start that is after all changes so far.
func (c copied) startedAgain(t *testing.T) {
	t.Helper()
	c.waits(t)
	c.write(t, "run/credentials/kerbagent.service/probe", "old")
}

// waits returns once a file that is written now is newer than all before: a file system's
// clock moves in steps.
func (c copied) waits(t *testing.T) {
	t.Helper()
	before := c.now(t)
	for !c.now(t).After(before) {
	}
}

func (c copied) now(t *testing.T) time.Time {
	t.Helper()
	c.write(t, "now", "")
	info, err := os.Stat(filepath.Join(c.root, "now"))
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// Which file it is, systemd decides by its units (systemd.unit(5), systemd.exec(5)).
func TestTheFileBehindACredential(t *testing.T) {
	other := strings.ReplaceAll(handsIt, "probe.pw", "other.pw")
	for name, c := range map[string]struct {
		units map[string]string
		want  string
	}{
		"in the unit itself":                           {map[string]string{ownUnit: handsIt}, "/etc/kerbagent/probe.pw"},
		"the administrator's unit hides the package's": {map[string]string{ownUnit: handsIt, "etc/systemd/system/kerbagent.service": other}, "/etc/kerbagent/other.pw"},
		"a drop-in of the package":                     {map[string]string{ownUnit: "[Service]\n", "usr/lib/systemd/system/kerbagent.service.d/a.conf": other}, "/etc/kerbagent/other.pw"},
		"a drop-in hides one of its name":              {map[string]string{ownUnit: handsIt, "usr/lib/systemd/system/kerbagent.service.d/a.conf": other, "etc/systemd/system/kerbagent.service.d/a.conf": ""}, "/etc/kerbagent/probe.pw"},
		"the later drop-in counts":                     {map[string]string{dropIn: handsIt, "usr/lib/systemd/system/kerbagent.service.d/x.conf": other}, "/etc/kerbagent/other.pw"},
		"an empty one forgets":                         {map[string]string{ownUnit: handsIt, dropIn: "[Service]\nLoadCredential=\n"}, ""},
		"encrypted":                                    {map[string]string{ownUnit: strings.ReplaceAll(handsIt, "Credential=", "CredentialEncrypted=")}, "/etc/kerbagent/probe.pw"},
		"another credential":                           {map[string]string{ownUnit: strings.ReplaceAll(handsIt, "=probe", "=probe2")}, ""},
		"a specifier, which is not replaced":           {map[string]string{ownUnit: "[Service]\nLoadCredential=probe:/etc/%p.pw\n"}, ""},
		"the manager's own":                            {map[string]string{ownUnit: "[Service]\nLoadCredential=probe\n"}, ""},
		"another unit":                                 {map[string]string{"etc/systemd/system/orders.service": handsIt}, ""},
		"no unit":                                      {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newCopied(t, c.units).handed(t).File; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A file is no copy, whatever the units say.
func TestAFileIsReadWhereItIs(t *testing.T) {
	c := newCopied(t, map[string]string{ownUnit: handsIt})
	cfg, err := config.Parse("kerbagent.yaml", fmt.Appendf(nil, "realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\nlogins: [{user: u@R.TEST, database: d, password_file: %q}]\n",
		filepath.Join(c.root, "etc/kerbagent/other.pw")))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.store.Material(cfg.Logins[0]); err != nil || m.Handed != (login.Handed{}) {
		t.Errorf("%+v, %v", m.Handed, err)
	}
}
