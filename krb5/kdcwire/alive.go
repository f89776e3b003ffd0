package kdcwire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Reusable reports whether another exchange may be tried: the last one ended
// well, and the peer has neither closed nor sent anything unasked since.
// Heimdal's KDC closes after each reply, Samba's, MIT's and Windows' do not.
// A connection whose socket cannot be looked at is taken to be alive.
func (c *Conn) Reusable() bool {
	if c.broken.Load() {
		return false
	}
	sc, ok := c.conn.(syscall.Conn)
	if !ok || c.transport == UDP {
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
