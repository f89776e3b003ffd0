// Package capture reads what tcpdump wrote on the client host and counts the
// round trips in it. It knows no lab and starts nothing; it must import nothing
// of kerbagent, so that what it counts is independent of what it checks.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Packet is one UDP datagram or TCP segment.
type Packet struct {
	Time    time.Time
	Out     bool // sent by the client
	Flow    Flow
	Payload int  // bytes above UDP or TCP
	SYN     bool // a SYN-ACK has it too
	RST     bool
}

// Flow is a conversation as the client sees it, the same for both directions.
type Flow struct {
	Transport     string // "udp" or "tcp"
	Client, Other netip.AddrPort
}

// pcap's file and record header, https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html
const (
	magic        = 0xa1b2c3d4 // microseconds; the writer's byte order
	fileHeader   = 24
	recordHeader = 16
	ethernet     = 1
	maxRecord    = 1 << 18
)

// Read returns the client's UDP and TCP packets in the order of the file, which
// is their order in time. Packets of other hosts and protocols, and fragments
// after the first, are left out.
func Read(r io.Reader, client ...netip.Addr) ([]Packet, error) {
	head := make([]byte, fileHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("reading pcap header: %w", err)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if order.Uint32(head) != magic {
		order = binary.BigEndian
	}
	if order.Uint32(head) != magic || order.Uint32(head[20:]) != ethernet {
		return nil, errors.New("reading pcap header: not a capture of Ethernet in microseconds")
	}
	var packets []Packet
	record := make([]byte, recordHeader)
	for {
		if _, err := io.ReadFull(r, record); errors.Is(err, io.EOF) {
			return packets, nil
		} else if err != nil {
			return packets, fmt.Errorf("reading packet %d: %w", len(packets), err)
		}
		size := order.Uint32(record[8:])
		if size > maxRecord {
			return packets, fmt.Errorf("reading packet %d: %d bytes", len(packets), size)
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(r, frame); err != nil {
			return packets, fmt.Errorf("reading packet %d: %w", len(packets), err)
		}
		if p, ok := parse(frame, client); ok {
			p.Time = time.Unix(int64(order.Uint32(record)), int64(order.Uint32(record[4:]))*1000)
			packets = append(packets, p)
		}
	}
}

func parse(frame []byte, client []netip.Addr) (p Packet, ok bool) {
	if len(frame) < 14 {
		return p, false
	}
	var src, dst netip.Addr
	var protocol byte
	var body []byte // of the IP packet, perhaps cut short
	var size int    // of the body, as it was sent
	ip := frame[14:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800: // RFC 791 §3.1
		if len(ip) < 20 || len(ip) < int(ip[0]&15)*4 || binary.BigEndian.Uint16(ip[6:])&0x1fff != 0 {
			return p, false
		}
		header := int(ip[0]&15) * 4
		src, dst = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20]))
		protocol, body, size = ip[9], ip[header:], int(binary.BigEndian.Uint16(ip[2:]))-header
	case 0x86dd: // RFC 8200 §3; the lab's hosts send no extension headers
		if len(ip) < 40 {
			return p, false
		}
		src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
		protocol, body, size = ip[6], ip[40:], int(binary.BigEndian.Uint16(ip[4:]))
	default:
		return p, false
	}
	switch {
	case protocol == 17 && len(body) >= 8: // RFC 768
		p.Flow.Transport, p.Payload = "udp", size-8
	case protocol == 6 && len(body) >= 20: // RFC 9293 §3.1
		p.Flow.Transport, p.Payload = "tcp", size-int(body[12]>>4)*4
		p.SYN, p.RST = body[13]&2 != 0, body[13]&4 != 0
	default:
		return p, false
	}
	from := netip.AddrPortFrom(src, binary.BigEndian.Uint16(body))
	to := netip.AddrPortFrom(dst, binary.BigEndian.Uint16(body[2:]))
	for _, c := range client {
		switch c {
		case src:
			p.Out, p.Flow.Client, p.Flow.Other = true, from, to
			return p, true
		case dst:
			p.Flow.Client, p.Flow.Other = to, from
			return p, true
		}
	}
	return p, false
}

// RoundTrips counts the round trips that came one after another: the longest
// chain in which the client sends a packet, gets an answer to it, sends another
// one after that, and so on, through whatever conversations.
//
// An incoming packet with something in it answers the latest packet of its
// conversation that the client had sent at least 0.9 of a round trip before, for
// nothing else can have caused it; rtt is the delay that the lab has put between
// the client and every other host, both ways together. An outgoing packet
// follows every answer that the client had got before. So the count is never less
// than the chain of causes, and never more than the time over 0.9 rtt; what a busy
// machine sends late lengthens it, so that of several captures the least is nearest.
// Bare acknowledgements and FINs answer nothing.
func RoundTrips(packets []Packet, rtt time.Duration) int {
	type sent struct {
		at    time.Time
		depth int
	}
	outgoing := map[Flow][]sent{}
	deepest := 0
	for _, p := range packets {
		if p.Out {
			outgoing[p.Flow] = append(outgoing[p.Flow], sent{p.Time, deepest})
			continue
		}
		if p.Payload == 0 && !p.SYN && !p.RST {
			continue
		}
		for _, s := range outgoing[p.Flow] {
			if p.Time.Sub(s.at) >= rtt*9/10 {
				deepest = max(deepest, s.depth+1)
			}
		}
	}
	return deepest
}

// Span is the time from the first packet that the client sent to the last one
// with something in it that it got.
func Span(packets []Packet) time.Duration {
	var first, last time.Time
	for _, p := range packets {
		if p.Out && first.IsZero() {
			first = p.Time
		}
		if !p.Out && (p.Payload > 0 || p.SYN || p.RST) {
			last = p.Time
		}
	}
	if first.IsZero() || last.Before(first) {
		return 0
	}
	return last.Sub(first)
}
