//go:build packages

// Package packaging makes the deb and rpm packages (build.sh), and here tests
// them: built twice, judged by lintian, and installed, upgraded and removed for
// real. It needs root, Debian's lintian and rpm, and the lab's systemd container
// (lab.sh extra systemd); not the client host's network. It imports nothing of
// kerbagent.
package packaging

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newer is the version of the package that is upgraded to.
const newer = "99.0.0"

// TestPackages takes PACKAGES=DIR for packages that are made already, and NEWER=DIR for
// those of the newer version; then it installs only.
func TestPackages(t *testing.T) {
	if dir := os.Getenv("PACKAGES"); dir != "" {
		testLives(t, only(t, dir, "*_amd64.deb"), only(t, dir, "*.x86_64.rpm"), os.Getenv("NEWER"))
		return
	}
	first, second, third := t.TempDir(), t.TempDir(), t.TempDir()
	run(t, "./build.sh", first)
	deb, rpm := only(t, first, "*_amd64.deb"), only(t, first, "*.x86_64.rpm")

	t.Run("the same commit makes the same bytes", func(t *testing.T) {
		sh(t, `umask 077; TZ=Asia/Tokyo LC_ALL=C.UTF-8 ARCHES=amd64 ./build.sh "$1"`, second)
		for _, file := range []string{deb, rpm} {
			if !bytes.Equal(read(t, file), read(t, filepath.Join(second, filepath.Base(file)))) {
				t.Errorf("%s differs", filepath.Base(file))
			}
		}
	})

	t.Run("lintian", func(t *testing.T) {
		for _, file := range []string{deb, only(t, first, "*_arm64.deb")} {
			if out := run(t, "lintian", "--allow-root", "--fail-on=error,warning", file); out != "" {
				t.Error(out)
			}
		}
	})

	t.Run("the program is static, and of its architecture", func(t *testing.T) {
		for file, want := range map[string]elf.Machine{deb: elf.EM_X86_64, only(t, first, "*_arm64.deb"): elf.EM_AARCH64} {
			dir := t.TempDir()
			run(t, "dpkg-deb", "--extract", file, dir)
			f, err := elf.Open(filepath.Join(dir, "usr/bin/kerbagent"))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != want || f.Section(".interp") != nil || f.Section(".symtab") != nil {
				t.Errorf("%s: %v", filepath.Base(file), f.Machine)
			}
			f.Close()
		}
		if got := strings.Fields(run(t, "rpm", "--query", "--package", "--queryformat", "%{ARCH}", only(t, first, "*.aarch64.rpm"))); got[0] != "aarch64" {
			t.Error(got)
		}
	})

	sh(t, `VERSION=`+newer+` ARCHES=amd64 ./build.sh "$1"`, third)
	testLives(t, deb, rpm, third)
}

// testLives installs, upgrades and removes what was made.
func testLives(t *testing.T, deb, rpm, third string) {
	t.Run("deb", func(t *testing.T) { testDeb(t, deb, only(t, third, "*.deb")) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, rpm, only(t, third, "*.rpm")) })
}

