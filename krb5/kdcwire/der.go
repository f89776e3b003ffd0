package kdcwire

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// generalString is KerberosString's tag (RFC 4120 §5.2.1).
const generalString = asn1.Tag(27)

// maxComponents bounds the parts of a name; real ones have two or three.
const maxComponents = 16

func application(n uint8) asn1.Tag {
	const classApplication = 0x40
	return asn1.Tag(n | classApplication).Constructed()
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// field reads the explicitly tagged element n and demands that read uses it up.
func field(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	var f cryptobyte.String
	return s.ReadASN1(&f, explicit(n)) && read(&f) && f.Empty()
}

// optional is field for an element that may be absent.
func optional(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	if !s.PeekASN1Tag(explicit(n)) {
		return true
	}
	return field(s, n, read)
}

func readInt(s *cryptobyte.String, n uint8, out *int64) bool {
	return field(s, n, func(f *cryptobyte.String) bool { return f.ReadASN1Integer(out) })
}

func readString(f *cryptobyte.String, out *string) bool {
	var v cryptobyte.String
	if !f.ReadASN1(&v, generalString) {
		return false
	}
	*out = string(v)
	return true
}

func readTime(f *cryptobyte.String, out *time.Time) bool {
	return f.ReadASN1GeneralizedTime(out)
}

// readName reads a PrincipalName (RFC 4120 §5.2.2) and drops its name type,
// which RFC 4120 §6.2 makes no part of the identity.
func readName(f *cryptobyte.String, out *[]string) bool {
	var s cryptobyte.String
	var nameType int64
	return f.ReadASN1(&s, asn1.SEQUENCE) &&
		readInt(&s, 0, &nameType) &&
		field(&s, 1, func(list *cryptobyte.String) bool {
			var parts cryptobyte.String
			if !list.ReadASN1(&parts, asn1.SEQUENCE) {
				return false
			}
			for !parts.Empty() {
				var part string
				if len(*out) == maxComponents || !readString(&parts, &part) {
					return false
				}
				*out = append(*out, part)
			}
			return true
		}) && s.Empty()
}
