package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/kerbagent/kerbagent/krb5/der"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Types of preauthentication data (RFC 4120 §7.5.2, RFC 6113 §7.1).
const (
	paTGSReq       = 1
	paEncTimestamp = 2
	paPWSalt       = 3
	paETypeInfo    = 11
	paETypeInfo2   = 19
	paFXCookie     = 133
)

// Hints is what a KDC says about the user's keys (RFC 4120 §5.2.7).
type Hints struct {
	ETypes  []int32 // encryption types that the KDC has keys of, in its order
	Salt    string  // the salt of the first hint; the peer's text
	HasSalt bool    // a salt was given, be it empty

	keys   []keyHint
	cookie []byte // PA-FX-COOKIE, to be sent back as it came (RFC 6113 §5.2)
}

// keyHint describes how to derive one key from a password.
type keyHint struct {
	etype   int32
	salt    string
	hasSalt bool
	params  []byte
}

// HintsOf reads the hints out of a KRB-ERROR's e-data: METHOD-DATA (RFC 4120
// §5.2.7, §5.9.1). What cannot be read gives no hints.
func HintsOf(e *kdcwire.KRBError) Hints {
	var list []padata
	in := cryptobyte.String(e.EData)
	if !padataInto(&list)(&in) || !in.Empty() {
		return Hints{}
	}
	return hintsFrom(list)
}

// hintsFrom prefers ETYPE-INFO2 to ETYPE-INFO to PW-SALT, as RFC 4120 §5.2.7.5
// wants it.
func hintsFrom(list []padata) Hints {
	var h Hints
	var info, info2 []keyHint
	var salt *string
	for _, pa := range list {
		switch pa.kind {
		case paETypeInfo2:
			info2 = readETypeInfo(pa.value, der.GeneralString)
		case paETypeInfo:
			info = readETypeInfo(pa.value, asn1.OCTET_STRING)
		case paPWSalt:
			s := string(pa.value)
			salt = &s
		case paFXCookie:
			h.cookie = pa.value
		}
	}
	switch {
	case len(info2) > 0:
		h.keys = info2
	case len(info) > 0:
		h.keys = info
	}
	for _, k := range h.keys {
		h.ETypes = append(h.ETypes, k.etype)
	}
	switch {
	case len(h.keys) > 0:
		h.Salt, h.HasSalt = h.keys[0].salt, h.keys[0].hasSalt
	case salt != nil:
		h.Salt, h.HasSalt = *salt, true
	}
	return h
}

// hint reports how to make the user's key of an encryption type. Without a hint
// the salt is the default one: realm and name components, nothing between
// (RFC 4120 §4).
func (h Hints) hint(etype int32, user Principal) keyHint {
	k := keyHint{etype: etype, salt: h.Salt, hasSalt: h.HasSalt && len(h.keys) == 0}
	for _, have := range h.keys {
		if have.etype == etype {
			k = have
			break
		}
	}
	return k.salted(user)
}

// salted puts the default salt where none was given.
func (k keyHint) salted(user Principal) keyHint {
	if !k.hasSalt {
		k.salt = user.Realm
		for _, part := range user.components() {
			k.salt += part
		}
	}
	return k
}

// readETypeInfo reads ETYPE-INFO and ETYPE-INFO2, which differ in the type of
// the salt. nil where it is empty or cannot be read.
func readETypeInfo(b []byte, saltTag asn1.Tag) []keyHint {
	in := cryptobyte.String(b)
	var list cryptobyte.String
	if !in.ReadASN1(&list, asn1.SEQUENCE) || !in.Empty() {
		return nil
	}
	var out []keyHint
	for !list.Empty() {
		var s cryptobyte.String
		var k keyHint
		ok := len(out) < maxList && list.ReadASN1(&s, asn1.SEQUENCE) &&
			der.Field(&s, 0, der.Int32(&k.etype)) &&
			der.Optional(&s, 1, func(f *cryptobyte.String) bool {
				var salt cryptobyte.String
				if !f.ReadASN1(&salt, saltTag) {
					return false
				}
				k.salt, k.hasSalt = string(salt), true
				return true
			}) &&
			der.Optional(&s, 2, func(f *cryptobyte.String) bool {
				if saltTag == asn1.OCTET_STRING {
					return f.Skip(len(*f)) // ETYPE-INFO of old KDCs has something else here
				}
				return der.Bytes(&k.params)(f)
			})
		if !ok {
			return nil
		}
		out = append(out, k)
	}
	return out
}

