package secrets

import (
	"io/fs"
	"syscall"
	"time"
)

// changed returns when a file came to be what it is. The inode's time counts: a file that was
// written long ago may have been moved there just now.
func changed(info fs.FileInfo) time.Time {
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(sys.Ctim.Unix())
	}
	return info.ModTime()
}
