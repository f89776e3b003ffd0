package client

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/der"
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

// The most elements that lists of a peer may have; real ones have fewer than ten.
const (
	maxComponents = 16
	maxList       = 64
)

// skip passes over an optional element.
func skip(s *cryptobyte.String, n uint8) bool { return s.SkipOptionalASN1(der.Explicit(n)) }

// nameInto reads a PrincipalName (RFC 4120 §5.2.2). Its type is no part of the
// identity (§6.2) and dropped. A component with a "/" in it is refused, as it
// would look like two in a Principal.
func nameInto(out *[]string) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s, list, parts cryptobyte.String
		ok := f.ReadASN1(&s, asn1.SEQUENCE) && skip(&s, 0) &&
			s.ReadASN1(&list, der.Explicit(1)) && s.Empty() &&
			list.ReadASN1(&parts, asn1.SEQUENCE) && list.Empty()
		for ok && !parts.Empty() {
			var part string
			if len(*out) == maxComponents || !der.ReadString(&parts, &part) || strings.Contains(part, "/") {
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
			der.Field(&s, 0, der.Int32(&out.etype)) &&
			der.Optional(&s, 1, der.Int(&out.kvno)) &&
			der.Field(&s, 2, der.Bytes(&out.cipher)) && s.Empty()
	}
}

// keyInto reads an EncryptionKey (RFC 4120 §5.2.9).
func keyInto(out *sessionKey) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var s cryptobyte.String
		return f.ReadASN1(&s, asn1.SEQUENCE) &&
			der.Field(&s, 0, der.Int32(&out.etype)) &&
			der.Field(&s, 1, der.Bytes(&out.value)) && s.Empty()
	}
}

// errSyntax is what a message that cannot be read results in, wrapped with its name.
func errSyntax(what string, b []byte) error {
	return fmt.Errorf("reading %s of %d bytes: %w", what, len(b), kdcwire.ErrNotKerberos)
}

// The writers below are the readers' counterparts.

func addField(b *cryptobyte.Builder, n uint8, f cryptobyte.BuilderContinuation) {
	b.AddASN1(der.Explicit(n), f)
}

func addInt(b *cryptobyte.Builder, n uint8, v int64) {
	addField(b, n, func(b *cryptobyte.Builder) { b.AddASN1Int64(v) })
}

func addBytes(b *cryptobyte.Builder, n uint8, v []byte) {
	addField(b, n, func(b *cryptobyte.Builder) { b.AddASN1OctetString(v) })
}

func addString(b *cryptobyte.Builder, v string) {
	b.AddASN1(der.GeneralString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
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
	b := cryptobyte.NewBuilder(make([]byte, 0, 256)) // what an AS-REQ takes
	b.AddASN1(der.Application(tag), func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, f) })
	out, err := b.Bytes()
	if err != nil {
		return nil, errors.Join(errors.New("encoding message"), err)
	}
	return out, nil
}
