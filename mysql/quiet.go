package mysql

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Quiet reports whether the server has neither said anything nor closed since the last
// packet. A connection whose socket cannot be looked at is taken to be quiet.
func (c *Conn) Quiet() bool {
	sc, ok := c.raw.(syscall.Conn)
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
