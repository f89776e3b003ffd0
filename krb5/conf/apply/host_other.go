//go:build !linux

package apply

import (
	"time"

	"golang.org/x/sys/unix"
)

const searchOnly = unix.O_RDONLY

// uptime is that of a host that has just started: nothing is forgotten.
func uptime() time.Duration { return 0 }

// isMount is for Linux alone: elsewhere no file is mounted over another.
func (t *target) isMount() bool { return false }
