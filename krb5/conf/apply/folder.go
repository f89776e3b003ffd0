package apply

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// folder is the open directory in which a file is replaced. Each change to the
// file system is one of its methods.
type folder struct {
	fd   *os.File
	path string                    // of the file that is replaced, resolved
	step func(change string) error // tests let a change happen, or not; nil: all
}

// openDir opens a resolved directory a step at a time, so that a part of the
// path that has become a link since is not followed.
func openDir(path string) (*os.File, error) {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	at, err := unix.Open("/", searchOnly|flags, 0)
	for i := 0; err == nil && i <= len(parts); i++ {
		name, how := ".", unix.O_RDONLY|flags
		if i < len(parts) {
			name, how = parts[i], searchOnly|flags
		}
		var next int
		next, err = unix.Openat(at, name, how, 0)
		unix.Close(at)
		at = next
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(at), path), nil
}

// do runs one change to the file system, if the test lets it.
func (f *folder) do(change string, run func() error) error {
	if f.step != nil {
		if err := f.step(change); err != nil {
			return &os.PathError{Op: change, Path: f.path, Err: err}
		}
	}
	for {
		err := run()
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: change, Path: f.path, Err: err}
		}
		return nil
	}
}

func (f *folder) rename(from, to string) error {
	return f.do("rename", func() error { return unix.Renameat(int(f.fd.Fd()), from, int(f.fd.Fd()), to) })
}

func (f *folder) link(from, to string) error {
	return f.do("link", func() error { return unix.Linkat(int(f.fd.Fd()), from, int(f.fd.Fd()), to, 0) })
}

func (f *folder) unlink(name string) error {
	return f.do("unlink", func() error { return unix.Unlinkat(int(f.fd.Fd()), name, 0) })
}

func (f *folder) syncDir() error { return f.do("fsync directory", f.fd.Sync) }

// names are those of a file and of what lies beside it.
type names struct{ base string }

// candidate is the name under which a text is written first. The lock lets
// nobody else use it; what a killed process left there is removed.
func (n names) candidate() string { return "." + n.base + ".kerbagent-new" }

func (n names) prefix() string { return "." + n.base + ".kerbagent-backup-" }

// rejected is where Rollback leaves the version that it took away.
func (n names) rejected() string { return "." + n.base + ".kerbagent-rejected" }

func (n names) lockName() string { return "." + n.base + ".kerbagent-lock" }
