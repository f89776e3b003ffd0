//go:build release

package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRelease makes a release, and installs it by each way that it has: apt, dnf,
// a container. It needs root, the programs of lab/packages-release.txt, the lab and its
// systemd container. RELEASE=DIR takes one that is made already.
func TestRelease(t *testing.T) {
	dir := os.Getenv("RELEASE")
	if dir == "" {
		dir = testBuild(t)
	}
	t.Run("the sums are right, whole and signed", func(t *testing.T) { testSums(t, dir) })
	t.Run("what it is made of", func(t *testing.T) { testSBOM(t, dir) })
	t.Run("apt", func(t *testing.T) { testApt(t, dir) })
	t.Run("dnf", func(t *testing.T) { testDnf(t, dir) })
	t.Run("arm64", func(t *testing.T) { testARM64(t, dir) })
	t.Run("image", func(t *testing.T) { testImage(t, dir) })
	t.Run("ansible", func(t *testing.T) { testAnsible(t, dir) })
}

// testBuild makes a release, and makes it again.
func testBuild(t *testing.T) string {
	key, dir := signer(t), filepath.Join(t.TempDir(), "release")
	release := func(dir string, env ...string) {
		t.Helper()
		run(t, "env", append(env, "KEY="+key, "./release.sh", dir)...)
	}
	release(dir)
	t.Run("the same commit and key make the same bytes", func(t *testing.T) {
		again := filepath.Join(t.TempDir(), "again")
		release(again, "TZ=Asia/Tokyo", "LC_ALL=C.UTF-8")
		if out := run(t, "bash", "-c", `diff -r "$0" "$1" || :`, dir, again); out != "" {
			t.Error(out)
		}
	})
	return dir
}

// signer makes a key and returns the file of its secret part.
func signer(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	sh(t, `export GNUPGHOME=$(mktemp -d); trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
		gpg --batch --quiet --passphrase '' --quick-generate-key 'Release test <test@example.com>' rsa3072 sign never
		gpg --batch --quiet --export-secret-keys > "$1"`, file)
	return file
}

func testSums(t *testing.T, dir string) {
	sh(t, `cd "$1"; sha256sum --quiet --strict --check SHA256SUMS
		gpg --dearmor < kerbagent.asc > "$(dirname "$1")/key.gpg"
		gpgv --quiet --keyring "$(dirname "$1")/key.gpg" SHA256SUMS.asc SHA256SUMS`, dir)
	equal(t, "files without a sum", "", sh(t, `cd "$1"; comm -13 <(cut -c67- SHA256SUMS | sort) <(find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | sort)`, dir))
	for _, pattern := range []string{"*.deb", "*.rpm", "*.tar.gz", "*.cdx.json"} {
		if files, _ := filepath.Glob(filepath.Join(dir, pattern)); len(files) != 2 {
			t.Errorf("%s: %v, want one each for amd64 and arm64", pattern, files)
		}
	}
}

func testSBOM(t *testing.T, dir string) {
	var bom struct {
		BOMFormat  string
		Components []struct{ Name, Version, Purl string }
	}
	if err := json.Unmarshal(read(t, only(t, dir, "*-linux-amd64.cdx.json")), &bom); err != nil {
		t.Fatal(err)
	}
	// what Go says of the program itself
	sh(t, `tar -xzf "$1"/kerbagent-*-linux-amd64.tar.gz -C "$1/.." --strip-components=1 --wildcards '*/kerbagent'`, dir)
	linked := strings.Fields(run(t, "bash", "-c", `go version -m "$0" | awk '$1 == "dep" { print $2 "@" $3 }'`, filepath.Join(dir, "..", "kerbagent")))
	for _, module := range linked {
		if !slices.ContainsFunc(bom.Components, func(c struct{ Name, Version, Purl string }) bool { return c.Name+"@"+c.Version == module }) {
			t.Errorf("%s is linked in, and missing", module)
		}
	}
	if bom.BOMFormat != "CycloneDX" || len(linked) == 0 {
		t.Errorf("format %q, %d modules linked in", bom.BOMFormat, len(linked))
	}
}

