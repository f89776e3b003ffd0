//go:build linux

package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Why a file of a process is not read.
var (
	// ErrNotItsOwn reports that the process's user may not read the file, so the
	// audit does not open it either: a variable that names /etc/shadow must not
	// make root read that.
	ErrNotItsOwn = fmt.Errorf("its user may not read it: %w", fs.ErrPermission)
	// ErrNotJudged reports that an access control list decides.
	ErrNotJudged = errors.New("an access control list decides who may read it, which is not judged")
	// ErrUnread reports that the audit itself has no right to look.
	ErrUnread = errors.New("this user may not read it")
)

const (
	maxLinks = 40  // as Linux follows
	maxWalk  = 256 // components of a path, links resolved
)

// root is the file system as one process sees it: conf.Source reads it.
//
// A path is walked one component at a time, each opened below the descriptor
// of the one before and judged by that descriptor, so that a process that
// renames folders meanwhile gains nothing; a link is read and walked on from
// this root, so that an absolute one does not lead to the host's file.
type root struct {
	who Identity
	dir *os.File // of /proc/PID/root
	cwd string   // where relative paths begin; empty where it is not known
}

func (p *Process) root() (*root, error) {
	fd, err := unix.Openat(int(p.dir.Fd()), "root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("its file system: %w", denied(err))
	}
	cwd, _ := p.link("cwd")
	return &root{who: p.Who, dir: os.NewFile(uintptr(fd), "root"), cwd: cwd}, nil
}

func (r *root) close() { r.dir.Close() }

func denied(err error) error {
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w (%w)", ErrUnread, err)
	}
	return err
}

// walk is one path on its way: the open folders, the root below all.
type walk struct {
	r     *root
	dirs  []int
	links int
	steps int
}

func (w *walk) top() int { return w.dirs[len(w.dirs)-1] }

func (w *walk) close() {
	for _, fd := range w.dirs[1:] {
		unix.Close(fd)
	}
}

// open returns an O_PATH descriptor of what stands at a path, which the
// caller closes, with its attributes. The process must be able to get there.
func (r *root) open(name string) (fd int, st unix.Stat_t, err error) {
	fail := func(err error) (int, unix.Stat_t, error) {
		return -1, st, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if !strings.HasPrefix(name, "/") {
		if !strings.HasPrefix(r.cwd, "/") {
			return fail(errors.New("a relative path, and its directory is not known"))
		}
		name = r.cwd + "/" + name
	}
	w := &walk{r: r, dirs: []int{int(r.dir.Fd())}}
	defer w.close()
	todo := strings.Split(name, "/")
	for {
		if w.steps++; w.steps > maxWalk {
			return fail(unix.ELOOP)
		}
		if len(todo) == 0 { // the root itself, or a folder's ".."
			fd, err = unix.Openat(w.top(), ".", unix.O_PATH|unix.O_CLOEXEC, 0)
			if err == nil {
				err = unix.Fstat(fd, &st)
			}
			if err != nil {
				return fail(err)
			}
			return fd, st, nil
		}
		next, rest := todo[0], todo[1:]
		if next == "" || next == "." || next == ".." {
			if next == ".." {
				w.up()
			}
			todo = rest
			continue
		}
		if fd, st, err = w.step(next); err != nil {
			return fail(err)
		}
		switch {
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			target, err := w.follow(fd)
			if err != nil {
				return fail(err)
			}
			todo = append(strings.Split(target, "/"), rest...)
		case len(rest) == 0:
			return fd, st, nil
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			unix.Close(fd)
			return fail(unix.ENOTDIR)
		default:
			w.dirs = append(w.dirs, fd)
			todo = rest
		}
	}
}

// up goes to the parent; the root's is itself.
func (w *walk) up() {
	if len(w.dirs) > 1 {
		unix.Close(w.top())
		w.dirs = w.dirs[:len(w.dirs)-1]
	}
}

// step opens one name in the folder that was reached, if the process may.
func (w *walk) step(name string) (int, unix.Stat_t, error) {
	var dir, st unix.Stat_t
	if err := unix.Fstat(w.top(), &dir); err != nil {
		return -1, st, err
	}
	if listed(w.top()) {
		return -1, st, ErrNotJudged
	}
	if !w.r.who.may(&dir, search) {
		return -1, st, ErrNotItsOwn
	}
	// RESOLVE_NO_MAGICLINKS: below /proc a name may be a door to another
	// process's files.
	fd, err := unix.Openat2(w.top(), name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
	if err != nil {
		return -1, st, denied(err)
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// follow reads a link; an absolute one begins at the process's root again.
func (w *walk) follow(fd int) (string, error) {
	defer unix.Close(fd)
	if w.links++; w.links > maxLinks {
		return "", unix.ELOOP
	}
	var fsys unix.Statfs_t
	if unix.Fstatfs(fd, &fsys) == nil && fsys.Type == unix.PROC_SUPER_MAGIC {
		return "", errors.New("a link of /proc, which is not followed")
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil {
		return "", err
	}
	target := string(buf[:n])
	if strings.HasPrefix(target, "/") {
		for len(w.dirs) > 1 {
			w.up()
		}
	}
	return target, nil
}

// listed reports whether an access control list decides about a file (acl(5)).
func listed(fd int) bool {
	n, err := unix.Getxattr(magic(fd), "system.posix_acl_access", nil)
	return err == nil && n > 0
}

// magic is the path by which an O_PATH descriptor is opened for good: the very
// file, whatever stands at its name by now.
func magic(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// stat returns the attributes of a file as the process finds it.
func (r *root) stat(name string) (unix.Stat_t, error) {
	fd, st, err := r.open(name)
	if err == nil {
		unix.Close(fd)
	}
	return st, err
}

// read returns a regular file of at most size bytes, if the process's own user
// could read it.
func (r *root) read(name string, size int64) ([]byte, unix.Stat_t, error) {
	fd, st, err := r.open(name)
	if err != nil {
		return nil, st, err
	}
	defer unix.Close(fd)
	fail := func(err error) ([]byte, unix.Stat_t, error) {
		return nil, st, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fail(conf.ErrNotFile)
	case listed(fd):
		return fail(ErrNotJudged)
	case !r.who.may(&st, read):
		return fail(ErrNotItsOwn)
	case st.Size > size:
		return fail(fmt.Errorf("it has %d bytes, more than the %d that are read", st.Size, size))
	}
	f, err := os.OpenFile(magic(fd), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return fail(denied(err))
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, size+1))
	if err == nil && int64(len(b)) > size {
		err = fmt.Errorf("it grew beyond %d bytes", size)
	}
	if err != nil {
		return fail(err)
	}
	return b, st, nil
}

// ReadFile implements conf.Source.
func (r *root) ReadFile(name string) (string, fs.FileMode, error) {
	b, st, err := r.read(name, conf.MaxFileSize)
	return string(b), fs.FileMode(st.Mode & 0o777), err
}

// ReadDir implements conf.Source.
func (r *root) ReadDir(name string) ([]string, error) {
	fd, st, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	fail := func(err error) ([]string, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fail(unix.ENOTDIR)
	case listed(fd):
		return fail(ErrNotJudged)
	case !r.who.may(&st, read):
		return fail(ErrNotItsOwn)
	}
	f, err := os.Open(magic(fd))
	if err != nil {
		return fail(denied(err))
	}
	defer f.Close()
	names, err := f.Readdirnames(maxNames)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.Sort(names)
	return names, err
}

// maxNames of an included directory are read.
const maxNames = 1000
