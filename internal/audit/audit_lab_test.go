//go:build lab

package audit

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit/audittest"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

const (
	labRealm = "CORP.EXAMPLE.COM"
	appUser  = 64100 // of the applications in this test; no account has that number
)

// app is how an application is started.
type app struct {
	env  []string
	wrap []string // a program that starts it
	uid  uint32
	lib  []string // what it has loaded; nil for MariaDB's client with MIT's Kerberos
	wait int      // how many seconds MariaDB's client may take to connect; 0: 20
}

func (a app) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	args = slices.Concat(a.wrap, args)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "HOME=/nonexistent", "PASSWORD=" + planted}, a.env...)
	cmd.Dir = "/"
	if a.uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.uid, Gid: a.uid}}
	}
	return cmd
}

// shortly is for who finds no name: it is looked up again and again for as long.
const shortly = 2

// login tries what the application would: the truth is MariaDB's own client.
func (a app) login(t *testing.T) (string, error) {
	t.Helper()
	out, err := a.command(t, "mariadb", "--no-defaults", "-h", labtest.Endpoint, "-u", "alice", "--ssl-ca="+labtest.CA(), fmt.Sprint("--connect-timeout=", cmp.Or(a.wait, 20)),
		"-e", "SELECT CURRENT_USER()").CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// start has the application run, with its libraries loaded, and wait.
func (a app) start(t *testing.T) (pid int) {
	t.Helper()
	lib := a.lib
	if lib == nil {
		lib = []string{"libmariadb.so.3", "libgssapi_krb5.so.2"}
	}
	load := fmt.Sprintf("import ctypes\nfor l in %q.split(): ctypes.CDLL(l)\nprint('running', flush=True)\ninput()", strings.Join(lib, " "))
	return audittest.Running(t, a.command(t, "/usr/bin/python3", "-c", load))
}

func labOptions() Options {
	return Options{Config: &config.Config{
		Realms:    []config.Realm{{Name: labRealm, Kind: config.ActiveDirectory}},
		Databases: []config.Database{{Name: "orders", Host: labtest.Endpoint, Port: 3306, Realm: labRealm}},
		Krb5Conf:  &config.Krb5Conf{Path: "/etc/krb5.conf"},
	}}
}

// ticket gets one as a user, into a cache of that user's.
func ticket(t *testing.T, dir, name string, uid uint32, args ...string) string {
	t.Helper()
	cache := filepath.Join(dir, name)
	args = append([]string{"-c", cache, "-k", "-t", labtest.Keytab("alice")}, args...)
	cmd := exec.CommandContext(t.Context(), "kinit", append(args, "alice@"+labRealm)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kinit: %v\n%s", err, out)
	}
	if err := os.Chown(cache, int(uid), int(uid)); err != nil {
		t.Fatal(err)
	}
	return cache
}

// Applications that are broken, each in one way: MariaDB's own client cannot
// log in as they are started, and the first thing that the audit says is why.
// With that one thing mended it logs in, and nothing is said.
func TestLabBrokenApplications(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	dir := folder(t)
	good, err := os.ReadFile("/etc/krb5.conf")
	if err != nil {
		t.Fatal(err)
	}
	file := func(name, text string, mode os.FileMode) string { return put(t, filepath.Join(dir, name), text, mode) }
	edited := func(name, old, changed string) string {
		text := strings.ReplaceAll(string(good), old, changed)
		if text == string(good) {
			t.Fatalf("%s: %q does not stand in the lab's krb5.conf", name, old)
		}
		return file(name, text, 0o644)
	}
	keytab := func(from, name string, uid int, mode os.FileMode) string {
		b, err := os.ReadFile(labtest.Keytab(from))
		if err != nil {
			t.Fatal(err)
		}
		at := file(name, string(b), mode)
		if err := os.Chown(at, uid, uid); err != nil {
			t.Fatal(err)
		}
		return at
	}
	caches := 0
	fresh := func() string { // a cache with service tickets would hide what a new login meets
		caches++
		return "KRB5CCNAME=FILE:" + ticket(t, dir, fmt.Sprintf("cc%d", caches), appUser)
	}
	own := filepath.Join(dir, "own")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Chown(own, appUser, appUser)); err != nil {
		t.Fatal(err)
	}
	none := "KRB5CCNAME=FILE:" + filepath.Join(dir, "none")
	inTmp := ticket(t, "/tmp", fmt.Sprintf("krb5cc_audit_%d", os.Getpid()), appUser)
	t.Cleanup(func() { os.Remove(inTmp) })
	private := []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o mode=1777 none /tmp && exec "$@"`, "sh"}
	healthy := app{env: []string{fresh()}, uid: appUser}
	conf := func(name string) app { return app{env: []string{fresh(), "KRB5_CONFIG=" + name}, uid: appUser} }
	cached := func(name string, uid uint32) app { return app{env: []string{name}, uid: uid} }
	keyed := func(name string) app {
		return app{env: []string{"KRB5CCNAME=FILE:" + filepath.Join(own, filepath.Base(name)), "KRB5_CLIENT_KTNAME=" + name}, uid: appUser}
	}
	for _, c := range []struct {
		code           string
		broken, mended app
	}{
		{"app-ccache-missing", cached(none, appUser), healthy},
		{"app-ccache-foreign", cached("KRB5CCNAME=FILE:"+ticket(t, dir, "root", 0), appUser), healthy},
		{"app-ccache-unusable", cached("KRB5CCNAME=KCM:", appUser), healthy},
		{"app-ccache-unusable", cached("KRB5CCNAME=FILE:"+keytab("alice", "nocache", appUser, 0o600), appUser), healthy},
		{"app-private-tmp", app{env: []string{"KRB5CCNAME=FILE:" + inTmp}, wrap: private}, app{env: []string{"KRB5CCNAME=FILE:" + inTmp}}},
		{"app-krb5conf-unreadable", conf(file("unreadable.conf", string(good), 0o600)), healthy},
		{"app-realm-unmapped", conf(edited("unkept.conf", "dns_lookup_kdc = true", "dns_lookup_kdc = false")), healthy},
		{"app-krb5conf-other", conf(edited("nokdc.conf", "dns_lookup_kdc = true", "dns_lookup_kdc = false")), healthy},
		{"app-keytab-unreadable", keyed(keytab("alice", "locked.keytab", 0, 0o600)), keyed(keytab("alice", "open.keytab", appUser, 0o600))},
		{"app-keytab-unreadable", keyed(filepath.Join(dir, "none.keytab")), keyed(keytab("alice", "there.keytab", appUser, 0o600))},
		{"app-ccache-unusable", app{env: []string{none, "KRB5_CLIENT_KTNAME=" + keytab("alice", "nowhere.keytab", appUser, 0o600)}, uid: appUser}, healthy},
		{"app-plugin-missing", app{env: []string{fresh(), "MARIADB_PLUGIN_DIR=" + dir}, uid: appUser}, healthy},
	} {
		t.Run(c.code, func(t *testing.T) {
			o := labOptions()
			if c.code == "app-realm-unmapped" {
				o.Config.Krb5Conf = nil // with a file that is kept the finding is that this is another one
			}
			if out, err := c.broken.login(t); err == nil {
				t.Fatalf("this is not broken: the client logs in: %s", out)
			}
			if a := audited(t, o, c.broken.start(t)); firstLine(a) != c.code {
				t.Errorf("%q first, want %s: %v", firstLine(a), c.code, codes(a))
			}
			if out, err := c.mended.login(t); err != nil {
				t.Fatalf("this is not mended: %v\n%s", err, out)
			}
			if got := codes(audited(t, o, c.mended.start(t))); len(got) > 0 {
				t.Errorf("mended, and the audit says %v", got)
			}
		})
	}
}

// A program in a network of its own has a ticket, and reaches no database with it.
func TestLabProgramWithoutANetwork(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	env := []string{"KRB5CCNAME=FILE:" + ticket(t, folder(t), "cc", 0)}
	o := labOptions()
	o.Network, o.Addresses = true, hostAddresses
	for name, a := range map[string]app{"this host's": {env: env}, "its own": {env: env, wrap: []string{"unshare", "-n"}, wait: shortly}} {
		out, err := a.login(t)
		got := codes(audited(t, o, a.start(t)))
		if works, alone := err == nil, name == "its own"; works == alone || slices.Contains(got, "app-network-unreachable") != alone {
			t.Errorf("in %s network: logs in %v, the audit says %v\n%s", name, works, got, out)
		}
	}
}

// A ticket is said to end when MIT's own library says so; of one that lives for
// half an hour that is soon in the last quarter, not from its first moment on.
func TestLabTicketEnds(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	dir := folder(t)
	a := app{env: []string{"KRB5CCNAME=FILE:" + ticket(t, dir, "short", 0, "-l", "30m")}}
	pid := a.start(t)
	o := labOptions()
	if got := codes(audited(t, o, pid)); len(got) > 0 {
		t.Errorf("half an hour before the end: %v", got)
	}
	o.Now = func() time.Time { return time.Now().Add(25 * time.Minute) }
	if got := codes(audited(t, o, pid)); !slices.Equal(got, []string{"app-ccache-expiring"}) {
		t.Errorf("five minutes before the end: %v", got)
	}
	o.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if got := codes(audited(t, o, pid)); !slices.Equal(got, []string{"app-ccache-expired"}) {
		t.Errorf("half an hour after the end: %v", got)
	}
}

// An application that has a connection to the database is found by it.
func TestLabConnectedApplicationIsFound(t *testing.T) {
	t.Parallel()
	labtest.Up(t)
	a := app{env: []string{"KRB5CCNAME=FILE:" + ticket(t, folder(t), "cc", 0)}}
	cmd := a.command(t, "mariadb", "--no-defaults", "-h", labtest.Endpoint, "-u", "alice", "--ssl-ca="+labtest.CA(), "-N", "--unbuffered")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	fmt.Fprintln(in, "SELECT CURRENT_USER();")
	if line, _ := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "alice@") {
		t.Fatalf("the client says %q", line)
	}
	o := labOptions()
	o.Now = time.Now
	o.Addresses = hostAddresses
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Applications, func(a Application) bool { return slices.Contains(a.PIDs, cmd.Process.Pid) })
	if i < 0 {
		t.Fatalf("the client is not among %+v (unread %q)", r.Applications, r.Unread)
	}
	if a := r.Applications[i]; a.Database != "orders" || a.Facts.Reader != "mit" || a.Facts.CacheUser != "alice@"+labRealm || len(a.Issues) > 0 {
		t.Errorf("%+v", a)
	}
}
