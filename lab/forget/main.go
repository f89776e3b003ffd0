// Command forget empties the table of connections (conntrack) of its network namespace. A datagram from a port that
// was used a moment ago would else go where the last one was sent by a rule that is gone.
package main

import (
	"encoding/binary"
	"log"
	"syscall"
)

// linux/netfilter/nfnetlink_conntrack.h
const (
	subsysConntrack = 1 << 8
	msgDelete       = 2 // without attributes: all of them
)

func main() {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_NETFILTER)
	if err != nil {
		log.Fatal(err)
	}
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], subsysConntrack|msgDelete)
	binary.NativeEndian.PutUint16(b[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_ACK)
	if err := syscall.Sendto(fd, b, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		log.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		log.Fatal(err)
	}
	if n < 20 || binary.NativeEndian.Uint32(answer[16:]) != 0 { // NLMSG_ERROR with an error of 0
		log.Fatalf("the kernel answers %x", answer[:n])
	}
}
