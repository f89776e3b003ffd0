package bootstrap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

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
