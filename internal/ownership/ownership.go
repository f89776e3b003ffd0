// Package ownership tells who may change a file: what decides what root writes or
// runs must be nobody else's to write, nor to replace.
package ownership

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Why a file is not taken.
var (
	ErrOwner     = errors.New("it belongs to another user")
	ErrOthersMay = errors.New("others than its owner may write it")
)

// Guarded reports why a file, or a directory on the way to it, may be changed by
// others than root and these users; nil where none may.
func Guarded(path string, users ...int) error {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return err
	}
	for {
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !Owned(st, users...) {
			return fmt.Errorf("%s: %w", path, ErrOwner)
		}
		sticky := st.Mode()&(fs.ModeDir|fs.ModeSticky) == fs.ModeDir|fs.ModeSticky // in /tmp nobody may touch what is others'
		if st.Mode().Perm()&0o022 != 0 && !sticky {
			return fmt.Errorf("%s: %w", path, ErrOthersMay)
		}
		up := filepath.Dir(path)
		if up == path {
			return nil
		}
		path = up
	}
}

// Owned reports whether a file belongs to root or to one of these users.
func Owned(st fs.FileInfo, users ...int) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && (sys.Uid == 0 || slices.Contains(users, int(sys.Uid)))
}