// testDeb is the life of the package on a host with a systemd.
func testDeb(t *testing.T, deb, newDeb string) {
	run(t, "../lab/lab.sh", "extra", "systemd")
	root := labState("sd", "root")
	t.Cleanup(func() {
		sd(t, "dpkg --purge kerbagent; rm -rf /etc/kerbagent /root/kerbagent*.deb; systemctl reset-failed")
	})
	for _, file := range []string{deb, newDeb} {
		write(t, filepath.Join(root, "root", filepath.Base(file)), read(t, file))
	}

	do(t, "dpkg --install /root/"+filepath.Base(deb))
	equal(t, "at first", "enabled enabled inactive inactive", sd(t, `
		systemctl is-enabled kerbagent.service kerbagent-krb5conf.path
		systemctl is-active kerbagent.service kerbagent-krb5conf.path`))
	equal(t, "no configuration is shipped", "", sd(t, "ls -A /etc/kerbagent"))
	equal(t, "the units", "", sd(t, "systemd-analyze verify --man=no kerbagent.service kerbagent-krb5conf.service kerbagent-krb5conf.path"))
	equal(t, "completion", "complete -o default -F __start_kerbagent kerbagent",
		sd(t, `bash -c '. /usr/share/bash-completion/completions/kerbagent; complete -p kerbagent'`))

	do(t, `printf 'realms: {CORP.EXAMPLE.COM: {}}\nprobes: {interval: 2s, timeout: 1s}\n' > /etc/kerbagent/kerbagent.yaml
		systemctl start kerbagent.service`)
	before := sd(t, "systemctl show -P MainPID kerbagent.service; sha256sum < /var/lib/kerbagent/host.key")
	equal(t, "started", "active", sd(t, "systemctl is-active kerbagent.service"))

	do(t, "systemctl disable --now kerbagent-krb5conf.path 2> /dev/null\ndpkg --install /root/"+filepath.Base(newDeb))
	equal(t, "upgraded", "active disabled inactive "+newer+"-1", sd(t, `
		systemctl is-active kerbagent.service; systemctl is-enabled kerbagent-krb5conf.path
		systemctl is-active kerbagent-krb5conf.path; dpkg-query --show -f '${Version}' kerbagent`))
	after := sd(t, "systemctl show -P MainPID kerbagent.service; sha256sum < /var/lib/kerbagent/host.key")
	if pid, key := strings.Fields(before), strings.Fields(after); pid[0] == key[0] || pid[1] != key[1] {
		t.Errorf("the new program does not run, or not with the old record: %s, then %s", before, after)
	}

	do(t, "systemctl stop kerbagent.service\ndpkg --install /root/"+filepath.Base(newDeb))
	equal(t, "stopped by its administrator", "inactive", sd(t, "systemctl is-active kerbagent.service"))

	do(t, "systemctl start kerbagent.service\ndpkg --remove kerbagent")
	equal(t, "removed", "inactive not-found kerbagent.yaml host.key", sd(t, `
		systemctl is-active kerbagent.service; systemctl show -P LoadState kerbagent.service
		ls -A /etc/kerbagent; ls /var/lib/private/kerbagent/host.key | xargs basename`))
	do(t, "dpkg --purge kerbagent")
	equal(t, "purged", "/etc/kerbagent /etc/kerbagent/kerbagent.yaml", sd(t, `
		find / -xdev '(' -path /proc -o -path /root -o -path /var/log ')' -prune -o -path '*kerbagent*' -print; find /run/kerbagent 2> /dev/null`))
}

// testRPM is the life of the package without a running systemd, as in the build
// of an image.
func testRPM(t *testing.T, rpm, newRPM string) {
	root := debian(t)
	rpmIn := func(args ...string) string { return run(t, "rpm", append([]string{"--root", root}, args...)...) }
	enabled := func() string {
		return sh(t, `cd "$1/etc/systemd/system/multi-user.target.wants" && ls | grep kerbagent || :`, root)
	}

	rpmIn("--install", "--nodeps", rpm)
	equal(t, "files", "", rpmIn("--verify", "--nodeps", "kerbagent"))
	equal(t, "enabled, by Debian's presets", "kerbagent-krb5conf.path kerbagent.service", enabled())
	equal(t, "program", "kerbagent "+packageVersion(t, rpm), strings.ReplaceAll(strings.TrimSuffix(sh(t, `chroot "$1" kerbagent version | cut -d' ' -f1,2 | sed 's/-/~/; s/-/./g'`, root), "\n"), "\n", " "))
	if err := os.WriteFile(filepath.Join(root, "etc/kerbagent/kerbagent.yaml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "rm", root+"/etc/systemd/system/multi-user.target.wants/kerbagent-krb5conf.path")
	rpmIn("--upgrade", "--nodeps", newRPM)
	equal(t, "upgraded", newer, rpmIn("--query", "--queryformat", "%{VERSION}", "kerbagent"))
	equal(t, "as its administrator left it", "kerbagent.service", enabled())
	rpmIn("--erase", "kerbagent")
	equal(t, "removed", "", enabled())
	equal(t, "what people wrote stays", "etc/kerbagent etc/kerbagent/kerbagent.yaml", sh(t, `cd "$1" && find etc usr var -path '*kerbagent*'`, root))
}
