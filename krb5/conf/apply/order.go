package apply

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/kerbagent/kerbagent/internal/ownership"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"golang.org/x/sys/unix"
)

// Why a file that somebody hands to root is not taken, beside ownership.ErrOthersMay.
var (
	ErrNotOwn = errors.New("it belongs neither to root nor to the owner of its directory")
)

// WriteOrder puts an order where ReadOrder finds it. The directory must be
// there; a reader sees the old order or the new one.
func WriteOrder(path string, o site.Order) (err error) {
	text := o.String()
	if len(text) > site.MaxOrderSize {
		return fmt.Errorf("writing %s: %w", path, site.ErrOrderSize)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		f.Close() // a second close does no harm
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	// No fsync: the directory does not outlive a restart of the host.
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadOrder reads an order that a process with fewer rights has written: a
// regular file, small, no link, of the directory's owner or root, and nobody
// else's to write. What is in it is only a wish: Site.InOrder judges it.
func ReadOrder(path string) (site.Order, error) {
	o, err := readOrder(path)
	if err != nil {
		return nil, fmt.Errorf("reading the order in %s: %w", path, err)
	}
	return o, nil
}

func readOrder(path string) (site.Order, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	// Neither a link nor a FIFO may lead or hold up a process of root.
	fd, err := unix.Openat(int(dir.Fd()), filepath.Base(path), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w but a symlink", conf.ErrNotFile)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st, above unix.Stat_t
	if err := errors.Join(unix.Fstat(fd, &st), unix.Fstat(int(dir.Fd()), &above)); err != nil {
		return nil, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, conf.ErrNotFile
	case st.Uid != 0 && st.Uid != above.Uid:
		return nil, ErrNotOwn
	case (st.Mode|above.Mode)&0o022 != 0:
		return nil, ownership.ErrOthersMay
	}
	b, err := io.ReadAll(io.LimitReader(f, site.MaxOrderSize+1))
	if err != nil {
		return nil, err
	}
	return site.ParseOrder(string(b))
}
