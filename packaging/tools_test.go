//go:build packages || release

package packaging

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func labState(elem ...string) string {
	root := cmp.Or(os.Getenv("LAB_STATE"), "/var/tmp/krb-lab")
	return filepath.Join(append([]string{root}, elem...)...)
}

// debian is a clean Debian 12 of the test's own: what is written to it goes when
// the test ends.
func debian(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	for _, d := range []string{"root", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "mount", "-t", "overlay", "overlay", "-o", "lowerdir="+labState("sd", "root")+",upperdir="+dir+"/upper,workdir="+dir+"/work", root)
	t.Cleanup(func() { run(t, "umount", root) })
	return root
}

// sh runs a script with one argument.
func sh(t *testing.T, script, arg string) string {
	t.Helper()
	return run(t, "bash", "-euo", "pipefail", "-c", script, "sh", arg)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var errs strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errs.String())
	}
	return string(out)
}

func equal(t *testing.T, what, want, got string) {
	t.Helper()
	if got = strings.Join(strings.Fields(got), " "); got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %v %v", pattern, files, err)
	}
	return files[0]
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func packageVersion(t *testing.T, rpm string) string {
	return run(t, "rpm", "--query", "--package", "--queryformat", "%{VERSION}", rpm)
}

// sd runs a script in the container; what it prints tells.
func sd(t *testing.T, script string) string {
	t.Helper()
	return run(t, "../lab/lab.sh", "sd", "sh", "-c", script+"\n:")
}

// do runs one that has to do well, line by line.
func do(t *testing.T, script string) {
	t.Helper()
	run(t, "../lab/lab.sh", "sd", "sh", "-ec", script)
}
