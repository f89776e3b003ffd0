package bootstrap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// unsafeError is a file or folder that somebody else can change.
type unsafeError struct{ path, why string }

// Error reports what is wrong with it.
func (e *unsafeError) Error() string { return e.path + " " + e.why }

// openOwn opens a folder that nobody but whoever runs this may write to.
func openOwn(path string) (*os.File, error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, hint(&unsafeError{path, "is a link, or no folder"}, "remove it, or name another folder with --state-dir")
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder of the state file: %w", err)
	}
	if err := owned(path, dir); err != nil {
		dir.Close()
		return nil, hint(err, "name another folder with --state-dir; or, as its owner: chmod 700 "+quote(path))
	}
	return dir, nil
}

// owned reports whether nobody but us may write to an open file or folder.
func owned(path string, f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("looking at %s: %w", path, err)
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return &unsafeError{path, fmt.Sprintf("belongs to user %d and not to us", st.Uid)}
	case st.Mode&0o022 != 0:
		return &unsafeError{path, fmt.Sprintf("can be written by others (mode %o)", st.Mode&0o7777)}
	case st.Mode&unix.S_IFMT != unix.S_IFREG && st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &unsafeError{path, "is no regular file"}
	}
	return nil
}

// openIn opens a file of a folder. It follows no link and waits for no pipe.
func openIn(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, &unsafeError{name, "is a link"}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	if err := owned(name, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readOwn reads a file of ours; in no folder there is none.
func readOwn(dir *os.File, name string) ([]byte, error) {
	if dir == nil {
		return nil, fs.ErrNotExist
	}
	f, err := openIn(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxState))
}

// maxState is far above what a state file holds.
const maxState = 1 << 20

// replaceIn writes a file of a folder that is ours alone (openOwn), for nobody else to read.
// Whenever this process dies, the file is as it was or as it is to be. What else is left
// stands beside it, under a name that the next write uses again: a secret must not stay in a
// file that nobody looks for. So the caller sees to it that there is one writer at a time.
func replaceIn(dir *os.File, name string, text []byte) error {
	at, tmp := int(dir.Fd()), "."+name+".new"
	if err := unix.Unlinkat(at, tmp, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &fs.PathError{Op: "remove", Path: tmp, Err: err}
	}
	f, err := openIn(dir, tmp, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fill(f, text); err != nil {
		return errors.Join(err, unix.Unlinkat(at, tmp, 0))
	}
	if err := unix.Renameat(at, tmp, at, name); err != nil {
		return errors.Join(&fs.PathError{Op: "rename", Path: name, Err: err}, unix.Unlinkat(at, tmp, 0))
	}
	return dir.Sync()
}

func fill(f *os.File, text []byte) error {
	if err := f.Chmod(0o600); err != nil { // whatever the umask is
		return err
	}
	if _, err := f.Write(text); err != nil {
		return err
	}
	return f.Sync()
}

// replacePublic writes a file that has no secret, whole. Others may write to its folder at the
// same time; renameio alone would first write to TMPDIR, where what a kill leaves is nobody's.
func replacePublic(path string, text []byte) error {
	return renameio.WriteFile(path, text, 0o644, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(0o644))
}
