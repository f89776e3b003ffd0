package client

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// canonicalize lets the KDC answer with a referral (RFC 6806 §3): flag 15.
const canonicalize = 1 << (31 - 15)

// TGS is one TGS exchange (RFC 4120 §3.3) with a KDC of the realm that tgt
// leads to. It is not for several goroutines.
type TGS struct {
	tgt     *Ticket
	service Principal
	now     func() time.Time
	nonce   func() uint32
	sent    uint32 // nonce of the last request
}

// NewTGS prepares to ask for a ticket for service with tgt, which may be a
// referral. The realm of service is not sent: the asked KDC's own realm is,
// where tgt leads to. now may be nil for time.Now.
func NewTGS(tgt *Ticket, service Principal, now func() time.Time) *TGS {
	if now == nil {
		now = time.Now
	}
	return &TGS{tgt: tgt, service: service, now: now, nonce: randomNonce}
}

// Request is a TGS-REQ. Asking twice harms nobody.
func (t *TGS) Request() ([]byte, error) {
	realm, ok := t.tgt.grants()
	if !ok || t.tgt.secret == nil {
		return nil, fmt.Errorf("%s is no ticket granting ticket", t.tgt.Server)
	}
	t.sent = t.nonce()
	body := cryptobyte.NewBuilder(nil)
	body.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addFlags(b, 0, canonicalize)
		addRealm(b, 2, realm)
		addName(b, 3, t.service)
		addTime(b, 5, farFuture())
		addInt(b, 7, int64(t.sent))
		addETypes(b, 8, DefaultETypes())
	})
	bodyDER, err := body.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding TGS-REQ: %w", err)
	}
	key := t.tgt.secret().key
	alg, err := algorithm(key.etype)
	if err != nil {
		return nil, err
	}
	sum, err := alg.GetChecksumHash(key.value, bodyDER, usageTGSReqChecksum)
	if err != nil {
		return nil, fmt.Errorf("signing TGS-REQ: %w", err)
	}
	apReq, err := apRequest(t.tgt, usageTGSReqAuth, 0, authenticator{
		time:     t.now().Add(t.tgt.Ahead),
		sumType:  alg.GetHashID(),
		checksum: sum,
		sequence: randomSequence(),
	})
	if err != nil {
		return nil, err
	}
	return message(msgTGSReq, func(b *cryptobyte.Builder) {
		addInt(b, 1, version)
		addInt(b, 2, msgTGSReq)
		addPAData(b, 3, padata{kind: paTGSReq, value: apReq})
		addField(b, 4, func(b *cryptobyte.Builder) { b.AddBytes(bodyDER) })
	})
}

// Finish reads the reply. The ticket is for the service, or a referral to
// another realm (Ticket.Referral). Errors are as those of AS.Finish.
func (t *TGS) Finish(b []byte) (*Ticket, error) {
	r, err := parseReply(b, msgTGSRep)
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(t.tgt.secret().key, r.enc, usageTGSRepEncPart)
	if err != nil {
		return nil, fmt.Errorf("opening TGS-REP: %w", err)
	}
	p, err := parseEncPart(plain)
	if err != nil {
		return nil, err
	}
	if err := checkReply(r, p, t.tgt.Client, t.sent, t.accepts); err != nil {
		return nil, err
	}
	got := ticketOf(r, p)
	got.Ahead = t.tgt.Ahead
	return got, nil
}

// accepts is true of the asked service, which Active Directory may spell in
// another case when it canonicalises, and of a referral.
func (t *TGS) accepts(got Principal) error {
	realm, _ := t.tgt.grants()
	if got.Realm != realm {
		return &MismatchError{Field: "realm", Want: realm, Got: got.Realm}
	}
	if strings.EqualFold(got.Name, t.service.Name) {
		return nil
	}
	if _, ok := (&Ticket{Server: got}).Referral(); ok {
		return nil
	}
	return &MismatchError{Field: "sname", Want: t.service.Name, Got: got.Name}
}
