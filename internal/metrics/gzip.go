package metrics

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

const (
	hashBits = 12
	window   = 32 << 10 // how far back a match may lie (RFC 1951 §2)
	longest  = 258      // and how long it may be
)

// squeezer writes gzip (RFC 1952): one block with the fixed codes of RFC 1951 §3.2.6. A page of metrics
// repeats itself so much that other codes would save little; compress/gzip holds more than a megabyte to
// find them, a third of all that the daemon keeps.
type squeezer struct {
	last [1 << hashBits]int32 // one more than where the latest four bytes with each hash begin
	out  []byte
	bits uint64 // not yet in out
	n    int    // how many
}

// gzip appends a compressed page to out.
func (s *squeezer) gzip(out, page []byte) []byte {
	clear(s.last[:])
	s.out = append(out, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255) // deflate, no name, no time, fast, of no particular system
	s.put(1, 1)                                               // the last block
	s.put(1, 2)                                               // has fixed codes
	for i := 0; i < len(page); {
		at, n := s.match(page, i)
		if n == 0 {
			s.symbol(int(page[i]))
			i++
			continue
		}
		s.repeat(n, i-at)
		i += n
	}
	s.symbol(256) // the end
	s.put(0, 7)   // fills the last byte
	s.bits, s.n = 0, 0
	s.out = binary.LittleEndian.AppendUint32(s.out, crc32.ChecksumIEEE(page))
	out, s.out = binary.LittleEndian.AppendUint32(s.out, uint32(len(page))), nil
	return out
}

// match returns where what stands at i stood before, and how much of it; n is 0 where it did not.
func (s *squeezer) match(page []byte, i int) (at, n int) {
	if len(page)-i < 4 {
		return 0, 0
	}
	next := binary.LittleEndian.Uint32(page[i:])
	latest := &s.last[next*2654435761>>(32-hashBits)]
	at = int(*latest) - 1
	*latest = int32(i + 1)
	if at < 0 || i-at > window || binary.LittleEndian.Uint32(page[at:]) != next {
		return 0, 0
	}
	for n = 4; n < longest && i+n < len(page) && page[at+n] == page[i+n]; n++ {
	}
	return at, n
}

// repeat writes a length and a distance (RFC 1951 §3.2.5). From 8 and 4 on there are four and two codes for each
// power of two, and the rest of the number follows as it is.
func (s *squeezer) repeat(length, distance int) {
	switch l := length - 3; {
	case length == longest:
		s.symbol(285)
	case l < 8:
		s.symbol(257 + l)
	default:
		extra := bits.Len(uint(l)) - 3
		s.symbol(257 + 4*extra + l>>extra)
		s.put(l&(1<<extra-1), extra)
	}
	d, extra := distance-1, 0
	if d >= 4 {
		extra = bits.Len(uint(d)) - 2
	}
	s.code(2*extra+d>>extra, 5)
	s.put(d&(1<<extra-1), extra)
}

// symbol writes a literal byte, a length or the end by its fixed code (RFC 1951 §3.2.6).
func (s *squeezer) symbol(v int) {
	switch {
	case v < 144:
		s.code(0x30+v, 8)
	case v < 256:
		s.code(0x190+v-144, 9)
	case v < 280:
		s.code(v-256, 7)
	default:
		s.code(0xc0+v-280, 8)
	}
}

// code writes a Huffman code of n bits, which begins with its highest bit.
func (s *squeezer) code(v, n int) { s.put(int(bits.Reverse16(uint16(v)))>>(16-n), n) }

// put writes n bits, the lowest one first.
func (s *squeezer) put(v, n int) {
	s.bits |= uint64(v) << s.n
	for s.n += n; s.n >= 8; s.n -= 8 {
		s.out = append(s.out, byte(s.bits))
		s.bits >>= 8
	}
}
