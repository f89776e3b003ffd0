package client

import (
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/krb5/der"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// proofPart is an EncAPRepPart (RFC 4120 §5.5.2).
type proofPart struct {
	time     time.Time
	subkey   hidden[sessionKey] // nil where the server chose none
	sequence uint64             // the sequence number of the server's first message in the context
}

// openAPRep reads an AP-REP and proves that whoever sent it holds the service's
// key: it repeats the authenticator's time under the session key.
func openAPRep(b []byte, key sessionKey, sent time.Time) (*proofPart, error) {
	sealed, err := parseAPRep(b)
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(key, sealed, usageAPRepEncPart)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	p, err := parseEncAPRep(plain)
	if err != nil {
		return nil, err
	}
	if !p.time.Equal(sent) {
		return nil, fmt.Errorf("it repeats %s instead of %s: %w", p.time.Format(time.RFC3339Nano), sent.Format(time.RFC3339Nano), ErrUnproven)
	}
	return p, nil
}

// parseAPRep reads an AP-REP (RFC 4120 §5.5.2).
func parseAPRep(b []byte) (encrypted, error) {
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var pvno, msgType int64
	var sealed encrypted
	ok := in.ReadASN1(&app, der.Application(msgAPRep)) && in.Empty() &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, der.Int(&pvno)) && pvno == version &&
		der.Field(&s, 1, der.Int(&msgType)) && msgType == msgAPRep &&
		der.Field(&s, 2, encryptedInto(&sealed)) && s.Empty()
	if !ok {
		return encrypted{}, errSyntax("AP-REP", b)
	}
	return sealed, nil
}

// parseEncAPRep reads an EncAPRepPart (RFC 4120 §5.5.2).
func parseEncAPRep(b []byte) (*proofPart, error) {
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var p proofPart
	var subkey sessionKey
	var us, sequence int64
	ok := in.ReadASN1(&app, der.Application(msgEncAPRepPart)) &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, der.Time(&p.time)) &&
		der.Field(&s, 1, der.Int(&us)) && us >= 0 && us < 1_000_000 &&
		der.Optional(&s, 2, keyInto(&subkey)) &&
		der.Optional(&s, 3, der.Int(&sequence))
	if !ok {
		return nil, errSyntax("encrypted part of AP-REP", b)
	}
	p.time = p.time.Add(time.Duration(us) * time.Microsecond)
	if subkey.value != nil {
		p.subkey = hide(subkey)
	}
	p.sequence = uint64(uint32(sequence)) // old peers write it as signed
	return &p, nil
}
