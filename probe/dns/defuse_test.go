package dns

import (
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// message is a header with counts, a question for a long name, and raw records.
func message(t *testing.T, answers, extra int, records []byte) []byte {
	t.Helper()
	b := make([]byte, headerSize)
	binary.BigEndian.PutUint16(b, 7)
	b[2] = 0x80
	binary.BigEndian.PutUint16(b[4:], 1)
	binary.BigEndian.PutUint16(b[6:], uint16(answers))
	binary.BigEndian.PutUint16(b[10:], uint16(extra))
	for range 3 {
		b = append(append(b, 63), strings.Repeat("\x07", 63)...) // each byte is shown in four
	}
	b = append(b, 0)
	return append(append(b, 0, byte(dns.TypeA), 0, 1), records...)
}

func record(rrtype uint16, data []byte) []byte {
	b := []byte{0xc0, headerSize}
	b = binary.BigEndian.AppendUint16(b, rrtype)
	b = append(b, 0, 1, 0, 0, 0, 60)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

// unpacked returns how many bytes reading a message allocates.
func unpacked(b []byte) uint64 {
	q := Question{Name: strings.TrimSuffix(strings.Repeat(strings.Repeat(`\007`, 63)+".", 3), "."), Type: A}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = parse(q, 7, b)
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// One record of 54 KB once became 27 MB when it was unpacked.
func TestAMessageStaysSmallWhenItIsUnpacked(t *testing.T) {
	const most = 4 << 20
	hip := []byte{4, 2, 0, 4, 1, 2, 3, 4, 1, 2, 3, 4} // RFC 8005 §5, then a list of names
	for len(hip) < 54_000 {
		hip = append(hip, 0xc0, headerSize)
	}
	var many []byte
	n := 0
	for len(many) < 64_000 {
		many, n = append(many, record(dns.TypeSRV, []byte{0, 0, 0, 0, 0, 88, 0xc0, headerSize})...), n+1
	}
	for name, b := range map[string][]byte{
		"HIP":                 message(t, 1, 0, record(dns.TypeHIP, hip)),
		"HIP as additional":   message(t, 0, 1, record(dns.TypeHIP, hip)),
		"SRV records":         message(t, n, 0, many),
		"additional SRV":      message(t, 0, n, many),
		"more than there are": message(t, 65535, 65535, many),
	} {
		if got := unpacked(b); got > most {
			t.Errorf("%s: %d bytes become %d", name, len(b), got)
		}
	}
}
