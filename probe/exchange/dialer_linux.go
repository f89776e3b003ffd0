package exchange

import "golang.org/x/sys/unix"

// hearRouters has a UDP socket report what routers say (ip(7), IP_RECVERR).
func hearRouters(fd int, network string) error {
	if network == "udp6" {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
}
