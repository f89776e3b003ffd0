package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxRecord caps what is read of a record; a full one has a few KiB.
const maxRecord = 64 << 10

// store is the state directory, open for one call. Everything in it is reached
// through os.Root: root may run `check` in a directory that belongs to the
// daemon's user, who must not be able to lead root out of it by a link.
type store struct {
	root *os.Root
	dir  string
	uid  int // owner of the directory
	gid  int
}

// store opens the directory anew for each call, so that one that is gone is
// noticed, and one that has come back is used.
func (l *Ledger) store() (*store, error) {
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return nil, noRecord("opening state directory", err)
	}
	info, err := root.Stat(".")
	if err != nil {
		root.Close()
		return nil, noRecord("opening state directory", err)
	}
	s := &store{root: root, dir: l.dir, uid: os.Geteuid(), gid: os.Getegid()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.uid, s.gid = int(st.Uid), int(st.Gid)
	}
	switch euid := os.Geteuid(); {
	case info.Mode().Perm()&0o022 != 0:
		err = fmt.Errorf("others may write to it (mode %04o): chmod 0700 %s", info.Mode().Perm(), l.dir)
	case euid != 0 && s.uid != euid:
		err = fmt.Errorf("it belongs to user %d, not to %d: run as that user, or give another state directory", s.uid, euid)
	}
	if err != nil {
		root.Close()
		return nil, noRecord("opening state directory "+l.dir, err)
	}
	return s, nil
}

func noRecord(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrNoRecord, err)
}

// Close lets go of the directory.
func (s *store) Close() { s.root.Close() }

func (s *store) path(name string) string {
	p := filepath.Join(s.dir, name)
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// read returns a file's content; fs.ErrNotExist where there is none.
func (s *store) read(name string) ([]byte, error) {
	// O_NONBLOCK: a named pipe in the file's place must not hang.
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, noRecord("reading "+s.path(name), err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, noRecord("reading "+s.path(name), err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxRecord {
		return nil, &CorruptError{File: s.path(name), Err: errors.New("not a small regular file")}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return nil, noRecord("reading "+s.path(name), err)
	}
	return b, nil
}

// write replaces a file whole, and returns when it is on the disk.
func (s *store) write(name string, b []byte) error {
	f, err := s.create(name, b)
	if err != nil {
		return err
	}
	return f.Close()
}

// create is write that leaves the file open and locked, so that it is never
// seen without its lock.
func (s *store) create(name string, b []byte) (*os.File, error) {
	// Only the holder of the record's lock writes it, so what has this name
	// was left by one who died, or was planted.
	tmp := name + ".new"
	if err := s.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, noRecord("writing "+s.path(name), err)
	}
	f, err := s.root.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, noRecord("writing "+s.path(name), err)
	}
	if err := s.fill(f, tmp, name, b); err != nil {
		f.Close()
		_ = s.root.Remove(tmp) // what is left is overwritten next time
		return nil, noRecord("writing "+s.path(name), err)
	}
	return f, nil
}

func (s *store) fill(f *os.File, tmp, name string, b []byte) error {
	// What root writes must stay readable to the daemon, whose directory it is.
	if err := s.own(f); err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.root.Rename(tmp, name); err != nil {
		return err
	}
	d, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// own changes the owner of a file that root made to the directory's owner.
func (s *store) own(f *os.File) error {
	if os.Geteuid() == 0 && s.uid != 0 {
		return f.Chown(s.uid, s.gid)
	}
	return nil
}

// lock takes a lock file, which goes when the holder closes it or dies. Where
// another holds it, wait says whether to wait or to return errBusy.
func (s *store) lock(name string, wait bool) (*os.File, error) {
	f, err := s.openLock(name)
	if err != nil {
		return nil, noRecord("locking "+s.path(name), err)
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errBusy
		}
		return nil, noRecord("locking "+s.path(name), err)
	}
	return f, nil
}

// openLock opens a lock file, or makes it. Only one that was made here changes
// its owner: what stood there before may be a link.
func (s *store) openLock(name string) (*os.File, error) {
	const how = os.O_RDWR | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	for {
		f, err := s.root.OpenFile(name, how, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = s.root.OpenFile(name, how|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue // made by another meanwhile
		}
		if err != nil {
			return nil, err
		}
		if err := s.own(f); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

var errBusy = errors.New("locked by another")

// list returns the names that begin with prefix.
func (s *store) list(prefix string) ([]string, error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, noRecord("listing "+s.dir, err)
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, noRecord("listing "+s.dir, err)
	}
	var out []string
	for _, n := range all {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	return out, nil
}

// key reads the host's key anew each time: the directory may have been
// replaced under a running daemon.
func (s *store) key() ([]byte, error) {
	b, err := s.read(keyFile)
	if err != nil {
		return nil, err
	}
	if len(b) != keySize {
		return nil, &CorruptError{File: s.path(keyFile), Err: fmt.Errorf("%d bytes long, not %d", len(b), keySize)}
	}
	return b, nil
}

// decode is strict: a record that is not wholly understood is not trusted.
func (s *store) decode(name string, b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &CorruptError{File: s.path(name), Err: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &CorruptError{File: s.path(name), Err: errors.New("more than one record in it")}
	}
	return nil
}
