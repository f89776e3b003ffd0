package exchange

import (
	"net"
	"strings"
	"syscall"
)

// HostDialer dials from this host. Without the options that it sets, Linux
// hides from UDP sockets what routers say (no route, prohibited), and a probe
// waits for its timeout where the network has long said no. A probe is over
// before the first keep-alive, so none is set up: that is four system calls less.
func HostDialer() *net.Dialer {
	return &net.Dialer{KeepAlive: -1, Control: func(network, _ string, c syscall.RawConn) error {
		if !strings.HasPrefix(network, "udp") {
			return nil
		}
		var set error
		err := c.Control(func(fd uintptr) {
			set = hearRouters(int(fd), network)
		})
		if err != nil {
			return err
		}
		return set
	}}
}
