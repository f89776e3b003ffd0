package dns

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// maxUnpacked is how many records of a message are unpacked: those of the
// largest answer that read takes, and as many beside it.
const maxUnpacked = 2 * (maxRecords + maxAliases)

// unread is a type of private use (RFC 6895 §3.1): its data are kept as they are.
const unread = 0xff00

// defuse makes a message cheap to unpack, before it is. Compressed names grow
// when they are unpacked (RFC 1035 §4.1.4): 54 KB of one HIP record, which is a
// list of names, become 27 MB. So the types that nobody here reads are made
// opaque, and records beyond maxUnpacked are cut off.
func defuse(b []byte) {
	at := headerSize
	for range binary.BigEndian.Uint16(b[4:]) {
		if at = afterName(b, at) + 4; at > len(b) {
			return
		}
	}
	room := maxUnpacked
	for _, section := range []int{6, 8, 10} { // the counts of the answer, authority and additional sections
		n := min(int(binary.BigEndian.Uint16(b[section:])), room)
		binary.BigEndian.PutUint16(b[section:], uint16(n))
		room -= n
		for range n {
			at = afterName(b, at)
			if at+10 > len(b) {
				return // unpacking ends here as well, with an error
			}
			switch binary.BigEndian.Uint16(b[at:]) {
			case dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeSOA, dns.TypeURI, dns.TypeCNAME, dns.TypeOPT:
			default:
				binary.BigEndian.PutUint16(b[at:], unread)
			}
			at += 10 + int(binary.BigEndian.Uint16(b[at+8:]))
		}
	}
}

// afterName returns where the name at an offset ends: at a label without a
// length, or behind a pointer. A name that has no end gives an offset outside of b.
func afterName(b []byte, at int) int {
	for at < len(b) {
		switch n := int(b[at]); {
		case n == 0:
			return at + 1
		case n >= 0xc0:
			return at + 2
		default:
			at += n + 1
		}
	}
	return len(b) + 1
}
