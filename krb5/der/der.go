// Package der has the pieces of DER that Kerberos messages are made of (RFC 4120
// §5.1 and appendix A): explicit tags, application tags and their strings.
package der

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// GeneralString is KerberosString's tag (RFC 4120 §5.2.1).
const GeneralString = asn1.Tag(27)

// Application returns the tag of the message n (RFC 4120 §5.10).
func Application(n uint8) asn1.Tag {
	const classApplication = 0x40
	return asn1.Tag(n | classApplication).Constructed()
}

// Explicit returns the tag of the element n of a SEQUENCE.
func Explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// Field reads the explicitly tagged element n and demands that read uses it up.
func Field(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	var f cryptobyte.String
	if !s.ReadASN1(&f, Explicit(n)) {
		return false
	}
	// read gets s: what is handed to an unknown function is on the heap, and a message has dozens of elements.
	rest := *s
	*s = f
	ok := read(s) && s.Empty()
	*s = rest
	return ok
}

// Optional is Field for an element that may be absent.
func Optional(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	return !s.PeekASN1Tag(Explicit(n)) || Field(s, n, read)
}

// Int returns what reads an integer.
func Int(out *int64) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Integer(out) }
}

// Int32 returns what reads an integer of 32 bits.
func Int32(out *int32) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Integer(out) }
}

// Bytes returns what reads an OCTET STRING.
func Bytes(out *[]byte) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Bytes(out, asn1.OCTET_STRING) }
}

// Time returns what reads a KerberosTime (RFC 4120 §5.2.3).
func Time(out *time.Time) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1GeneralizedTime(out) }
}

// String returns what reads a KerberosString.
func String(out *string) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return ReadString(f, out) }
}

// ReadString reads a KerberosString, as what String returns does.
func ReadString(f *cryptobyte.String, out *string) bool {
	var v cryptobyte.String
	if !f.ReadASN1(&v, GeneralString) {
		return false
	}
	*out = string(v)
	return true
}