// testApt has a clean Debian's own apt install from the tree, and refuse a tree
// that somebody has changed.
func testApt(t *testing.T, dir string) {
	root := debian(t)
	run(t, "cp", "-a", filepath.Join(dir, "apt"), filepath.Join(root, "srv"))
	run(t, "cp", filepath.Join(dir, "kerbagent.asc"), filepath.Join(root, "usr/share/keyrings"))
	source := "deb [signed-by=/usr/share/keyrings/kerbagent.asc] file:/srv/apt stable main\n"
	write(t, filepath.Join(root, "etc/apt/sources.list"), []byte(source))
	apt := func(script string) string { return run(t, "chroot", root, "sh", "-ec", script) }

	apt("apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install kerbagent")
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(only(t, dir, "*_amd64.deb")), "kerbagent_"), "_amd64.deb")
	equal(t, "installed", "install ok installed "+version, apt("dpkg-query --show -f '${Status} ${Version}' kerbagent"))
	if out := apt("kerbagent rehearse || :"); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("rehearse: %s", out)
	}

	stable := filepath.Join(root, "srv/apt/dists/stable")
	for name, change := range map[string]string{
		"Packages":  `cd "$1/main/binary-amd64"; sed -i 's/^Version: .*/Version: 99/' Packages; gzip -9nkf Packages`,
		"InRelease": `cd "$1"; sed -i 's/^Suite: .*/Suite: other/' InRelease; rm Release.gpg`,
	} {
		run(t, "rm", "-rf", stable)
		run(t, "cp", "-a", filepath.Join(dir, "apt/dists/stable"), stable)
		sh(t, change, stable)
		out, err := exec.Command("chroot", root, "sh", "-c", "rm -rf /var/lib/apt/lists/*; apt-get -q --error-on=any update").CombinedOutput()
		if err == nil {
			t.Errorf("a changed %s is believed: %s", name, out)
		}
	}
}

// testDnf has Debian's dnf install the tree below a directory, signatures checked.
func testDnf(t *testing.T, dir string) {
	root := debian(t)
	etc := t.TempDir()
	write(t, filepath.Join(etc, "dnf.conf"), []byte("[main]\nreposdir="+etc+"\ncachedir="+etc+"/cache\nlogdir="+etc+"\npersistdir="+etc+"/persist\n"+
		"[kerbagent]\nname=kerbagent\nbaseurl=file://"+dir+"/rpm\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://"+dir+"/kerbagent.asc\n"))
	dnf := []string{"dnf", "--assumeyes", "--quiet", "--config", filepath.Join(etc, "dnf.conf"), "--installroot", root, "--releasever", "9", "--setopt=install_weak_deps=False"}
	run(t, dnf[0], append(dnf[1:], "install", "kerbagent")...)
	equal(t, "installed and signed", packageVersion(t, only(t, dir, "*.x86_64.rpm"))+" yes",
		sh(t, `rpm --root "$1" --query --queryformat '%{VERSION} %|RSAHEADER?{yes}:{no}|' kerbagent`, root))
	if out := sh(t, `chroot "$1" kerbagent rehearse || :`, root); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("rehearse: %s", out)
	}
}

// testARM64 runs the package's program for the other architecture, by Debian's emulator.
func testARM64(t *testing.T, dir string) {
	deb := t.TempDir()
	run(t, "dpkg-deb", "--extract", only(t, dir, "*_arm64.deb"), deb)
	out, _ := exec.Command("qemu-aarch64-static", filepath.Join(deb, "usr/bin/kerbagent"), "rehearse", "-q").CombinedOutput()
	if !strings.HasPrefix(string(out), "ok: ") {
		t.Errorf("rehearse: %s", out)
	}
	out, _ = exec.Command("qemu-aarch64-static", filepath.Join(deb, "usr/bin/kerbagent"), "rehearse", "-q", "--fault", "password-wrong").CombinedOutput()
	if !strings.HasPrefix(string(out), "FAILED: password-wrong") {
		t.Errorf("rehearse with a fault: %s", out)
	}
}

// testImage runs the image by crun, not root and on a read-only root, on the
// lab's client host: with everything well, and with a fault.
func testImage(t *testing.T, dir string) {
	run(t, "../lab/lab.sh", "up")
	t.Cleanup(func() { run(t, "../lab/lab.sh", "heal") })
	store := t.TempDir()
	buildah := func(args ...string) string {
		return strings.TrimSpace(run(t, "buildah", append([]string{"--storage-driver", "vfs", "--root", store + "/root", "--runroot", store + "/run"}, args...)...))
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(only(t, dir, "*-linux-amd64.tar.gz")), "kerbagent-"), "-linux-amd64.tar.gz")
	// buildah makes a name of the path, and a name has no capital letters, which a test's directory has.
	link := filepath.Join("/tmp", strings.ToLower(filepath.Base(filepath.Dir(store)))+"-image")
	if err := os.Symlink(filepath.Join(dir, "image"), link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(link) })
	name := "oci:" + link + ":" + strings.NewReplacer("~", "-", "+", "-").Replace(version)
	other := buildah("from", "--arch", "arm64", name)
	run(t, "dpkg-deb", "--extract", only(t, dir, "*_arm64.deb"), store+"/arm64")
	run(t, "cmp", buildah("mount", other)+"/usr/bin/kerbagent", store+"/arm64/usr/bin/kerbagent")
	buildah("rm", other)
	container := buildah("from", name)
	t.Cleanup(func() { buildah("rm", container) })
	bundle := newBundle(t, buildah("mount", container), buildah("inspect", container))

	// A stranger's first command, with a tmpfs as an engine mounts it.
	if out := bundle.run(t, "rehearse", "-q"); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("rehearse: %s", out)
	}
	for fault, want := range map[string]string{"none": `"verdict":"ok"`, "kdc-tcp-blocked": `"code":"kdc-tcp-blocked"`} {
		run(t, "../lab/lab.sh", "heal")
		out := bundle.check(t, strings.Fields(run(t, "../lab/lab.sh", "break", fault)))
		if !strings.Contains(strings.ReplaceAll(out, " ", ""), want) {
			t.Errorf("%s: no %s in %s", fault, want, out)
		}
	}
}

