//go:build !linux

package ledger

import "time"

// hostUptime is not known: the daemon, which tries by itself, runs on Linux.
func hostUptime() (string, time.Duration) { return "", 0 }
