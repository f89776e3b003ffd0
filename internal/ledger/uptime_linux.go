package ledger

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// hostUptime returns Linux's CLOCK_BOOTTIME, which goes on while the host is
// suspended, and the identifier of this boot (proc_sys_kernel(5)).
func hostUptime() (string, time.Duration) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0
	}
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return "", 0
	}
	return strings.TrimSpace(string(boot)), time.Duration(up.Nano())
}
