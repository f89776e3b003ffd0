//go:build linux

package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit/audittest"
)

// program starts a program that waits, with an environment of its own and as
// this user unless attr says otherwise. It runs what wrap names, if anything.
func program(t *testing.T, attr *syscall.SysProcAttr, env []string, wrap ...string) int {
	t.Helper()
	args := slices.Concat(wrap, []string{"/bin/sh", "-c", "echo running; read x", "sh", "--password=" + planted})
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "PASSWORD=" + planted}, env...)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	return audittest.Running(t, cmd)
}

// planted is a secret that no output may show.
const planted = "Hunter2-planted"

// audited looks at one program and checks that nothing of its secrets shows.
func audited(t *testing.T, o Options, pid int) Application {
	t.Helper()
	o.PIDs = []int{pid}
	if o.Now == nil {
		o.Now = time.Now
	}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Applications) != 1 {
		t.Fatalf("%d applications, unread %q", len(r.Applications), r.Unread)
	}
	everything, err := json.Marshal([]any{r, Results(r, time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(everything)+fmt.Sprintf("%+v", r), planted) {
		t.Errorf("a secret shows: %s", everything)
	}
	return r.Applications[0]
}

func codes(a Application) []string {
	var out []string
	for _, i := range a.Issues {
		out = append(out, i.Code)
	}
	return out
}

func onlyRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: needs root, to run a program as another user")
	}
}

// folder is a directory that every user may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != filepath.Dir(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o055 != 0o055 {
			if err := os.Chmod(d, st.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func put(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return name
}

// A variable that names a file which the program's user may not read must not
// make root read it: not even opened.
func TestFileOfOthersIsNeverOpened(t *testing.T) {
	onlyRoot(t)
	dir := folder(t)
	shadow := put(t, filepath.Join(dir, "shadow"), "root:"+planted, 0o600)
	watch, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, shadow, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, env := range []string{"KRB5_CONFIG=", "KRB5CCNAME=FILE:", "KRB5_CLIENT_KTNAME=FILE:"} {
		a := audited(t, Options{}, program(t, nobody, []string{env + shadow}))
		want := map[string]string{"KRB5_CONFIG=": "app-krb5conf-unreadable", "KRB5CCNAME=FILE:": "app-ccache-foreign", "KRB5_CLIENT_KTNAME=FILE:": "app-keytab-unreadable"}[env]
		if !slices.Contains(codes(a), want) {
			t.Errorf("%s: %v, want %s", env, codes(a), want)
		}
	}
	buf := make([]byte, 4096)
	if n, err := unix.Read(watch, buf); err == nil && n > 0 {
		t.Error("the file was opened")
	}
	if f, err := os.Open(shadow); err == nil { // the watch works
		f.Close()
	}
	if n, err := unix.Read(watch, buf); err != nil || n <= 0 {
		t.Error("the test would not see it: no event after the file was opened for real")
	}
}

// A program with a mount namespace of its own is judged by its own files.
func TestOwnFileSystem(t *testing.T) {
	onlyRoot(t)
	if out, err := exec.Command("unshare", "-m", "true").CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: no right to make a mount namespace: %s", out)
	}
	cache := put(t, filepath.Join("/tmp", fmt.Sprintf("krb5cc_audit_test_%d", os.Getpid())), "not a cache", 0o600)
	t.Cleanup(func() { os.Remove(cache) })
	pid := program(t, nil, []string{"KRB5CCNAME=FILE:" + cache}, "unshare", "-m", "sh", "-c", `mount -t tmpfs none /tmp && exec "$@"`, "sh")
	if a := audited(t, Options{}, pid); !slices.Contains(codes(a), "app-private-tmp") {
		t.Errorf("%v, want app-private-tmp: the cache is in this host's /tmp and the program has another", codes(a))
	}
}

