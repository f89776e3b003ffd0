package kdcwire

import "github.com/kerbagent/kerbagent/internal/socket"

// Reusable reports whether another exchange may be tried: the last one ended
// well, and the peer has neither closed nor sent anything unasked since.
// Heimdal's KDC closes after each reply, Samba's, MIT's and Windows' do not.
// A connection whose socket cannot be looked at is taken to be alive.
func (c *Conn) Reusable() bool {
	return !c.broken.Load() && (c.transport == UDP || socket.Quiet(c.conn))
}