// bundle is what crun is given.
type bundle struct {
	dir, files string
	spec       map[string]any
	program    []any
}

func newBundle(t *testing.T, root, image string) bundle {
	t.Helper()
	var about struct {
		OCIv1 struct {
			Config struct {
				User            string
				Entrypoint, Env []any
				Volumes         map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(image), &about); err != nil {
		t.Fatal(err)
	}
	config := about.OCIv1.Config
	equal(t, "user", "65532:65532", config.User)
	if len(config.Volumes) != 1 {
		t.Errorf("volumes %v, want the state directory alone", config.Volumes)
	}
	b := bundle{dir: t.TempDir(), files: t.TempDir(), program: config.Entrypoint}
	run(t, "crun", "spec", "--bundle", b.dir)
	if err := json.Unmarshal(read(t, filepath.Join(b.dir, "config.json")), &b.spec); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(root, "var/lib/kerbagent") // as an engine makes a new volume: with what the image has there
	b.spec["root"] = map[string]any{"path": root, "readonly": true}
	mounts := b.spec["mounts"].([]any)
	for from, to := range map[string]string{state: "/var/lib/kerbagent", b.files: "/etc/kerbagent", "/etc/resolv.conf": "/etc/resolv.conf", "/etc/krb5.conf": "/etc/krb5.conf"} {
		options := []any{"bind", "ro"}
		if from == state {
			options = []any{"bind", "rw"}
		}
		mounts = append(mounts, map[string]any{"destination": to, "source": from, "type": "bind", "options": options})
	}
	b.spec["mounts"] = append(mounts, map[string]any{"destination": "/tmp", "source": "tmpfs", "type": "tmpfs", "options": []any{"mode=1777"}})
	process := b.spec["process"].(map[string]any)
	process["terminal"], process["capabilities"] = false, map[string]any{}
	process["env"] = config.Env
	process["user"] = map[string]any{"uid": 65532, "gid": 65532}
	linux := b.spec["linux"].(map[string]any)
	// the network of who starts it: the client host's
	linux["namespaces"] = slices.DeleteFunc(linux["namespaces"].([]any), func(n any) bool {
		kind := n.(map[string]any)["type"]
		return kind == "network" || kind == "cgroup"
	})
	return b
}

// check runs `kerbagent check` in the container, with the lab's flags.
func (b bundle) check(t *testing.T, flags []string) string {
	t.Helper()
	args := append(slices.Clone(b.program), "check", "-o", "json")
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		if name == "--password-file" || name == "--database-ca" { // as a Secret is mounted
			file := filepath.Join(b.files, filepath.Base(value))
			write(t, file, read(t, value))
			if err := os.Chown(file, 65532, 65532); err != nil {
				t.Fatal(err)
			}
			flag = name + "=/etc/kerbagent/" + filepath.Base(value)
		}
		args = append(args, flag)
	}
	return b.run(t, args[len(b.program):]...)
}

// run runs a command of the program in the container.
func (b bundle) run(t *testing.T, args ...any) string {
	t.Helper()
	b.spec["process"].(map[string]any)["args"] = append(slices.Clone(b.program), args...)
	text, err := json.Marshal(b.spec)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(b.dir, "config.json"), text)
	if err := os.Chmod(b.files, 0o755); err != nil {
		t.Fatal(err)
	}
	// crun refuses a host with both versions of cgroups, though it is told to leave them alone: it sees the second only.
	return run(t, "../lab/lab.sh", "cl", "unshare", "-m", "sh", "-c",
		`mount -t cgroup2 none /sys/fs/cgroup && cd "$0" && crun --cgroup-manager=disabled --root "$0/state" run kerbagent-test || [ $? -le 2 ]`, b.dir)
}
