//go:build !linux

package secrets

import (
	"io/fs"
	"time"
)

// changed returns when a file was written. There is no systemd here that hands files on.
func changed(info fs.FileInfo) time.Time { return info.ModTime() }
