package apply

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long an apply waits for another one, and lockPause how long
// between two tries.
const (
	lockWait  = 20 * time.Second
	lockPause = 20 * time.Millisecond
)

// maxReorders is how often the order of KDCs may change within reorderSpan. The
// order comes from a process with fewer rights: without a limit one that was
// taken over could have the file rewritten all the time.
const (
	maxReorders = 6
	reorderSpan = time.Hour
)

// lockTarget opens a target once no other apply works on the file, or fails at
// the end of ctx or of lockWait. The lock is on a file that nobody else may open:
// every reader of a directory can lock the directory, and whoever can open a
// file can lock that. The file stays, so that all processes lock the same one.
func lockTarget(ctx context.Context, req Request) (*target, error) {
	t, err := openTarget(req)
	if err != nil {
		return nil, err
	}
	if err := t.takeLock(ctx); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *target) takeLock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("locking %s: %w", t.path, err)
	}
	fd, err := unix.Openat(int(t.fd.Fd()), t.lockName(),
		unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("locking %s: %s: %w", t.path, t.lockName(), ErrLockFile)
	}
	if err != nil {
		return t.explain("locking", &os.PathError{Op: "open", Path: t.lockName(), Err: err})
	}
	t.lock = os.NewFile(uintptr(fd), t.lockName())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return t.explain("locking", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Geteuid() || st.Mode&0o177 != 0 {
		return fmt.Errorf("locking %s: %s: %w", t.path, t.lockName(), ErrLockFile)
	}
	wait := t.req.wait
	if wait == 0 {
		wait = lockWait
	}
	end := time.NewTimer(wait)
	defer end.Stop()
	again := time.NewTicker(lockPause)
	defer again.Stop()
	for {
		switch err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return t.explain("locking", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("locking %s: %w (%w)", t.path, ErrBusy, ctx.Err())
		case <-end.C:
			return fmt.Errorf("locking %s: %w, for %v and longer", t.path, ErrBusy, wait)
		case <-again.C:
		}
	}
}

// ready is asked right before the file is replaced: nobody has changed it since
// it was read, and nobody has called the work off.
func (t *target) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("replacing %s: %w", t.path, err)
	}
	return t.unchanged()
}

// recordReorder records, in the lock file and before it is done, that the order
// of KDCs changes, or refuses it. The times are uptimes: someone who sets the
// clock ahead does not free the limit. An uptime of an earlier boot says less
// than the truth of how long ago it was, so the limit holds over a restart too.
func (t *target) recordReorder() error {
	now := t.uptime()
	var times []time.Duration
	lines := bufio.NewScanner(io.NewSectionReader(t.lock, 0, 4<<10))
	for lines.Scan() {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil || n < 0 {
			continue // cut short by a full disk
		}
		at := time.Duration(n)
		if at > now { // of an earlier boot
			at = 0
		}
		if now-at < reorderSpan {
			times = append(times, at)
		}
	}
	if err := lines.Err(); err != nil {
		return t.explain("reading the lock file of", err)
	}
	if len(times) >= maxReorders {
		due := slices.Sorted(slices.Values(times))[len(times)-maxReorders] + reorderSpan - now
		return fmt.Errorf("replacing %s: %w; the next change is possible in %v", t.path, ErrTooOften, due.Round(time.Second))
	}
	var b strings.Builder
	for _, at := range append(times, now) {
		fmt.Fprintln(&b, int64(at))
	}
	return t.do("record", func() error {
		if err := t.lock.Truncate(0); err != nil {
			return err
		}
		if _, err := t.lock.WriteAt([]byte(b.String()), 0); err != nil {
			return err
		}
		return t.lock.Sync()
	})
}

func (t *target) uptime() time.Duration {
	if t.req.uptime != nil {
		return t.req.uptime()
	}
	return uptime()
}
