package bootstrap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const stateName = "bootstrap-123456789012-us-east-1.json"

func openTestState(dir, former string) (*state, error) {
	s, err := openState(dir, former, "123456789012", "us-east-1", true)
	if err == nil {
		s.close()
	}
	return s, err
}

// The folder of the state file is its owner's alone. One that somebody put a link
// in the place of, or may write to, used to be taken: root then wrote where the
// link led, and believed what stood there.
func TestStateFolderIsOursAlone(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a link": func(t *testing.T, dir string) {
			there := t.TempDir()
			must(t, os.Remove(dir), os.Symlink(there, dir))
			t.Cleanup(func() {
				if left, err := os.ReadDir(there); err != nil || len(left) > 0 {
					t.Errorf("the link was followed: %v, %v", left, err)
				}
			})
		},
		"a file":                 func(t *testing.T, dir string) { must(t, os.Remove(dir), os.WriteFile(dir, nil, 0o600)) },
		"writable for the group": func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o770)) },
		"another user's": func(t *testing.T, dir string) {
			if os.Geteuid() != 0 {
				t.Skip("needs root to give a folder away")
			}
			must(t, os.Chown(dir, 65534, 65534))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			must(t, os.Mkdir(dir, 0o700))
			spoil(t, dir)
			_, err := openTestState(dir, "")
			var foreign *unsafeError
			if p := problem("start", err); !errors.As(err, &foreign) || !strings.Contains(p.Next, "--state-dir") {
				t.Errorf("%v; %s", err, p.Next)
			}
		})
	}
}

// A state file that is a link, a pipe or somebody else's is refused; a pipe used
// to hang.
func TestStateFileIsARegularOneOfOurs(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"a link": func(path string) error { return os.Symlink("/etc/hostname", path) },
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"writable for all": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"schema":1}`), 0o600), os.Chmod(path, 0o666))
		},
	} {
		dir := filepath.Join(t.TempDir(), "state")
		must(t, os.Mkdir(dir, 0o700), put(filepath.Join(dir, stateName)))
		if _, err := openTestState(dir, ""); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// A state file of ours in the daemon's folder, where earlier versions kept it, is
// taken over once: without it a half-made directory would lose its record. What
// the daemon may have put there says nothing: a forged "joined" rebooted readers.
func TestStateOfTheFormerPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		put  func(path string) error
		want bool
	}{
		"ours": {func(path string) error { return os.WriteFile(path, []byte(`{"schema":1,"made":{"x":"d-1"}}`), 0o600) }, true},
		"a link": {func(path string) error {
			return errors.Join(os.WriteFile(path+".real", []byte(`{"schema":1,"made":{"x":"d-1"}}`), 0o600), os.Symlink(path+".real", path))
		}, false},
		"a pipe": {func(path string) error { return syscall.Mkfifo(path, 0o600) }, false},
		"writable for others": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(`{"schema":1,"made":{"x":"d-1"}}`), 0o600), os.Chmod(path, 0o662))
		}, false},
		"none": {func(string) error { return nil }, false},
	} {
		former, dir := t.TempDir(), filepath.Join(t.TempDir(), "state")
		must(t, os.Chmod(former, 0o777), c.put(filepath.Join(former, stateName)))
		s, err := openState(dir, former, "123456789012", "us-east-1", true)
		if err != nil || (s.Made["x"] == "d-1") != c.want {
			t.Errorf("%s: %v, %v", name, s, err)
			continue
		}
		if err := s.made("y", "z"); err != nil {
			t.Error(err)
		}
		s.close()
		must(t, os.WriteFile(filepath.Join(former, stateName+".new"), []byte(`{"schema":1,"made":{"x":"d-2"}}`), 0o600),
			os.Rename(filepath.Join(former, stateName+".new"), filepath.Join(former, stateName)))
		if again, err := openTestState(dir, former); err != nil || again.Made["x"] == "d-2" || again.Made["y"] != "z" {
			t.Errorf("%s, again: %v, %v", name, again, err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
