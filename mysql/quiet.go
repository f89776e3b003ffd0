package mysql

import "github.com/kerbagent/kerbagent/internal/socket"

// Quiet reports whether the server has neither said anything nor closed since the last
// packet. A connection whose socket cannot be looked at is taken to be quiet.
func (c *Conn) Quiet() bool { return socket.Quiet(c.raw) }
