package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

// ordered is text(t, 0) with the KDCs of A.TEST in another order: the n-th of
// the two that there are.
func ordered(t *testing.T, n int) string {
	t.Helper()
	s := wanted()
	s.Realms[0].KDCs = append(s.Realms[0].KDCs, "dc2.a.test")
	if n%2 == 1 {
		s.Realms[0].KDCs = []string{"dc2.a.test", "dc1.a.test"}
	}
	out, err := site.Generate(&s)
	must(t, err)
	return out
}

func backupTexts(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ".*kerbagent-backup-*"))
	must(t, err)
	var texts []string
	for _, name := range names {
		texts = append(texts, read(t, name))
	}
	return texts
}

// The order comes from a process with fewer rights. However often it changes, the
// administrator's file stays, and no more than six changes an hour are made.
func TestReorderingsKeepTheOriginal(t *testing.T) {
	for _, style := range []site.Style{site.WholeFile, site.Block} {
		t.Run(string(style), func(t *testing.T) {
			dir := t.TempDir()
			up := time.Hour
			req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: style, Site: wanted(), Text: ordered(t, 0), uptime: func() time.Duration { return up }}
			write(t, req.Path, theirs)
			mustApply(t, req)
			done, refused := 0, 0
			for n := range 200 {
				up += time.Minute
				req.Text = ordered(t, done+1)
				switch c, err := Apply(t.Context(), req); {
				case errors.Is(err, ErrTooOften):
					refused++
				case err != nil:
					t.Fatal(err)
				case c.Backup != "":
					t.Fatalf("reordering %d made the backup %s", n, c.Backup)
				default:
					done++
				}
			}
			// 200 minutes: six at once, and six more each time that an hour has passed.
			if done != 24 || done+refused != 200 {
				t.Errorf("%d reorderings and %d refusals in 200 minutes", done, refused)
			}
			if got := backupTexts(t, dir); len(got) != 1 || got[0] != theirs {
				t.Errorf("backups: %q", got)
			}
		})
	}
}

// Neither a restart of the host nor a clock that is set ahead frees the limit: of
// an earlier boot only what has passed since this one is believed.
func TestReorderLimitHoldsOverARestart(t *testing.T) {
	up := 50 * time.Hour
	req := Request{Path: filepath.Join(t.TempDir(), "krb5.conf"), Style: site.WholeFile, Site: wanted(), uptime: func() time.Duration { return up }}
	req.Text = ordered(t, 0)
	mustApply(t, req)
	for n := range maxReorders {
		req.Text = ordered(t, n+1)
		mustApply(t, req)
	}
	req.Text = ordered(t, maxReorders+1)
	for _, u := range []time.Duration{up, time.Second, 59 * time.Minute} {
		up = u
		if _, err := Apply(t.Context(), req); !errors.Is(err, ErrTooOften) {
			t.Errorf("at an uptime of %v: %v", up, err)
		}
	}
	up = 61 * time.Minute
	mustApply(t, req)
}

// Each text that a person wrote is kept, and the first one forever.
func TestForeignTextsAreKept(t *testing.T) {
	dir := t.TempDir()
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.Block, Site: wanted()}
	write(t, req.Path, theirs)
	for n := range 60 {
		req.Text = text(t, n%2)
		mustApply(t, req)
		write(t, req.Path, read(t, req.Path)+fmt.Sprintf("# edit %d\n", n))
	}
	for n := range 2 * maxBackups { // only kerbagent's part changes: few of these stay
		req.Text = text(t, n%2)
		mustApply(t, req)
	}
	got := backupTexts(t, dir)
	if len(got) != maxForeign || got[0] != theirs {
		t.Fatalf("%d backups, the first one %q", len(got), got[0])
	}
	distinct := map[string]bool{}
	for _, b := range got {
		outside, err := site.Without(b)
		must(t, err)
		distinct[outside] = true
	}
	if len(distinct) < maxForeign-maxBackups {
		t.Errorf("only %d of %d backups are different texts of a person", len(distinct), len(got))
	}
}

// Rollback in block style composes a new text from the block of a backup: the
// rest of that backup must not be lost.
func TestRollbackKeepsTheOriginal(t *testing.T) {
	dir := t.TempDir()
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.Block, Site: wanted(), Text: text(t, 0)}
	write(t, req.Path, theirs)
	mustApply(t, req)
	write(t, req.Path, "# all new\n"+read(t, req.Path))
	_, err := Rollback(t.Context(), req)
	must(t, err)
	if got := read(t, req.Path); got != "# all new\n"+theirs {
		t.Errorf("rolled back to %q", got)
	}
	if got := backupTexts(t, dir); len(got) != 1 || got[0] != theirs {
		t.Errorf("backups: %q", got)
	}
}

// Whoever may list a directory can lock it. That must not hold up an apply.
func TestReaderOfTheDirectoryCannotHoldUp(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	must(t, err)
	defer d.Close()
	must(t, unix.Flock(int(d.Fd()), unix.LOCK_SH))
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.WholeFile, Site: wanted(), Text: text(t, 0), wait: time.Second}
	mustApply(t, req)
	st, err := os.Stat(filepath.Join(dir, ".krb5.conf.kerbagent-lock"))
	must(t, err)
	if st.Mode() != 0o600 {
		t.Errorf("others can open the lock file: %v", st.Mode())
	}
}

