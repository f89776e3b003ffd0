package client

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ASOptions change an AS exchange; the zero value is the usual one.
type ASOptions struct {
	Now    func() time.Time // nil: time.Now
	ETypes []int32          // asked for, in this order; nil: DefaultETypes
	Server Principal        // zero: krbtgt/REALM of the user's realm
	// AllowRC4 lets a password be proved with RC4, and Salted refuses to prove one
	// with a key that has no salt, which no account of Active Directory lacks.
	AllowRC4, Salted bool
	// TimeSync takes the KDC's time where it differs from this host's, as libkrb5 does
	// with kdc_timesync = 1: the proofs of the user and of the tickets have that time.
	TimeSync bool

	nonce func() uint32
}

// AS is one AS exchange (RFC 4120 §3.1): Request, then Preauthenticated where
// the KDC wants it, then Finish with the reply to the last of them. It is not
// for several goroutines.
type AS struct {
	user  Principal
	o     ASOptions
	nonce uint32
	hints Hints
	proof int32 // encryption type of the proof; 0: none was made
}

// NewAS prepares an exchange for user, whose realm must be set.
func NewAS(user Principal, o ASOptions) *AS {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ETypes == nil {
		o.ETypes = DefaultETypes()
	}
	if o.Server == (Principal{}) {
		o.Server = tgs(user.Realm, user.Realm)
	}
	if o.nonce == nil {
		o.nonce = randomNonce
	}
	return &AS{user: user, o: o}
}

// Request is an AS-REQ without credentials. A KDC answers it with
// KDC_ERR_PREAUTH_REQUIRED, and does not count it against the account.
func (a *AS) Request() ([]byte, error) { return a.request() }

// Preauthenticated is an AS-REQ with an encrypted timestamp (RFC 4120
// §5.2.7.2), made as required, the answer to Request, demands. A KDC counts it
// against the account where the secret is wrong: send it once.
func (a *AS) Preauthenticated(required *kdcwire.KRBError, s Secret) ([]byte, error) {
	a.hints = HintsOf(required)
	hint, err := a.hints.choose(s, a.user, a.o)
	if err != nil {
		return nil, err
	}
	key, err := s.key(a.user, hint, 0)
	if err != nil {
		return nil, err
	}
	now := a.o.Now()
	if a.o.TimeSync && !required.STime.IsZero() {
		now = required.STime
	}
	stamp, err := timestamp(now)
	if err != nil {
		return nil, err
	}
	a.proof = key.etype
	sealed, err := encrypt(key, stamp, usageASReqTimestamp)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(nil)
	addEncrypted(b, sealed)
	value, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding timestamp: %w", err)
	}
	pas := []padata{{kind: paEncTimestamp, value: value}}
	if a.hints.cookie != nil {
		pas = append(pas, padata{kind: paFXCookie, value: a.hints.cookie})
	}
	return a.request(pas...)
}

// Finish reads the reply to the last request. The error is a
// *kdcwire.KRBError where the KDC sent one, a *MismatchError where the reply
// is for something else, or wraps ErrReplyKey or kdcwire.ErrNotKerberos. Our
// own clock does not matter.
func (a *AS) Finish(b []byte, s Secret) (*Ticket, error) {
	r, err := parseReply(b, msgASRep)
	if err != nil {
		return nil, err
	}
	if !supported(r.enc.etype) {
		return nil, fmt.Errorf("the reply is encrypted with type %d: %w", r.enc.etype, ErrNoKey)
	}
	// The reply may be under another key than the request; it says then how
	// to make it (RFC 4120 §3.1.3).
	hints := hintsFrom(r.padata)
	if !hints.HasSalt && len(hints.keys) == 0 {
		hints = a.hints
	}
	key, err := s.key(a.user, hints.hint(r.enc.etype, a.user), uint32(r.enc.kvno))
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(key, r.enc, usageASRepEncPart)
	if err != nil {
		return nil, fmt.Errorf("opening AS-REP: %w", err)
	}
	p, err := parseEncPart(plain)
	if err != nil {
		return nil, err
	}
	err = checkReply(r, p, a.user, a.nonce, func(got Principal) error {
		switch {
		case got.Realm != a.o.Server.Realm:
			return &MismatchError{Field: "realm", Want: a.o.Server.Realm, Got: got.Realm}
		case got.Name != a.o.Server.Name:
			return &MismatchError{Field: "sname", Want: a.o.Server.Name, Got: got.Name}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t := ticketOf(r, p)
	t.ReplyEType, t.ReplyKVNO, t.ProofEType = r.enc.etype, int(r.enc.kvno), a.proof
	if a.o.TimeSync {
		t.Ahead = time.Duration(t.AuthTime.Unix()-a.o.Now().Unix()) * time.Second
	}
	return t, nil
}

func (a *AS) request(pas ...padata) ([]byte, error) {
	a.nonce = a.o.nonce()
	body := func(b *cryptobyte.Builder) {
		addFlags(b, 0, 0)
		addName(b, 1, a.user)
		addRealm(b, 2, a.user.Realm)
		addName(b, 3, a.o.Server)
		addTime(b, 5, farFuture())
		addInt(b, 7, int64(a.nonce))
		addETypes(b, 8, a.o.ETypes)
	}
	return message(msgASReq, func(b *cryptobyte.Builder) {
		addInt(b, 1, version)
		addInt(b, 2, msgASReq)
		if len(pas) > 0 {
			addPAData(b, 3, pas...)
		}
		addField(b, 4, func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, body) })
	})
}

// timestamp is a PA-ENC-TS-ENC (RFC 4120 §5.2.7.2).
func timestamp(now time.Time) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addTime(b, 0, now)
		addInt(b, 1, microseconds(now))
	})
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding timestamp: %w", err)
	}
	return out, nil
}

// microseconds is the part of a time that KerberosTime has no room for.
func microseconds(t time.Time) int64 { return int64(t.Nanosecond()) / 1000 }

// farFuture is the end that is asked for: the time that Windows asks for too,
// which every KDC cuts to what it grants. An end counted from our own clock
// could lie in the KDC's past.
func farFuture() time.Time { return time.Date(2037, 9, 13, 2, 48, 5, 0, time.UTC) }

func addETypes(b *cryptobyte.Builder, n uint8, etypes []int32) {
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, e := range etypes {
				b.AddASN1Int64(int64(e))
			}
		})
	})
}

// randomNonce has 31 bits, because some KDCs read it as signed.
func randomNonce() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return binary.BigEndian.Uint32(b[:]) >> 1
}
