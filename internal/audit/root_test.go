//go:build linux

package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// everything is who may read all.
func everything() Identity {
	return Identity{caps: 1 << capDACOverride, mapped: []idRange{{0, 1 << 32}}}
}

func rootAt(t *testing.T, dir string, who Identity) *root {
	t.Helper()
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &root{who: who, dir: f, cwd: "/"}
}

// The walk arrives where the kernel does, with the same folder as its root
// (openat2 with RESOLVE_IN_ROOT): trees of folders and links drawn at random.
func TestWalkArrivesWhereTheKernelDoes(t *testing.T) {
	const seed = 20261129
	r := rand.New(rand.NewPCG(seed, 1))
	names := []string{"a", "b", "c", "..", "."}
	draw := func() string {
		var parts []string
		for range 1 + r.IntN(4) {
			parts = append(parts, names[r.IntN(len(names))])
		}
		return strings.Join(parts, "/")
	}
	arrived := 0
	for range 300 {
		dir := t.TempDir()
		for range 12 {
			at := filepath.Join(dir, filepath.Clean("/"+draw()))
			switch r.IntN(4) {
			case 0:
				_ = os.MkdirAll(at, 0o755)
			case 1:
				_ = os.Symlink("/"+draw(), at)
			case 2:
				_ = os.Symlink(draw(), at)
			case 3:
				_ = os.WriteFile(at, nil, 0o644)
			}
		}
		fs := rootAt(t, dir, everything())
		for range 20 {
			name := "/" + draw()
			want, wantErr := unix.Openat2(int(fs.dir.Fd()), name, &unix.OpenHow{Flags: unix.O_PATH, Resolve: unix.RESOLVE_IN_ROOT})
			for wantErr == unix.EAGAIN { // somebody renames or mounts meanwhile, anywhere (openat2(2)): the kernel is not sure of a ".."
				want, wantErr = unix.Openat2(int(fs.dir.Fd()), name, &unix.OpenHow{Flags: unix.O_PATH, Resolve: unix.RESOLVE_IN_ROOT})
			}
			var wantSt unix.Stat_t
			if wantErr == nil {
				wantErr = unix.Fstat(want, &wantSt)
				unix.Close(want)
			}
			got, err := fs.stat(name)
			if (err == nil) != (wantErr == nil) || err == nil && got.Ino != wantSt.Ino {
				t.Fatalf("seed %d: %s in %s: inode %d, %v; the kernel has %d, %v", seed, name, dir, got.Ino, err, wantSt.Ino, wantErr)
			}
			if err == nil {
				arrived++
			}
		}
	}
	if arrived < 500 {
		t.Errorf("only %d paths led anywhere: this compares nothing", arrived)
	}
}

// Whether a user may read a file is what that user's own process finds:
// owners, groups and modes drawn at random, asked of `test -r`.
func TestMayIsWhatTheKernelSays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: needs root, to make files of other users")
	}
	const seed = 7
	r := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) { // the way there must not decide
		if st, err := os.Stat(d); err == nil && st.Mode().Perm()&0o005 != 0o005 {
			if err := os.Chmod(d, st.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	const uid, gid = 64001, 64002
	extra := []uint32{64003}
	ids := []int{0, uid, gid, 64003, 64004}
	var files []string
	for i := range 150 {
		folder := filepath.Join(dir, fmt.Sprint(i))
		file := filepath.Join(folder, "f")
		for _, err := range []error{os.Mkdir(folder, 0o700), os.WriteFile(file, nil, 0o600),
			os.Chown(file, ids[r.IntN(5)], ids[r.IntN(5)]), os.Chmod(file, os.FileMode(r.IntN(0o1000))),
			os.Chown(folder, ids[r.IntN(5)], ids[r.IntN(5)]), os.Chmod(folder, os.FileMode(r.IntN(0o1000))|0o111&os.FileMode(r.IntN(0o1000)))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		files = append(files, file)
	}
	cmd := exec.Command("sh", append([]string{"-c", `for f; do if [ -r "$f" ]; then echo "$f"; fi; done`, "sh"}, files...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: extra}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	readable := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		readable[strings.TrimSpace(line)] = true
	}
	if len(readable) < 10 || len(readable) > 140 {
		t.Fatalf("%d of 150 are readable: this compares nothing", len(readable))
	}
	fsys := rootAt(t, "/", Identity{UID: uid, GID: gid, Groups: extra})
	for _, f := range files {
		_, _, err := fsys.read(f, 10)
		if (err == nil) != readable[f] || err != nil && !errors.Is(err, ErrNotItsOwn) {
			t.Errorf("seed %d: %s: %v; the user's own process may read it: %v", seed, f, err, readable[f])
		}
	}
}

// Nothing but a regular file of a bounded size is opened.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fsys := rootAt(t, dir, everything())
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.Truncate(1 << 30); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/root/etc/passwd", filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/fifo", "/large", "/outside", "/", "/none"} {
		if _, _, err := fsys.read(name, 1<<20); err == nil {
			t.Errorf("%s was read", name)
		}
	}
	if _, _, err := fsys.read("/none", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v, want fs.ErrNotExist", err)
	}
}

// A link of /proc is a door to another process's files, and is not gone through.
func TestMagicLinksAreNotFollowed(t *testing.T) {
	fsys := rootAt(t, "/", everything())
	for _, name := range []string{"/proc/self/root/etc/passwd", "/proc/self/cwd/x", "/proc/self/exe", "/proc/self/fd/0"} {
		if _, err := fsys.stat(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}
