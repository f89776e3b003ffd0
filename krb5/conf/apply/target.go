package apply

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kerbagent/kerbagent/internal/ownership"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"golang.org/x/sys/unix"
)

// target is a file that is to be replaced, with its directory open: all work
// is done relative to that, so a directory renamed meanwhile cannot lead us
// elsewhere.
type target struct {
	folder
	names
	req    Request
	dir    string
	lock   *os.File // the lock file, once lockTarget has opened it
	exists bool
	text   string
	stat   unix.Stat_t // the file's status; only where it exists
}

// openTarget follows symlinks and opens the directory.
func openTarget(req Request) (*target, error) {
	path, err := follow(req.Path)
	if err != nil {
		return nil, err
	}
	t := &target{req: req, dir: filepath.Dir(path), names: names{filepath.Base(path)}, folder: folder{path: path, step: req.step}}
	if t.fd, err = openDir(t.dir); err != nil {
		return nil, fmt.Errorf("opening the directory of %s: %w", path, err)
	}
	return t, nil
}

func (t *target) close() {
	t.fd.Close()
	if t.lock != nil {
		t.lock.Close()
	}
}

// maxLinks is the kernel's own limit of symlinks in one path.
const maxLinks = 40

// follow returns where a path leads. A symlink on it must be root's or the user's who
// runs this, in a directory that nobody else may write: whoever made it would choose
// which file is replaced. A regular file may stand in anybody's directory. What was
// looked at is what is returned: between two looks another user could put a link
// there. The file itself need not be there, but a symlink to nothing is refused: it is
// more likely a mistake than a wish.
func follow(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("path %q is not absolute", path)
	}
	at, rest, last := "/", strings.Split(path, "/"), false // last: the file itself is a link
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, part)
		st, err := os.Lstat(next)
		switch {
		case missing(err) && last:
			return "", fmt.Errorf("resolving %s: %w", path, ErrDangling)
		case missing(err) && len(rest) > 0:
			return "", fmt.Errorf("resolving the directory of %s: %w", path, err)
		case missing(err):
			return next, nil
		case err != nil:
			return "", fmt.Errorf("resolving %s: %w", path, err)
		case st.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		case links == maxLinks:
			return "", fmt.Errorf("resolving %s: %w", path, unix.ELOOP)
		}
		links++
		last = last || len(rest) == 0
		if !ownership.Owned(st, os.Geteuid()) || ownership.Guarded(at, os.Geteuid()) != nil {
			return "", fmt.Errorf("resolving %s: %s: %w", path, next, ErrForeignLink)
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", fmt.Errorf("resolving %s: %w", path, err)
		}
		if filepath.IsAbs(to) {
			at = "/"
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return at, nil
}

// read takes in the file as it is, and refuses what must not be replaced.
func (t *target) read() error {
	fd, err := unix.Openat(int(t.fd.Fd()), t.base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", t.path, err)
	}
	f := os.NewFile(uintptr(fd), t.path)
	defer f.Close()
	if err := unix.Fstat(fd, &t.stat); err != nil {
		return fmt.Errorf("looking at %s: %w", t.path, err)
	}
	switch {
	case t.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("looking at %s: %w", t.path, conf.ErrNotFile)
	case t.stat.Mode&0o002 != 0:
		return fmt.Errorf("looking at %s: %w", t.path, ErrWorldWritable)
	case t.isMount():
		return fmt.Errorf("looking at %s: %w", t.path, ErrMounted)
	}
	b, err := io.ReadAll(io.LimitReader(f, conf.MaxFileSize+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.path, err)
	}
	t.exists, t.text = true, string(b)
	if len(t.text) > conf.MaxFileSize {
		return fmt.Errorf("reading %s: %w", t.path, conf.ErrTooLarge)
	}
	if t.req.Style == site.Block && strings.IndexByte(t.text, 0) >= 0 {
		return fmt.Errorf("reading %s: %w", t.path, conf.ErrBinary)
	}
	return nil
}

// unchanged looks whether the file is still the one that was read.
func (t *target) unchanged() error {
	var now unix.Stat_t
	err := unix.Fstatat(int(t.fd.Fd()), t.base, &now, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case !t.exists && errors.Is(err, unix.ENOENT):
		return nil
	case err != nil && !errors.Is(err, unix.ENOENT):
		return fmt.Errorf("looking at %s: %w", t.path, err)
	case err != nil, !t.exists, now.Ino != t.stat.Ino, now.Dev != t.stat.Dev, now.Mtim != t.stat.Mtim, now.Size != t.stat.Size:
		return fmt.Errorf("replacing %s: %w", t.path, ErrChanged)
	}
	return nil
}

// explain puts what a person has to know in front of an error number.
func (t *target) explain(doing string, err error) error {
	switch {
	case errors.Is(err, unix.EROFS):
		err = fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EXDEV):
		err = fmt.Errorf("%w (%w)", ErrMounted, err)
	}
	return fmt.Errorf("%s %s: %w", doing, t.path, err)
}