// What a program was started with decides which file it reads and what it says.
func TestSettingsOfAProgram(t *testing.T) {
	dir := t.TempDir()
	kept := put(t, filepath.Join(dir, "kept.conf"), "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n[domain_realm]\n db.example.net = CORP.EXAMPLE.COM\n", 0o644)
	wrong := put(t, filepath.Join(dir, "wrong.conf"), "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n[domain_realm]\n db.example.net = OTHER.TEST\n", 0o644)
	unfound := put(t, filepath.Join(dir, "unfound.conf"), "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n dns_lookup_kdc = false\n", 0o644)
	cfg := &config.Config{
		Realms:    []config.Realm{{Name: "CORP.EXAMPLE.COM", Kind: config.ActiveDirectory}},
		Databases: []config.Database{{Name: "orders", Host: "db.example.net", Port: 3306, Realm: "CORP.EXAMPLE.COM"}},
		Krb5Conf:  &config.Krb5Conf{Path: kept},
	}
	none := filepath.Join(dir, "none")
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"another file", []string{"KRB5_CONFIG=" + wrong}, []string{"app-krb5conf-other", "app-realm-unmapped"}},
		{"a realm without a KDC", []string{"KRB5_CONFIG=" + unfound}, []string{"app-krb5conf-other", "app-realm-unmapped"}},
		{"no file", []string{"KRB5_CONFIG=" + none}, []string{"app-krb5conf-other", "app-krb5conf-unreadable"}},
		{"no cache", []string{"KRB5_CONFIG=" + kept, "KRB5CCNAME=" + none}, []string{"app-ccache-missing"}},
		{"a cache of an unknown type", []string{"KRB5_CONFIG=" + kept, "KRB5CCNAME=MSLSA:"}, []string{"app-ccache-unusable"}},
		{"a KCM without its daemon", []string{"KRB5_CONFIG=" + kept, "KRB5CCNAME=KCM:"}, []string{"app-ccache-unusable"}},
		{"a cache that is none", []string{"KRB5_CONFIG=" + kept, "KRB5CCNAME=" + wrong}, []string{"app-ccache-unusable"}},
		{"a keytab that is none", []string{"KRB5_CONFIG=" + kept, "KRB5_CLIENT_KTNAME=" + wrong, "KRB5CCNAME=MEMORY:"}, []string{"app-keytab-unreadable"}},
		{"a keyring cache is not judged", []string{"KRB5_CONFIG=" + kept, "KRB5CCNAME=KEYRING:persistent:0"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := codes(audited(t, Options{Config: cfg}, program(t, nil, c.env)))
			for _, w := range c.want {
				if !slices.Contains(got, w) {
					t.Errorf("%v, want %s among them", got, w)
				}
			}
			if c.want == nil && len(got) > 0 {
				t.Errorf("%v, want nothing", got)
			}
		})
	}
}

