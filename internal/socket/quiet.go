// Package socket looks at a connection without reading from it.
package socket

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Quiet reports whether the peer has neither closed nor sent anything that is not
// read yet. A connection whose socket cannot be looked at is taken to be quiet.
func Quiet(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, errno := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errno == unix.EAGAIN
		return true // never wait
	})
	return err == nil && quiet
}
