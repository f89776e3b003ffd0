package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/ownership"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
)

// Request describes the content that a file is to have, and the file.
type Request struct {
	Path  string     // the path of the file; a symlink is followed, and stays one
	Style site.Style // how much of the file kerbagent manages
	Text  string     // the text that site.Generate returned
	Main  string     // with site.Snippet: the file whose includedir names the directory of Path

	// Site is what the logins need. A candidate without a realm or mapping of
	// it is refused.
	Site site.Site
	// Validate asks someone else about the candidate, before anything is
	// replaced; nil where there is nobody to ask. MITValidator returns one. It is
	// not asked about a file that another user may write: a krb5.conf can load
	// code (the profile's module line), and the one who is asked would run it.
	Validate func(ctx context.Context, path string) error

	// step runs before each change to the file system, with its name: tests
	// end the process there, or let the change fail.
	step func(change string) error
	// uptime is the time since the host was started; nil for the kernel's own.
	uptime func() time.Duration
	// wait is how long to wait for another apply; 0 for lockWait.
	wait time.Duration
}

// Change is what Apply did, or Plan would do.
type Change struct {
	Path    string // with symlinks resolved
	Existed bool
	Old     string // empty where there was no file
	New     string
	Removed bool   // Rollback: there had been no file, and there is none again
	Backup  string // the path of the old file's backup; empty where nothing was replaced, or only the order of KDCs
	Lacks   error  // Rollback: what the logins need and the earlier version does not have
	Asked   bool   // Request.Validate was asked
}

// Needed reports whether there is anything to change.
func (c *Change) Needed() bool { return c.Removed || !c.Existed || c.Old != c.New }

// Why a file is left alone.
var (
	ErrMounted       = errors.New("the file is a mount of its own (a bind mount, as containers have it), so it cannot be replaced: change the file that is mounted, or mount its directory")
	ErrReadOnly      = errors.New("the file system is read-only: in a container or a unit with ProtectSystem=, make the path writable")
	ErrWorldWritable = errors.New("every user may write the file, which can load code: chmod o-w it first, and look what is in it")
	ErrChanged       = errors.New("the file was changed by someone else in the meantime: run it again")
	ErrNotIncluded   = errors.New("the main file does not include the directory of the snippet, so nobody would read it")
	ErrSnippetName   = errors.New("libraries do not read a file of that name from a directory: use letters, digits, - and _ only, or end it in .conf")
	ErrDangling      = errors.New("the symlink leads to no file")
	ErrNoBackup      = errors.New("there is no backup that can be restored")
	ErrForeignLink   = errors.New("a symlink on the way to the file belongs to another user, or stands in a directory that another user may write: that user chooses which file is replaced")
	ErrBusy          = errors.New("another kerbagent process is changing the file")
	ErrLockFile      = errors.New("the lock file is not a plain file of the user who runs this, with mode 0600: remove it")
	ErrTooOften      = fmt.Errorf("the order of KDCs was changed %d times within an hour, which is the limit", maxReorders)
)

