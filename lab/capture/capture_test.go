package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var (
	client = netip.MustParseAddr("10.77.9.100")
	kdc    = netip.MustParseAddr("10.77.0.10")
)

// frame is an Ethernet frame with an IPv4 packet in it.
func frame(from, to netip.AddrPort, protocol byte, flags byte, payload int) []byte {
	header := 8
	if protocol == 6 {
		header = 20
	}
	b := make([]byte, 14+20+header+payload)
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	ip := b[14:]
	ip[0], ip[9] = 0x45, protocol
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], from.Addr().AsSlice())
	copy(ip[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(ip[20:], from.Port())
	binary.BigEndian.PutUint16(ip[22:], to.Port())
	if protocol == 6 {
		ip[20+12], ip[20+13] = 5<<4, flags
	}
	return b
}

type event struct {
	ms      int
	out     bool
	port    uint16 // the client's
	tcp     byte   // flags; 0 is UDP
	payload int
}

func pcap(events ...event) []byte {
	b := binary.LittleEndian.AppendUint32(nil, magic)
	b = append(b, make([]byte, 16)...)
	b = binary.LittleEndian.AppendUint32(b, ethernet)
	for _, e := range events {
		here, there := netip.AddrPortFrom(client, e.port), netip.AddrPortFrom(kdc, 88)
		if !e.out {
			here, there = there, here
		}
		protocol := byte(17)
		if e.tcp != 0 {
			protocol = 6
		}
		f := frame(here, there, protocol, e.tcp, e.payload)
		b = binary.LittleEndian.AppendUint32(b, 1000)
		b = binary.LittleEndian.AppendUint32(b, uint32(e.ms)*1000)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

const (
	syn    = 0x02
	synAck = 0x12
	ack    = 0x10
	fin    = 0x11
)

func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []event
		want   int
		span   time.Duration
	}{
		{"nothing", nil, 0, 0},
		{"a question without an answer", []event{{0, true, 1, 0, 50}}, 0, 0},
		{"one question", []event{{0, true, 1, 0, 50}, {51, false, 1, 0, 50}}, 1, 51 * time.Millisecond},
		{"two questions side by side", []event{
			{0, true, 1, 0, 50}, {3, true, 2, 0, 50}, {51, false, 1, 0, 50}, {55, false, 2, 0, 50}}, 1, 55 * time.Millisecond},
		{"one after the other, out of step by less than a round trip", []event{
			{0, true, 1, 0, 50}, {20, true, 2, 0, 50}, {51, false, 1, 0, 50}, {52, true, 1, 0, 50},
			{72, false, 2, 0, 50}, {103, false, 1, 0, 50}}, 2, 103 * time.Millisecond},
		{"TCP: connect, question, end", []event{
			{0, true, 1, syn, 0}, {51, false, 1, synAck, 0}, {51, true, 1, ack, 0}, {52, true, 1, ack, 200},
			{103, false, 1, ack, 0}, {105, false, 1, ack, 900}, {106, true, 1, fin, 0}, {157, false, 1, fin, 0}}, 2, 105 * time.Millisecond},
		{"the server speaks first", []event{
			{0, true, 1, syn, 0}, {51, false, 1, synAck, 0}, {51, true, 1, ack, 0}, {103, false, 1, ack, 80}}, 2, 103 * time.Millisecond},
		{"an answer in two segments", []event{
			{0, true, 1, 0, 50}, {51, false, 1, 0, 50}, {52, false, 1, 0, 50}}, 1, 52 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets, err := Read(bytes.NewReader(pcap(c.events...)), client)
			if err != nil {
				t.Fatal(err)
			}
			if len(packets) != len(c.events) {
				t.Fatalf("%d packets, want %d", len(packets), len(c.events))
			}
			if got := RoundTrips(packets, 50*time.Millisecond); got != c.want {
				t.Errorf("%d round trips, want %d", got, c.want)
			}
			if got := Span(packets); got != c.span {
				t.Errorf("span %v, want %v", got, c.span)
			}
		})
	}
}

func TestReadLeavesOthersOut(t *testing.T) {
	packets, err := Read(bytes.NewReader(pcap(event{0, true, 1, 0, 50})), netip.MustParseAddr("10.77.9.101"))
	if err != nil || len(packets) != 0 {
		t.Errorf("got %v, %v", packets, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(pcap(event{0, true, 1, syn, 0}, event{51, false, 1, synAck, 0}))
	f.Add(pcap(event{0, true, 1, 0, 50})[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		packets, _ := Read(bytes.NewReader(b), client)
		RoundTrips(packets, time.Millisecond)
	})
}
