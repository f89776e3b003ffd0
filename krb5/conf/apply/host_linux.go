package apply

import (
	"time"

	"golang.org/x/sys/unix"
)

// searchOnly opens a directory that is only gone through.
const searchOnly = unix.O_PATH

// uptime is how long the host has been up, asleep or awake.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0 // as right after a start of the host: nothing is forgotten
	}
	return time.Duration(ts.Nano())
}

// isMount tells a file that is mounted over another: a rename onto it would
// end in EBUSY, after a backup had been made.
func (t *target) isMount() bool {
	var st unix.Statx_t
	err := unix.Statx(int(t.fd.Fd()), t.base, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	return err == nil && st.Attributes_mask&st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
