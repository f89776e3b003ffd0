//go:build lab

package audit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/audit/audittest"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// built compiles a Go program of testdata as a module of its own, as
// applications are: what a program is made of is told by its list of modules.
func built(t *testing.T, dir, name string) string {
	t.Helper()
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	src := filepath.Join(dir, "src-"+name)
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	const ours = "github.com/kerbagent/kerbagent"
	mod := strings.Replace(read(filepath.Join(repo, "go.mod")), "module "+ours, "module example.com/"+name, 1)
	main := read(filepath.Join("testdata", name, "main.go"))
	if strings.Contains(main, ours) {
		mod += fmt.Sprintf("\nrequire %s v0.0.0\nreplace %s => %s\n", ours, ours, repo)
	}
	put(t, filepath.Join(src, "go.mod"), mod, 0o644)
	put(t, filepath.Join(src, "go.sum"), read(filepath.Join(repo, "go.sum")), 0o644)
	put(t, filepath.Join(src, "main.go"), main, 0o644)
	program := filepath.Join(dir, name+"-program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false -trimpath", "GOPROXY=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	return program
}

// brokenApp is a program that cannot log in as it is started, and the code that
// says why.
type brokenApp struct {
	code   string
	broken app
}

// brokenAndMended shows of each program that its own login fails, that the
// audit's first finding is why, and that the healthy one logs in and has none.
func brokenAndMended(t *testing.T, program []string, cases []brokenApp, healthy app) {
	t.Helper()
	o := labOptions()
	o.Config.Krb5Conf = nil
	run := func(a app, what string) *exec.Cmd {
		return a.command(t, append(program, what, labtest.Endpoint, labtest.CA())...)
	}
	for _, c := range cases {
		t.Run(c.code, func(t *testing.T) {
			if out, err := run(c.broken, "ask").CombinedOutput(); !errors.As(err, new(*exec.ExitError)) {
				t.Fatalf("this is not broken: %v: %s", err, out)
			}
			a := audited(t, o, audittest.Running(t, run(c.broken, "wait")))
			if got := firstLine(a); got != c.code {
				t.Errorf("%v, want %s first; it reads %s as %s", got, c.code, a.Facts.Krb5Conf, a.Facts.Reader)
			}
		})
	}
	if out, err := run(healthy, "ask").CombinedOutput(); err != nil {
		t.Fatalf("this is not mended: %v\n%s", err, out)
	}
	a := audited(t, o, audittest.Running(t, run(healthy, "wait")))
	if got := codes(a); len(got) > 0 {
		t.Errorf("mended, and the audit says %v", got)
	}
	t.Logf("%s: client %q, reader %q, not seen: %q", program, a.Facts.Client, a.Facts.Reader, a.Unread)
}

// places are the files that the programs below are started with.
type places struct {
	t    *testing.T
	dir  string
	good string // the lab's krb5.conf
}

func newPlaces(t *testing.T) places {
	t.Helper()
	labtest.Up(t)
	good, err := os.ReadFile("/etc/krb5.conf")
	if err != nil {
		t.Fatal(err)
	}
	return places{t, folder(t), string(good)}
}

// ccache is the variable for a fresh ticket of a user's.
func (p places) ccache(name string, uid uint32) string {
	return "KRB5CCNAME=FILE:" + ticket(p.t, p.dir, name, uid)
}

// conf is the variable for the lab's file with something changed.
func (p places) conf(name, old, changed string) string {
	text := strings.Replace(p.good, old, changed, 1)
	if text == p.good {
		p.t.Fatalf("%q does not stand in the lab's krb5.conf", old)
	}
	return "KRB5_CONFIG=" + put(p.t, filepath.Join(p.dir, name), text, 0o644)
}

func (p places) none(variable string) string { return variable + filepath.Join(p.dir, "none") }

// A Go program with our connector: it reads no krb5.conf, and the cache that it
// is handed.
func TestLabBrokenConnector(t *testing.T) {
	t.Parallel()
	p := newPlaces(t)
	as := func(env ...string) app { return app{env: env, uid: appUser} }
	brokenAndMended(t, []string{built(t, p.dir, "connector")}, []brokenApp{
		{"app-ccache-missing", as(p.none("KRB5CCNAME=FILE:"))},
		{"app-ccache-foreign", as(p.ccache("root", 0))},
		{"app-ccache-unusable", as("KRB5CCNAME=KCM:")},
	}, as(p.ccache("connector", appUser)))
}

// A Go program with plain gokrb5, whose reader takes less than MIT's does.
func TestLabBrokenGokrb5(t *testing.T) {
	t.Parallel()
	p := newPlaces(t)
	cache := p.ccache("gokrb5", appUser)
	as := func(env ...string) app { return app{env: env, uid: appUser} }
	included := put(t, filepath.Join(p.dir, "included"), "include /etc/krb5.conf\n", 0o644)
	brokenAndMended(t, []string{built(t, p.dir, "gokrb5")}, []brokenApp{
		{"app-ccache-missing", as(p.none("KRB5CCNAME="))},
		{"app-ccache-unusable", as("KRB5CCNAME=DIR:" + p.dir)},
		{"app-krb5conf-unreadable", as(cache, p.none("KRB5_CONFIG="))},
		{"app-reader-differs", as(cache, "KRB5_CONFIG="+included)},
		{"app-reader-differs", as(cache, p.conf("refused", "[libdefaults]", "[libdefaults]\n    forwardable = sometimes"))},
		{"app-realm-unmapped", as(cache, p.conf("unmapped", ".rds.amazonaws.com = CORP.EXAMPLE.COM", ".rds.amazonaws.com = NOWHERE.TEST"))},
	}, as(cache))
}

// A Python program with MIT's library, by Debian's python3-gssapi.
func TestLabBrokenPython(t *testing.T) {
	t.Parallel()
	p := newPlaces(t)
	script := put(t, filepath.Join(p.dir, "login.py"), readTestdata(t, "login.py"), 0o644)
	caches := 0
	as := func(env ...string) app { return app{env: env, uid: appUser} }
	fresh := func() string { // a cache with service tickets would hide what a new login meets
		caches++
		return p.ccache(fmt.Sprintf("python%d", caches), appUser)
	}
	brokenAndMended(t, []string{"/usr/bin/python3", script}, []brokenApp{
		{"app-ccache-missing", as(p.none("KRB5CCNAME=FILE:"))},
		{"app-ccache-foreign", as(p.ccache("root", 0))},
		{"app-krb5conf-unreadable", as(fresh(), "KRB5_CONFIG="+put(t, filepath.Join(p.dir, "locked"), p.good, 0o600))},
		{"app-realm-unmapped", as(fresh(), p.conf("unmapped", ".rds.amazonaws.com = CORP.EXAMPLE.COM", ".rds.amazonaws.com = NOWHERE.TEST"))},
	}, as(fresh()))
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
