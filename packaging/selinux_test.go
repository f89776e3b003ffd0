//go:build packages

package packaging

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asks is setools' answer to each rule of its standard input: source, target, class, permission.
const asks = `import sys, setools
policy = setools.SELinuxPolicy(sys.argv[1])
for line in sys.stdin:
    s, t, c, p = line.split()
    q = setools.TERuleQuery(policy, ruletype=["allow"], source=s, target=t, tclass=[c], perms=[p])
    print(line.strip() if any(q.results()) else "")
`

// TestSELinux compiles the module of packaging/selinux, links it with Debian's own policy (taken from its package, not installed), and
// asks that policy, by setools, for what a daemon at work opened, as strace saw it. No kernel with SELinux is needed, and none is used.
func TestSELinux(t *testing.T) {
	dir := t.TempDir()
	run(t, "make", "--no-print-directory", "-C", "..", "selinux", "SELINUX_DIR="+dir)
	// xdm, whom base names as a login's role, is in a module of its own, which needs half of the others.
	sh(t, `cd "$1"; chmod 0755 .; apt-get -q download selinux-policy-default > /dev/null 2>&1; dpkg-deb -x selinux-policy-default_*.deb debian
		mkdir -p root/etc root/var/lib/selinux/default; cp -a debian/etc/selinux root/etc
		cd debian/usr/share/selinux/default
		bzip2 -dc base.pp.bz2 > "$1/base.pp"
		/usr/libexec/selinux/hll/pp "$1/base.pp" | grep -v '^(selinuxuser sddm ' > "$1/base.cil"
		semodule -p "$1/root" -S /var/lib/selinux -s default -n -X 100 -i "$1/base.cil" kerberos.pp.bz2 unconfined.pp.bz2 "$1/kerbagent.pp"`, dir)
	policy := only(t, filepath.Join(dir, "root/etc/selinux/default/policy"), "policy.*")

	may := []string{
		// systemd may start it there by SELinuxContext=, with NoNewPrivileges=
		"init_t kerbagent_t process transition", "init_t kerbagent_t process2 nnp_transition", "kerbagent_t kerbagent_t process fork",
		"kerbagent_t dns_port_t tcp_socket name_connect", "kerbagent_t kerberos_port_t tcp_socket name_connect",
		"kerbagent_t mysqld_port_t tcp_socket name_connect", "kerbagent_t http_port_t tcp_socket name_connect",
	}
	for _, file := range opened(t) {
		may = append(may, fmt.Sprintf("kerbagent_t %s %s %s", label(t, dir, file.path), file.class, file.permission))
	}
	// What it is confined for.
	never := []string{
		"kerbagent_t shadow_t file read", "kerbagent_t krb5_keytab_t file read", "kerbagent_t krb5_conf_t file write", "kerbagent_t etc_t file write",
		"kerbagent_t user_home_t file open", "kerbagent_t unconfined_t process transition", "kerbagent_t initrc_t process transition",
		"kerbagent_t kerbagent_t capability dac_override", "kerbagent_t bin_t file write",
	}
	slices.Sort(may)
	may = slices.Compact(may)
	ask := exec.Command("/usr/bin/python3", "-c", asks, policy)
	ask.Stdin = strings.NewReader(strings.Join(append(slices.Clone(may), never...), "\n"))
	var errs strings.Builder
	ask.Stderr = &errs
	out, err := ask.Output()
	if err != nil {
		t.Fatal(err, errs.String())
	}
	allowed := strings.Split(string(out), "\n")
	for _, rule := range may {
		if !slices.Contains(allowed, rule) {
			t.Errorf("missing: %s", rule)
		}
	}
	for _, rule := range never {
		if slices.Contains(allowed, rule) {
			t.Errorf("the daemon may: %s", rule)
		}
	}
	t.Log(strings.Join(may, "\n"))
}

// access is what the daemon did to a file.
type access struct{ path, class, permission string }

// opened runs the daemon on a rehearsal, for some rounds, and returns what it opened.
func opened(t *testing.T) []access {
	t.Helper()
	dir := t.TempDir()
	program, trace := filepath.Join(dir, "kerbagent"), filepath.Join(dir, "trace")
	run(t, "go", "build", "-o", program, "../cmd/kerbagent")
	realm := exec.Command(program, "rehearse", "--serve", filepath.Join(dir, "demo"))
	out, err := realm.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := realm.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		realm.Process.Kill()
		realm.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "run "); {
	}
	daemon := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace=openat", "timeout", "20", program, "run",
		"--config", filepath.Join(dir, "demo/kerbagent.yaml"), "--state-dir", filepath.Join(dir, "state"), "--web.listen-address", "127.0.0.1:0")
	if err := daemon.Run(); err != nil && !strings.Contains(err.Error(), "exit status 124") { // timeout's
		t.Fatal(err)
	}

	var all []access
	for _, m := range regexp.MustCompile(`openat\(AT_FDCWD, "(/[^"]*)", (\S+?)[,)].* = \d`).FindAllStringSubmatch(string(read(t, trace)), -1) {
		path, flags := m[1], m[2]
		if strings.HasPrefix(path, os.TempDir()) { // its state, the rehearsal's files: elsewhere in a service
			continue
		}
		a := access{path, "file", "open"}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			a.class = "dir"
		} else if err == nil && info.Mode()&os.ModeCharDevice != 0 {
			a.class = "chr_file"
		}
		if strings.Contains(flags, "O_WRONLY") || strings.Contains(flags, "O_RDWR") {
			a.permission = "write"
		}
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b access) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	all = slices.Compact(all)
	if len(all) < 5 {
		t.Fatalf("the daemon opened %v", all)
	}
	return all
}

// label returns the type of a path: by Debian's file contexts and the module's, and where the kernel makes the files by the policy itself.
func label(t *testing.T, dir, path string) string {
	t.Helper()
	if regexp.MustCompile(`^/proc/(self|\d+)/`).MatchString(path) { // the process's own
		return "kerbagent_t"
	}
	for _, made := range [][2]string{{"/proc/sys/net/", "sysctl_net_t"}, {"/proc/sys/kernel/", "sysctl_kernel_t"}, {"/proc/sys/", "sysctl_t"}, {"/proc/", "proc_t"},
		{"/sys/fs/cgroup/", "cgroup_t"}, {"/sys/", "sysfs_t"}} {
		if strings.HasPrefix(path, made[0]) {
			return made[1]
		}
	}
	out := run(t, "matchpathcon", "-n", "-f", filepath.Join(dir, "root/etc/selinux/default/contexts/files/file_contexts"), path)
	context := strings.Split(strings.TrimSpace(out), ":")
	if len(context) < 3 {
		t.Fatalf("no type of %s: %s", path, out)
	}
	return context[2]
}
