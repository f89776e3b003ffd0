//go:build lab

package apply

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

const inNamespace = "KERBAGENT_TEST_IN_NAMESPACE"

// TestMounts tries the refusals on real mounts, in a mount namespace of its own.
func TestMounts(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestMounts$", "-test.v")
		cmd.Env = append(os.Environ(), inNamespace+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestMounts/read-only") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	t.Run("bind mount", func(t *testing.T) {
		dir := t.TempDir()
		other, path := filepath.Join(dir, "other"), filepath.Join(dir, "krb5.conf")
		write(t, other, theirs)
		write(t, path, "")
		must(t, unix.Mount(other, path, "", unix.MS_BIND, ""))
		defer unix.Unmount(path, 0)
		before := contents(t, dir)
		_, err := Apply(t.Context(), Request{Path: path, Style: site.WholeFile, Text: text(t, 0), Site: wanted()})
		if !errors.Is(err, ErrMounted) {
			t.Errorf("error %v", err)
		}
		if after := contents(t, dir); len(after) != len(before) || after["krb5.conf"] != theirs {
			t.Errorf("something was written: %v", after)
		}
	})
	t.Run("read-only", func(t *testing.T) {
		dir := t.TempDir()
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
		defer unix.Unmount(dir, 0)
		path := filepath.Join(dir, "krb5.conf")
		write(t, path, theirs)
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		_, err := Apply(t.Context(), Request{Path: path, Style: site.WholeFile, Text: text(t, 0), Site: wanted()})
		if !errors.Is(err, ErrReadOnly) || !errors.Is(err, unix.EROFS) {
			t.Errorf("error %v", err)
		}
	})
}

// Heimdal's own ktutil, under the name that Debian's alternatives give it, is not
// taken for MIT's.
func TestHeimdalKtutilIsNotAsked(t *testing.T) {
	libraries, err := filepath.Glob(labtest.State("pkg", "heimdal", "usr", "lib", "*"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool := filepath.Join(dir, "ktutil")
	if err := os.Symlink(labtest.State("pkg", "heimdal", "usr", "bin", "ktutil.heimdal"), tool); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LD_LIBRARY_PATH", strings.Join(libraries, ":"))
	t.Setenv("PATH", dir)
	if said, err := exec.Command(tool).CombinedOutput(); err == nil || !strings.Contains(string(said), "Usage: ktutil") {
		t.Fatalf("Heimdal's tool without a command: %v, %q", err, said)
	}
	if _, ok := MITValidator(t.Context()); ok {
		t.Error("it is taken for MIT's")
	}
}

// TestMITValidator asks the library that is installed.
func TestMITValidator(t *testing.T) {
	validate, ok := MITValidator(t.Context())
	if !ok {
		t.Fatal("MIT's tools are not installed")
	}
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	write(t, good, text(t, 0))
	write(t, bad, "[libdefaults]\n    allow_weak_crypto = perhaps\n")
	if err := validate(t.Context(), good); err != nil {
		t.Errorf("a generated file: %v", err)
	}
	if err := validate(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a bad file: %v", err)
	}
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.WholeFile, Text: text(t, 0), Site: wanted(), Validate: validate}
	mustApply(t, req)
	req.Text += "[libdefaults]\n    allow_weak_crypto = perhaps\n"
	if _, err := Apply(t.Context(), req); err == nil {
		t.Error("a bad file was put in place")
	}
	if got := read(t, req.Path); got != text(t, 0) {
		t.Errorf("after a refusal:\n%s", got)
	}
}
