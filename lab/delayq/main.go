// Command delayq takes packets from an NFQUEUE and lets them go after a delay, or drops some: a stand-in for tc netem
// where the kernel has none. Standard library only, raw nfnetlink.
//
//	delayq -q QUEUE -d DELAY [-j JITTER] [-l PERCENT]
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"log"
	"math/rand"
	"sync"
	"syscall"
	"time"
)

// linux/netfilter/nfnetlink_queue.h and netfilter.h
const (
	subsysQueue = 3 << 8
	msgPacket   = 0
	msgVerdict  = 1
	msgConfig   = 2

	attrConfigCommand = 1 // NFQA_CFG_CMD
	attrConfigParams  = 2 // NFQA_CFG_PARAMS
	attrConfigMaxLen  = 3 // NFQA_CFG_QUEUE_MAXLEN
	attrPacketHeader  = 1 // NFQA_PACKET_HDR
	attrVerdict       = 2 // NFQA_VERDICT_HDR

	drop   = 0 // NF_DROP
	accept = 1 // NF_ACCEPT
)

func main() {
	number := flag.Uint("q", 7, "queue number")
	delay := flag.Duration("d", 0, "delay")
	jitter := flag.Duration("j", 0, "jitter (plus or minus)")
	loss := flag.Float64("l", 0, "loss in percent")
	flag.Parse()
	q, err := open(uint16(*number))
	if err != nil {
		log.Fatal(err)
	}
	log.Print("ready")
	log.Fatal(q.run(*delay, *jitter, *loss))
}

type queue struct {
	fd     int
	number uint16
	mu     sync.Mutex // one message at a time to the kernel
}

func open(number uint16) (*queue, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return nil, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<20); err != nil {
		return nil, err
	}
	q := &queue{fd: fd, number: number}
	return q, errors.Join(
		q.send(msgConfig, attr(attrConfigCommand, []byte{1, 0, 0, syscall.AF_INET})), // BIND: the family is ignored
		q.send(msgConfig, attr(attrConfigParams, []byte{0, 0, 0, 128, 2})),           // copy 128 bytes of each packet
		q.send(msgConfig, attr(attrConfigMaxLen, []byte{0, 0, 0x40, 0})),
	)
}

func attr(kind uint16, data []byte) []byte {
	b := make([]byte, (4+len(data)+3)&^3)
	binary.NativeEndian.PutUint16(b, uint16(4+len(data)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	copy(b[4:], data)
	return b
}

func (q *queue) send(message uint16, attributes []byte) error {
	b := make([]byte, 20, 20+len(attributes))
	b = append(b, attributes...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], subsysQueue|message)
	binary.NativeEndian.PutUint16(b[6:], syscall.NLM_F_REQUEST)
	b[16] = syscall.AF_UNSPEC
	binary.BigEndian.PutUint16(b[18:], q.number)
	q.mu.Lock()
	defer q.mu.Unlock()
	return syscall.Sendto(q.fd, b, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
}

func (q *queue) verdict(id, what uint32) {
	d := make([]byte, 8)
	binary.BigEndian.PutUint32(d, what)
	binary.BigEndian.PutUint32(d[4:], id)
	if err := q.send(msgVerdict, attr(attrVerdict, d)); err != nil {
		log.Print("sending a verdict: ", err)
	}
}

type held struct {
	id  uint32
	due time.Time
}

func (q *queue) run(delay, jitter time.Duration, loss float64) error {
	// Without jitter packets keep their order, as on a real path: one goroutine lets them go, first in, first out.
	// (A timer for each would now and then swap neighbours, which TCP takes for loss.)
	fifo := make(chan held, 1<<14)
	go func() {
		for h := range fifo {
			time.Sleep(time.Until(h.due))
			q.verdict(h.id, accept)
		}
	}()
	buf := make([]byte, 65536)
	for {
		n, _, err := syscall.Recvfrom(q.fd, buf, 0)
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.ENOBUFS) {
			continue
		}
		if err != nil {
			return err
		}
		for _, id := range packets(buf[:n]) {
			wait := delay
			if jitter > 0 {
				wait += time.Duration(rand.Int63n(int64(2*jitter))) - jitter
			}
			switch {
			case rand.Float64()*100 < loss:
				q.verdict(id, drop)
			case jitter == 0 && wait > 0:
				fifo <- held{id, time.Now().Add(wait)}
			default:
				time.AfterFunc(wait, func() { q.verdict(id, accept) })
			}
		}
	}
}

// packets returns the ids of the packets in one read from the kernel.
func packets(b []byte) (ids []uint32) {
	for len(b) >= 20 {
		n := int(binary.NativeEndian.Uint32(b))
		if n < 20 || n > len(b) {
			return ids
		}
		if binary.NativeEndian.Uint16(b[4:]) == subsysQueue|msgPacket {
			if id, ok := packetID(b[20:n]); ok {
				ids = append(ids, id)
			}
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return ids
}

func packetID(attrs []byte) (uint32, bool) {
	for len(attrs) >= 8 {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return 0, false
		}
		if binary.NativeEndian.Uint16(attrs[2:])&0x3fff == attrPacketHeader {
			return binary.BigEndian.Uint32(attrs[4:]), true
		}
		attrs = attrs[min((n+3)&^3, len(attrs)):]
	}
	return 0, false
}