// Plan returns the change that Apply would make, after all checks but Validate.
// It writes nothing.
func Plan(req Request) (*Change, error) {
	t, err := openTarget(req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	return t.plan()
}

// Apply puts the text in its place. Where nothing is to be changed nothing is
// written, and once ctx has ended nothing is either. A Change comes back with a
// nil error only.
func Apply(ctx context.Context, req Request) (*Change, error) {
	// A first look without the lock: where nothing is to be done, or may be, no
	// lock file is made.
	if c, err := Plan(req); err != nil || !c.Needed() {
		return c, err
	}
	t, err := lockTarget(ctx, req)
	if err != nil {
		return nil, err
	}
	defer t.close()
	c, err := t.plan()
	if err != nil || !c.Needed() {
		return c, err
	}
	if err := t.replace(ctx, c); err != nil {
		return nil, err
	}
	return c, nil
}

// plan reads the file and makes and checks the candidate.
func (t *target) plan() (*Change, error) {
	if err := t.read(); err != nil {
		return nil, err
	}
	text, err := site.Compose(t.req.Style, t.text, t.req.Text)
	if err != nil {
		return nil, fmt.Errorf("composing %s: %w", t.path, err)
	}
	c := &Change{Path: t.path, Existed: t.exists, Old: t.text, New: text}
	return c, t.check(text)
}

// check refuses a candidate that MIT's grammar or the site's logins refuse.
// For a snippet it is the main file with it that has to do.
func (t *target) check(text string) error {
	set, err := t.sound(text)
	if err != nil {
		return err
	}
	if err := t.req.Site.Covers(set); err != nil {
		return fmt.Errorf("checking the candidate for %s: %w", t.path, err)
	}
	return nil
}

// sound refuses a candidate that MIT's library would not take, and returns it
// with all that it includes.
func (t *target) sound(text string) (*conf.Set, error) {
	if _, err := conf.Parse(t.path, text); err != nil {
		return nil, fmt.Errorf("checking the candidate: %w", err)
	}
	root := t.path
	if t.req.Style == site.Snippet {
		root = t.req.Main
	}
	set := conf.Load(overlay{t.path, text}, root)
	if t.req.Style == site.Snippet {
		if err := t.included(set); err != nil {
			return nil, err
		}
	}
	if err := reader.Read(reader.MIT, set).Err; err != nil {
		return nil, fmt.Errorf("checking the candidate for %s: %w", t.path, err)
	}
	return set, nil
}

func (t *target) included(set *conf.Set) error {
	if main := set.Roots[0]; main.Err != nil {
		return fmt.Errorf("reading the main file: %w", main.Err)
	}
	if !conf.IncludedName(filepath.Base(t.req.Path)) {
		return fmt.Errorf("snippet %s: %w", t.req.Path, ErrSnippetName)
	}
	for _, name := range reader.Read(reader.MIT, set).IncludedDirs {
		if dir, err := filepath.EvalSymlinks(name); err == nil && dir == filepath.Dir(t.path) {
			return nil
		}
	}
	return fmt.Errorf("snippet %s: %w: add the line \"includedir %s\" above the first section of %s, or use another style",
		t.req.Path, ErrNotIncluded, filepath.Dir(t.req.Path), t.req.Main)
}

// overlay is the disk with the candidate in its place, by whichever name a
// file includes it.
type overlay struct{ path, text string }

func (o overlay) ReadFile(name string) (string, fs.FileMode, error) {
	if path, err := resolved(name); err == nil && path == o.path {
		return o.text, newMode, nil
	}
	return conf.Disk{}.ReadFile(name)
}

// resolved is where a file leads that need not be there.
func resolved(name string) (string, error) {
	path, err := filepath.EvalSymlinks(name)
	if missing(err) {
		path, err = filepath.EvalSymlinks(filepath.Dir(name))
		path = filepath.Join(path, filepath.Base(name))
	}
	return path, err
}

func (o overlay) ReadDir(name string) ([]string, error) {
	names, err := conf.Disk{}.ReadDir(name)
	if err != nil {
		return nil, err
	}
	if dir, err := filepath.EvalSymlinks(name); err == nil && dir == filepath.Dir(o.path) && !slices.Contains(names, filepath.Base(o.path)) {
		names = append(names, filepath.Base(o.path))
		slices.Sort(names)
	}
	return names, nil
}

// replace writes the candidate beside the file and renames it over it.
func (t *target) replace(ctx context.Context, c *Change) (err error) {
	reordered := c.Existed && onlyReordered(c.Old, c.New)
	if reordered {
		if err := t.recordReorder(); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			t.unlink(t.candidate()) // it may not be there
		}
	}()
	if err := t.write(c.New); err != nil {
		return t.explain("writing the candidate", err)
	}
	if c.Asked, err = t.validate(ctx, t.candidate()); err != nil {
		return fmt.Errorf("validating the candidate for %s: %w", t.path, err)
	}
	if err := t.likeOld(t.candidate()); err != nil {
		return t.explain("writing the candidate", err)
	}
	if !reordered {
		if c.Backup, err = t.backUp(); err != nil {
			return t.explain("backing up", err)
		}
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	if err := t.rename(t.candidate(), t.base); err != nil {
		return t.explain("replacing", err)
	}
	if err := t.syncDir(); err != nil {
		return t.explain("syncing the directory of", err)
	}
	return t.prune()
}

// validate asks Request.Validate about a file in the directory, and reports
// whether it was asked.
func (t *target) validate(ctx context.Context, name string) (asked bool, err error) {
	if t.req.Validate == nil || !t.guarded() {
		return false, nil
	}
	return true, t.req.Validate(ctx, filepath.Join(t.dir, name))
}

// guarded reports whether nobody but root and the user who runs this may write
// the file or put another in its place.
func (t *target) guarded() bool {
	if t.exists {
		return ownership.Guarded(t.path, os.Geteuid()) == nil
	}
	return ownership.Guarded(t.dir, os.Geteuid()) == nil
}

// missing tells no file from one that cannot be read.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
