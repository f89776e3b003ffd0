package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Message types, which are application tags too (RFC 4120 §5.10).
const (
	msgTicket        = 1
	msgAuthenticator = 2
	msgASReq         = 10
	msgASRep         = 11
	msgTGSReq        = 12
	msgTGSRep        = 13
	msgAPReq         = 14
	msgAPRep         = 15
	msgPriv          = 21
	msgEncASRepPart  = 25
	msgEncTGSRepPart = 26
	msgEncAPRepPart  = 27
	msgEncPrivPart   = 28
)

// version is pvno, tkt-vno and authenticator-vno.
const version = 5

// generalString is KerberosString's tag (RFC 4120 §5.2.1).
const generalString = asn1.Tag(27)

// The most elements that lists of a peer may have; real ones have fewer than ten.
const (
	maxComponents = 16
	maxList       = 64
)

func application(n uint8) asn1.Tag {
	const classApplication = 0x40
	return asn1.Tag(n | classApplication).Constructed()
}

func explicit(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// field reads the explicitly tagged element n.
func field(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	var f cryptobyte.String
	return s.ReadASN1(&f, explicit(n)) && read(&f) && f.Empty()
}

// optional is field for an element that may be absent.
func optional(s *cryptobyte.String, n uint8, read func(*cryptobyte.String) bool) bool {
	return !s.PeekASN1Tag(explicit(n)) || field(s, n, read)
}

// skip passes over an optional element.
func skip(s *cryptobyte.String, n uint8) bool { return s.SkipOptionalASN1(explicit(n)) }

func intInto(out *int64) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Integer(out) }
}

func int32Into(out *int32) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Integer(out) }
}

func bytesInto(out *[]byte) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1Bytes(out, asn1.OCTET_STRING) }
}

func timeInto(out *time.Time) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool { return f.ReadASN1GeneralizedTime(out) }
}

func stringInto(out *string) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var v cryptobyte.String
		if !f.ReadASN1(&v, generalString) {
			return false
		}
		*out = string(v)
		return true
	}
}

// nameInto reads a PrincipalName (RFC 4120 §5.2.2). Its type is no part of the
// identity (§6.2) and dropped. A component with a "/" in it is refused, as it
// would look like two in a Principal.
func nameInto(out *[]string) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s, list, parts cryptobyte.String
		ok := f.ReadASN1(&s, asn1.SEQUENCE) && skip(&s, 0) &&
			s.ReadASN1(&list, explicit(1)) && s.Empty() &&
			list.ReadASN1(&parts, asn1.SEQUENCE) && list.Empty()
		for ok && !parts.Empty() {
			var part string
			if len(*out) == maxComponents || !stringInto(&part)(&parts) || strings.Contains(part, "/") {
				return false
			}
			*out = append(*out, part)
		}
		return ok
	}
}

// encryptedInto reads an EncryptedData (RFC 4120 §5.2.9).
func encryptedInto(out *encrypted) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s cryptobyte.String
		return f.ReadASN1(&s, asn1.SEQUENCE) &&
			field(&s, 0, int32Into(&out.etype)) &&
			optional(&s, 1, intInto(&out.kvno)) &&
			field(&s, 2, bytesInto(&out.cipher)) && s.Empty()
	}
}

// keyInto reads an EncryptionKey (RFC 4120 §5.2.9).
func keyInto(out *sessionKey) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s cryptobyte.String
		return f.ReadASN1(&s, asn1.SEQUENCE) &&
			field(&s, 0, int32Into(&out.etype)) &&
			field(&s, 1, bytesInto(&out.value)) && s.Empty()
	}
}

// errSyntax is what a message that cannot be read results in, wrapped with its name.
func errSyntax(what string, b []byte) error {
	return fmt.Errorf("reading %s of %d bytes: %w", what, len(b), kdcwire.ErrNotKerberos)
}

// The writers below are the readers' counterparts.

func addField(b *cryptobyte.Builder, n uint8, f cryptobyte.BuilderContinuation) {
	b.AddASN1(explicit(n), f)
}

func addInt(b *cryptobyte.Builder, n uint8, v int64) {
	addField(b, n, func(b *cryptobyte.Builder) { b.AddASN1Int64(v) })
}

func addBytes(b *cryptobyte.Builder, n uint8, v []byte) {
	addField(b, n, func(b *cryptobyte.Builder) { b.AddASN1OctetString(v) })
}

func addString(b *cryptobyte.Builder, v string) {
	b.AddASN1(generalString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
}

func addRealm(b *cryptobyte.Builder, n uint8, realm string) {
	addField(b, n, func(b *cryptobyte.Builder) { addString(b, realm) })
}

func addTime(b *cryptobyte.Builder, n uint8, t time.Time) {
	addField(b, n, func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(t.UTC().Truncate(time.Second)) })
}

// addFlags writes KerberosFlags of 32 bits (RFC 4120 §5.2.8).
func addFlags(b *cryptobyte.Builder, n uint8, flags uint32) {
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1BitString([]byte{byte(flags >> 24), byte(flags >> 16), byte(flags >> 8), byte(flags)})
	})
}

// Name types (RFC 4120 §6.2). KDCs refer names of services of type SRV-INST
// to other realms; MIT's does not for type PRINCIPAL.
const (
	nameTypePrincipal = 1
	nameTypeSrvInst   = 2
)

func addName(b *cryptobyte.Builder, n uint8, p Principal) {
	parts := p.components()
	nameType := int64(nameTypePrincipal)
	if len(parts) > 1 {
		nameType = nameTypeSrvInst
	}
	addTypedName(b, n, nameType, parts)
}

func addTypedName(b *cryptobyte.Builder, n uint8, nameType int64, parts []string) {
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addInt(b, 0, nameType)
			addField(b, 1, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					for _, part := range parts {
						addString(b, part)
					}
				})
			})
		})
	})
}

func addEncrypted(b *cryptobyte.Builder, e encrypted) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addInt(b, 0, int64(e.etype))
		addBytes(b, 2, e.cipher)
	})
}

func addKey(b *cryptobyte.Builder, n uint8, key sessionKey) {
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addInt(b, 0, int64(key.etype))
			addBytes(b, 1, key.value)
		})
	})
}

// message wraps a SEQUENCE into an application tag.
func message(tag uint8, f cryptobyte.BuilderContinuation) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(application(tag), func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, f) })
	out, err := b.Bytes()
	if err != nil {
		return nil, errors.Join(errors.New("encoding message"), err)
	}
	return out, nil
}
