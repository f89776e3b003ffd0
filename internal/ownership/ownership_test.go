package ownership

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// What decides what root writes must be nobody else's to write, nor to replace.
func TestGuarded(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(file, dir string) error
		want   error
	}{
		{"sound", func(string, string) error { return nil }, nil},
		{"the group may write it", func(file, _ string) error { return os.Chmod(file, 0o660) }, ErrOthersMay},
		{"everyone may, sticky or not", func(file, _ string) error { return os.Chmod(file, 0o666|fs.ModeSticky) }, ErrOthersMay},
		{"everyone may replace it", func(_, dir string) error { return os.Chmod(dir, 0o777) }, ErrOthersMay},
		{"a sticky directory, as /tmp is", func(_, dir string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) }, nil},
		{"it is not there", func(file, _ string) error { return os.Remove(file) }, fs.ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			file := filepath.Join(dir, "kerbagent.yaml")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			link := filepath.Join(filepath.Dir(dir), "link") // it is the file behind it that counts
			if err := errors.Join(os.Symlink(file, link), c.change(file, dir)); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{file, link} {
				if err := Guarded(path, os.Geteuid()); !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
		})
	}
	if os.Geteuid() == 0 {
		file := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(file, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chown(file, 64001, 0), Guarded(file)); !errors.Is(err, ErrOwner) {
			t.Errorf("another user's: %v", err)
		}
		if err := Guarded(file, 64001); err != nil {
			t.Errorf("the user's own: %v", err)
		}
	}
}
