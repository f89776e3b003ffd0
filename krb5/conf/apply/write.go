package apply

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// newMode is for a file where there was none: every program reads it.
const newMode = 0o644

// write makes the candidate, on disk before it is renamed. Nobody else may read
// it until likeOld: it can hold a text that others must not see.
func (t *target) write(text string) error {
	if err := t.unlink(t.candidate()); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	var fd int
	err := t.do("create", func() (err error) {
		fd, err = unix.Openat(int(t.fd.Fd()), t.candidate(), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), t.candidate())
	defer f.Close()
	if err := t.do("write", func() error { _, err := f.WriteString(text); return err }); err != nil {
		return err
	}
	if err := t.do("fsync", f.Sync); err != nil {
		return err
	}
	return f.Close()
}

// likeOld makes owner, mode and extended attributes (access lists and the SELinux
// label among them) of the candidate those of the file.
func (t *target) likeOld(name string) error {
	fd, err := unix.Openat(int(t.fd.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening the candidate: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := t.takeOver(fd); err != nil {
		return err
	}
	return t.do("fsync", f.Sync)
}

func (t *target) takeOver(fd int) error {
	if !t.exists {
		return t.do("chmod", func() error { return unix.Fchmod(fd, newMode) })
	}
	// chown before chmod, which it may undo. The mode comes last: with an access
	// list its group bits are the list's mask, and without the list they would let
	// the group in.
	if err := t.do("chown", func() error { return unix.Fchown(fd, int(t.stat.Uid), int(t.stat.Gid)) }); err != nil {
		return err
	}
	if err := t.copyAttributes(fd); err != nil {
		return err
	}
	return t.do("chmod", func() error { return unix.Fchmod(fd, uint32(t.stat.Mode)&0o7777) })
}

func (t *target) copyAttributes(to int) error {
	from, err := unix.Openat(int(t.fd.Fd()), t.base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening %s: %w", t.path, err)
	}
	defer unix.Close(from)
	names, err := attributes(from)
	if err != nil {
		return fmt.Errorf("listing the extended attributes of %s: %w", t.path, err)
	}
	had, err := attributes(to)
	if err != nil {
		return fmt.Errorf("listing the extended attributes of the candidate: %w", err)
	}
	for _, name := range names {
		value, err := attribute(from, name)
		if err != nil {
			return fmt.Errorf("reading the extended attribute %s of %s: %w", name, t.path, err)
		}
		if old, err := attribute(to, name); err == nil && slices.Equal(old, value) {
			continue // the label that a new file gets is often the right one
		}
		if err := t.do("setxattr", func() error { return unix.Fsetxattr(to, name, value, 0) }); err != nil {
			return err
		}
	}
	for _, name := range had { // e.g. from a default access list of the directory
		if !slices.Contains(names, name) && strings.HasPrefix(name, "system.posix_acl") {
			if err := t.do("removexattr", func() error { return unix.Fremovexattr(to, name) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// attributes lists the extended attributes that can be copied: those of IMA
// and EVM sign one file only.
func attributes(fd int) ([]string, error) {
	buf := make([]byte, 64<<10) // the kernel's own limit
	n, err := unix.Flistxattr(fd, buf)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name != "" && name != "security.ima" && name != "security.evm" {
			names = append(names, name)
		}
	}
	return names, nil
}

func attribute(fd int, name string) ([]byte, error) {
	buf := make([]byte, 64<<10)
	n, err := unix.Fgetxattr(fd, name, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
