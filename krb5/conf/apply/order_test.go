package apply

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/ownership"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"golang.org/x/sys/unix"
)

func TestOrderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kdc-order")
	for _, want := range []site.Order{{"A.TEST": {"dc2.a.test:88", "dc1.a.test:88"}, "B.TEST": {"b:88"}}, {}} {
		if err := WriteOrder(path, want); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadOrder(path); err != nil || !got.Equal(want) {
			t.Errorf("%v %v, want %v", got, err, want)
		}
	}
	large := site.Order{"A.TEST": strings.Fields(strings.Repeat("a.a.a.a ", 1000))}
	if err := WriteOrder(path, large); !errors.Is(err, site.ErrOrderSize) {
		t.Errorf("a large one: %v", err)
	}
	if err := WriteOrder(filepath.Join(filepath.Dir(path), "none", "x"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if names, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(names) > 0 {
		t.Errorf("left behind: %v %v", names, err)
	}
}

// Whoever may write in the directory can put anything in the file's place. It
// costs nothing but an error, and no wait.
func TestReadOrderRefuses(t *testing.T) {
	const sound = "A.TEST a:88\n"
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"nothing", func(*testing.T, string) {}, fs.ErrNotExist},
		{"a link to another file", func(t *testing.T, path string) {
			other := path + "-other"
			write(t, other, sound)
			if err := os.Symlink(other, path); err != nil {
				t.Fatal(err)
			}
		}, conf.ErrNotFile},
		{"a pipe that nobody writes to", func(t *testing.T, path string) {
			if err := unix.Mkfifo(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}, conf.ErrNotFile},
		{"a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, conf.ErrNotFile},
		{"a device", func(t *testing.T, path string) {
			if os.Geteuid() != 0 {
				write(t, path, "no") // only root can make one
				return
			}
			if err := unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"too large", func(t *testing.T, path string) { write(t, path, "A "+strings.Repeat("x", site.MaxOrderSize)) }, site.ErrOrderSize},
		{"binary", func(t *testing.T, path string) { write(t, path, "\x7fELF\x00") }, site.ErrOrderForm},
		{"cut short", func(t *testing.T, path string) { write(t, path, "A.TEST a:88") }, site.ErrOrderForm},
		{"others may write it", func(t *testing.T, path string) {
			write(t, path, sound)
			if err := os.Chmod(path, 0o664); err != nil {
				t.Fatal(err)
			}
		}, ownership.ErrOthersMay},
		{"others may write its directory", func(t *testing.T, path string) {
			write(t, path, sound)
			if err := os.Chmod(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
		}, ownership.ErrOthersMay},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kdc-order")
			c.make(t, path)
			done := make(chan error, 1)
			go func() {
				_, err := ReadOrder(path)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("it waits")
			}
		})
	}
}

// The file may be root's or its directory's owner's, and nobody else's.
func TestReadOrderOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away; as another user this shows nothing")
		return
	}
	const daemon, other = 64001, 64002
	for name, c := range map[string]struct {
		dir, file int
		want      error
	}{
		"the daemon's": {daemon, daemon, nil}, "root's": {daemon, 0, nil}, "another's": {daemon, other, ErrNotOwn}, "another's in root's directory": {0, other, ErrNotOwn},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kdc-order")
			write(t, path, "A.TEST a:88\n")
			if err := errors.Join(os.Chown(path, c.file, c.file), os.Chown(filepath.Dir(path), c.dir, c.dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadOrder(path); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