// A program that ends while it is looked at is said to have ended, and no
// other program with its number is judged in its place.
func TestEndedProgram(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := openProcess(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	in.Close()
	_ = cmd.Wait()
	if err := p.alive(); err == nil {
		t.Error("a program that has ended is said to be alive")
	}
	if err := p.readEnvironment(); err == nil {
		t.Error("the environment of a program that has ended was read")
	}
	if _, err := Run(context.Background(), Options{Targets: Targets{PIDs: []int{1 << 22}}, Now: time.Now}); err == nil {
		t.Error("a process that there is not was audited")
	}
}

// Only the options that decide a Kerberos login are kept of a command line.
func TestJavaOptionsAreSifted(t *testing.T) {
	got := javaOptions([]string{"java", "-Djava.security.krb5.conf=/etc/k", "-Ddb.password=" + planted, "-Djava.security.auth.login.config=/etc/j", "-Dsun.security.krb5.debug=true", planted})
	want := []string{"-Djava.security.krb5.conf=/etc/k", "-Djava.security.auth.login.config=/etc/j", "-Dsun.security.krb5.debug=true"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// The libraries of one name are told apart by their version.
func TestParseMaps(t *testing.T) {
	line := func(file string) string { return "7f0000000000-7f0000001000 r-xp 00000000 fe:01 42   " + file + "\n" }
	for _, c := range []struct {
		maps string
		want libraries
	}{
		{line("/usr/lib/x86_64-linux-gnu/libkrb5.so.3.3"), libraries{mit: true}},
		{line("/usr/lib/x86_64-linux-gnu/libkrb5.so.26.0.0"), libraries{heimdal: true}},
		{line("/usr/lib/x86_64-linux-gnu/libmariadb.so.3") + line("/a b/auth_gssapi_client.so"), libraries{client: LibMariaDB, clientPath: "/usr/lib/x86_64-linux-gnu/libmariadb.so.3", plugins: []string{"auth_gssapi_client.so"}}},
		{line("/opt/jdk/lib/server/libjvm.so (deleted)"), libraries{jvm: "/opt/jdk/lib/server/libjvm.so", client: JavaDriver}},
		{"7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n", libraries{}},
	} {
		if got := parseMaps(c.maps); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%q: %+v, want %+v", c.maps, got, c.want)
		}
	}
}

// A connection is read from /proc/net/tcp as the kernel writes it.
func TestParseSocket(t *testing.T) {
	remote, inode, ok := parseSocket("   1: 0100007F:9C40 0903 4D0A:0CEA 01 x")
	if ok {
		t.Errorf("a torn line is taken: %v %s", remote, inode)
	}
	remote, inode, ok = parseSocket("   1: 0100007F:9C40 14034D0A:0CEA 01 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 20 4 30 10 -1")
	if !ok || remote.String() != "10.77.3.20:3306" || inode != "12345" {
		t.Errorf("%v %s %v, want 10.77.3.20:3306 and 12345", remote, inode, ok)
	}
}

// The one-shot of systemd is sandboxed, so its own namespaces are not the host's:
// a program with those of the host's first process has none of its own.
func TestAuditFromASandbox(t *testing.T) {
	if pid, err := strconv.Atoi(os.Getenv("AUDITED_IN_SANDBOX")); err == nil {
		fmt.Printf("apart: %q\n", audited(t, Options{}, pid).Facts.Apart)
		return
	}
	onlyRoot(t)
	if out, err := exec.Command("unshare", "-f", "-p", "-m", "-n", "--mount-proc", "true").CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT: no right to make namespaces: %s", out)
	}
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	audit := func(program string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "unshare", "-f", "-p", "--mount-proc", "sh", "-c",
			program+` sleep 1000 & while read -r name < /proc/$!/comm && [ "$name" != sleep ]; do :; done
AUDITED_IN_SANDBOX=$! unshare -m -n "$0" -test.run='^TestAuditFromASandbox$'; kill $!`, me)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := audit(""); !strings.Contains(out, `apart: ""`) {
		t.Errorf("a program like the first one: %s", out)
	}
	if out := audit("unshare -n"); !strings.Contains(out, `apart: "net"`) {
		t.Errorf("a program with a network of its own: %s", out)
	}
}

// A bug that shows in one process costs the audit that process, and not the others.
func TestAPanicCostsOneProcess(t *testing.T) {
	o := Options{Targets: Targets{PIDs: []int{program(t, nil, nil), program(t, nil, nil)}}, Now: time.Now}
	s := newSurvey(t.Context(), o)
	processes, _, err := s.selected(t.Context())
	if err != nil || len(processes) != 2 {
		t.Fatalf("%d processes: %v", len(processes), err)
	}
	for i, p := range processes {
		defer p.close()
		s.saw = func(*inspection) {
			if i == 0 {
				panic("a bug")
			}
		}
		if _, err := s.within(t.Context(), p); (err != nil) != (i == 0) || i == 0 && !strings.Contains(err.Error(), "a bug") {
			t.Errorf("process %d: %v", i, err)
		}
	}
}