// An apply that waits for another one ends at its deadline and with its context,
// and writes nothing then.
func TestWaitingEnds(t *testing.T) {
	req := Request{Path: filepath.Join(t.TempDir(), "krb5.conf"), Style: site.WholeFile, Site: wanted(), Text: text(t, 0)}
	mustApply(t, req)
	other, err := lockTarget(t.Context(), req)
	must(t, err)
	defer other.close()
	req.Text = text(t, 1)
	for _, act := range []func(context.Context, Request) (*Change, error){Apply, Rollback} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if _, err := act(ctx, req); !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		short := req
		short.wait = 50 * time.Millisecond
		if _, err := act(t.Context(), short); !errors.Is(err, ErrBusy) {
			t.Errorf("at the deadline: %v", err)
		}
	}
	if got := read(t, req.Path); got != text(t, 0) {
		t.Errorf("it was written:\n%s", got)
	}
}

// SIGTERM in the middle ends the context: then nothing is replaced.
func TestCalledOffBeforeTheRename(t *testing.T) {
	dir := t.TempDir()
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.WholeFile, Site: wanted(), Text: text(t, 0)}
	write(t, req.Path, theirs)
	ctx, cancel := context.WithCancel(t.Context())
	req.Validate = func(context.Context, string) error { cancel(); return nil }
	if _, err := Apply(ctx, req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := read(t, req.Path); got != theirs {
		t.Errorf("it was written:\n%s", got)
	}
	if _, err := os.Lstat(filepath.Join(dir, ".krb5.conf.kerbagent-new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the candidate: %v", err)
	}
}

// Until it is known to be good, nobody else may read the candidate; and one that
// is refused is not left behind.
func TestCandidateIsPrivate(t *testing.T) {
	dir := t.TempDir()
	req := Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.Block, Site: wanted(), Text: text(t, 0)}
	write(t, req.Path, theirs)
	mustApply(t, req)
	req.Text = text(t, 1)
	refused := errors.New("refused")
	for name, act := range map[string]func(context.Context, Request) (*Change, error){"apply": Apply, "rollback": Rollback} {
		asked := false
		req.Validate = func(_ context.Context, path string) error {
			asked = true
			st, err := os.Stat(path)
			must(t, err)
			if st.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v while it is judged", name, st.Mode())
			}
			return refused
		}
		if _, err := act(t.Context(), req); !errors.Is(err, refused) || !asked {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, ".krb5.conf.kerbagent-new")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s leaves the candidate: %v", name, err)
		}
	}
}

func TestLockFileOfOthersIsRefused(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a link":          func(p string) error { return os.Symlink(p+"-x", p) },
		"others may read": func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o644)) },
		"a pipe":          func(p string) error { return unix.Mkfifo(p, 0o600) },
		"another's, if root": func(p string) error {
			if os.Geteuid() != 0 {
				return os.Symlink(p+"-x", p) // only root can give files away
			}
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 64001, 64001))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, make(filepath.Join(dir, ".krb5.conf.kerbagent-lock")))
			_, err := Apply(t.Context(), Request{Path: filepath.Join(dir, "krb5.conf"), Style: site.WholeFile, Site: wanted(), Text: text(t, 0)})
			if !errors.Is(err, ErrLockFile) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A link of another user, or one in a directory that another user may write,
// would choose which file root replaces. A regular file in such a directory, as
// an application has it in /opt, is taken; but nobody runs MIT's library on it,
// which would load the code that the file names.
func TestOtherUsersPlaces(t *testing.T) {
	const app = 64001
	for _, c := range []struct {
		name string
		make func(dir, path string) error // dir is the application's
		want error
	}{
		{"a regular file", func(_, path string) error { return os.WriteFile(path, []byte(theirs), 0o644) }, nil},
		{"no file yet", func(_, _ string) error { return nil }, nil},
		{"a link of the application's", func(dir, path string) error {
			return errors.Join(os.WriteFile(dir+"-target", []byte(theirs), 0o644), os.Symlink(dir+"-target", path), os.Lchown(path, app, app))
		}, ErrForeignLink},
		{"a link of root's in its directory", func(dir, path string) error {
			return errors.Join(os.WriteFile(dir+"-target", []byte(theirs), 0o644), os.Symlink(dir+"-target", path))
		}, ErrForeignLink},
		{"a directory that is a link", func(dir, _ string) error {
			real := dir + "-real"
			return errors.Join(os.Remove(dir), os.Mkdir(real, 0o755), os.Symlink(real, dir), os.Lchown(dir, app, app))
		}, ErrForeignLink},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "app")
			path := filepath.Join(dir, "krb5.conf")
			must(t, os.Mkdir(dir, 0o755))
			if os.Geteuid() != 0 {
				t.Log("only root can give files away; as another user this shows nothing")
				return
			}
			must(t, errors.Join(os.Chown(dir, app, app), c.make(dir, path)))
			asked := false
			req := Request{Path: path, Style: site.WholeFile, Site: wanted(), Text: text(t, 0),
				Validate: func(context.Context, string) error { asked = true; return nil }}
			ch, err := Apply(t.Context(), req)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if asked || err == nil && ch.Asked {
				t.Error("MIT's library was run on a file that another user may write")
			}
			if b, err := os.ReadFile(dir + "-target"); err == nil && strings.Contains(string(b), "kerbagent") {
				t.Error("the file that the link leads to was replaced")
			}
		})
	}
}