// padata is a PA-DATA (RFC 4120 §5.2.7).
type padata struct {
	kind  int32
	value []byte
}

func padataInto(out *[]padata) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var list cryptobyte.String
		if !f.ReadASN1(&list, asn1.SEQUENCE) {
			return false
		}
		for !list.Empty() {
			var s cryptobyte.String
			var pa padata
			if len(*out) == maxList || !list.ReadASN1(&s, asn1.SEQUENCE) ||
				!der.Field(&s, 1, der.Int32(&pa.kind)) || !der.Field(&s, 2, der.Bytes(&pa.value)) || !s.Empty() {
				return false
			}
			*out = append(*out, pa)
		}
		return true
	}
}

func addPAData(b *cryptobyte.Builder, n uint8, list ...padata) {
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, pa := range list {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addInt(b, 1, int64(pa.kind))
					addBytes(b, 2, pa.value)
				})
			}
		})
	})
}

// Rounds of PBKDF2 below which an offer is refused. They are the defaults of RFC 3962
// §4 and RFC 8009 §4, and no KDC is known to ask for fewer; whoever answers in a KDC's
// place may, and would guess a password from its proof so much faster.
const (
	minRoundsSHA1 = 4_096
	minRoundsSHA2 = 32_768
)

// choose picks the key for preauthentication: the first of the KDC's offers that the
// secret has a key for and that o allows. A KDC that offers none has none in common
// with the request (RFC 4120 §5.2.7.5 has it name them); a guess would be a wrong
// try, which counts against the account. A keytab's keys are not made of what the
// KDC says, and nobody guesses them: all types of theirs are allowed.
func (h Hints) choose(s Secret, user Principal, o ASOptions) (keyHint, error) {
	have := s.etypes(user, o.ETypes)
	_, guessable := s.(*password)
	var refused error
	for _, k := range h.keys {
		if !slices.Contains(have, k.etype) {
			continue
		}
		if guessable {
			if err := k.refuse(o); err != nil {
				// What is weak may be a forger's, what is RC4 an old account's.
				if refused == nil || errors.Is(refused, ErrRC4) {
					refused = err
				}
				continue
			}
		}
		return k.salted(user), nil
	}
	if refused != nil {
		return keyHint{}, refused
	}
	if k, ok := s.(*keytab); ok && len(k.kt.ETypes(user.Name, user.Realm)) == 0 {
		return keyHint{}, &NoEntryError{User: user, Has: k.kt.Principals(user.Name, user.Realm)}
	}
	return keyHint{}, fmt.Errorf("the KDC offers %v, the %s has %v: %w", h.ETypes, s.Kind(), have, ErrNoKey)
}

// refuse returns an error where a password must not be proved with such a key.
func (k keyHint) refuse(o ASOptions) error {
	if k.etype == rc4HMAC {
		if o.AllowRC4 {
			return nil
		}
		return ErrRC4
	}
	least := uint32(minRoundsSHA1)
	if k.etype == aes128SHA256 || k.etype == aes256SHA384 {
		least = minRoundsSHA2
	}
	// Parameters of another length are refused where the key is made; 0 stands for
	// 2^32 (RFC 3962 §4).
	if len(k.params) == 4 {
		if n := binary.BigEndian.Uint32(k.params); n != 0 && n < least {
			return fmt.Errorf("%w: encryption type %d with %d rounds, fewer than %d", ErrWeakKey, k.etype, n, least)
		}
	}
	if o.Salted && k.hasSalt && k.salt == "" {
		return fmt.Errorf("%w: encryption type %d without a salt", ErrWeakKey, k.etype)
	}
	return nil
}
