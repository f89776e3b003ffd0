package client

import (
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/der"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// rawTicket is a Ticket (RFC 4120 §5.3): what is in clear, and the whole as it
// came, because it is handed on untouched.
type rawTicket struct {
	server Principal
	enc    encrypted
	der    []byte
}

func ticketInto(out *rawTicket) func(*cryptobyte.String) bool {
	return func(f *cryptobyte.String) bool {
		var element, app, s cryptobyte.String
		var vno int64
		var sname []string
		ok := f.ReadASN1Element(&element, der.Application(msgTicket))
		out.der = append([]byte(nil), element...)
		ok = ok && element.ReadASN1(&app, der.Application(msgTicket)) &&
			app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
			der.Field(&s, 0, der.Int(&vno)) && vno == version &&
			der.Field(&s, 1, der.String(&out.server.Realm)) &&
			der.Field(&s, 2, nameInto(&sname)) &&
			der.Field(&s, 3, encryptedInto(&out.enc)) && s.Empty()
		out.server.Name = strings.Join(sname, "/")
		return ok
	}
}

func parseTicket(b []byte) (rawTicket, error) {
	var t rawTicket
	in := cryptobyte.String(b)
	if !ticketInto(&t)(&in) || !in.Empty() {
		return rawTicket{}, errSyntax("ticket", b)
	}
	return t, nil
}

// reply is an AS-REP or TGS-REP (RFC 4120 §5.4.2).
type reply struct {
	padata []padata
	client Principal
	ticket rawTicket
	enc    encrypted
}

// parseReply reads the message of that type, or the KRB-ERROR that came in its
// place and is then the error.
func parseReply(b []byte, msgType uint8) (*reply, error) {
	if kdcwire.IsError(b) {
		e, err := kdcwire.ParseError(b)
		if err != nil {
			return nil, err
		}
		return nil, e
	}
	r := new(reply)
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var pvno, gotType int64
	var cname []string
	ok := in.ReadASN1(&app, der.Application(msgType)) && in.Empty() &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, der.Int(&pvno)) && pvno == version &&
		der.Field(&s, 1, der.Int(&gotType)) && gotType == int64(msgType) &&
		der.Optional(&s, 2, padataInto(&r.padata)) &&
		der.Field(&s, 3, der.String(&r.client.Realm)) &&
		der.Field(&s, 4, nameInto(&cname)) &&
		der.Field(&s, 5, ticketInto(&r.ticket)) &&
		der.Field(&s, 6, encryptedInto(&r.enc)) && s.Empty()
	if !ok {
		return nil, errSyntax("KDC's reply", b)
	}
	r.client.Name = strings.Join(cname, "/")
	return r, nil
}

// encPart is what only the client can read of a reply: EncKDCRepPart (RFC 4120
// §5.4.2).
type encPart struct {
	key            sessionKey
	nonce          uint32
	passwordExpiry time.Time // last-req of type 6
	accountExpiry  time.Time // last-req of type 7
	keyExpiration  time.Time
	authTime       time.Time
	startTime      time.Time
	endTime        time.Time
	renewTill      time.Time
	server         Principal
}

// parseEncPart reads the decrypted part. KDCs use the tag of either message
// for both (RFC 4120 §5.4.2). Bytes after it are padding.
func parseEncPart(b []byte) (*encPart, error) {
	p := new(encPart)
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var nonce int64
	var sname []string
	tag := der.Application(msgEncASRepPart)
	if in.PeekASN1Tag(der.Application(msgEncTGSRepPart)) {
		tag = der.Application(msgEncTGSRepPart)
	}
	ok := in.ReadASN1(&app, tag) &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, keyInto(&p.key)) &&
		der.Field(&s, 1, p.lastReq) &&
		der.Field(&s, 2, der.Int(&nonce)) &&
		der.Optional(&s, 3, der.Time(&p.keyExpiration)) &&
		skip(&s, 4) && // flags: nothing here depends on them
		der.Field(&s, 5, der.Time(&p.authTime)) &&
		der.Optional(&s, 6, der.Time(&p.startTime)) &&
		der.Field(&s, 7, der.Time(&p.endTime)) &&
		der.Optional(&s, 8, der.Time(&p.renewTill)) &&
		der.Field(&s, 9, der.String(&p.server.Realm)) &&
		der.Field(&s, 10, nameInto(&sname)) // addresses and encrypted padata may follow
	if !ok {
		return nil, errSyntax("encrypted part", b)
	}
	if _, err := algorithm(p.key.etype); err != nil {
		return nil, fmt.Errorf("reading session key: %w", err)
	}
	if len(p.key.value) != keySize(p.key.etype) {
		return nil, errSyntax("session key", p.key.value)
	}
	p.nonce = uint32(nonce)
	p.server.Name = strings.Join(sname, "/")
	return p, nil
}

// Types of last-req that say when something will end (RFC 4120 §5.4.2).
const (
	lastReqPasswordExpires = 6
	lastReqAccountExpires  = 7
)

func (p *encPart) lastReq(f *cryptobyte.String) bool {
	var list cryptobyte.String
	if !f.ReadASN1(&list, asn1.SEQUENCE) {
		return false
	}
	for range maxList {
		if list.Empty() {
			return true
		}
		var item cryptobyte.String
		var lrType int32
		var value time.Time
		if !list.ReadASN1(&item, asn1.SEQUENCE) || !der.Field(&item, 0, der.Int32(&lrType)) || !der.Field(&item, 1, der.Time(&value)) {
			return false
		}
		switch lrType {
		case lastReqPasswordExpires:
			p.passwordExpiry = value
		case lastReqAccountExpires:
			p.accountExpiry = value
		}
	}
	return false
}

// checkReply compares what a reply is for with what was asked, in clear and
// under encryption. A server name may differ from the asked one where
// accept says so; the two places that name it must agree.
func checkReply(r *reply, p *encPart, user Principal, nonce uint32, accept func(server Principal) error) error {
	switch {
	case r.client.Realm != user.Realm:
		return &MismatchError{Field: "crealm", Want: user.Realm, Got: r.client.Realm}
	case r.client.Name != user.Name:
		return &MismatchError{Field: "cname", Want: user.Name, Got: r.client.Name}
	case p.nonce != nonce:
		return &MismatchError{Field: "nonce", Want: fmt.Sprint(nonce), Got: fmt.Sprint(p.nonce)}
	case r.ticket.server != p.server:
		return &MismatchError{Field: "sname", Want: p.server.String(), Got: r.ticket.server.String()}
	}
	return accept(p.server)
}

// ticketOf makes the Ticket of a reply that has been checked.
func ticketOf(r *reply, p *encPart) *Ticket {
	t := &Ticket{
		Client:         r.client,
		Server:         p.server,
		EType:          r.ticket.enc.etype,
		KeyType:        p.key.etype,
		KVNO:           int(r.ticket.enc.kvno),
		AuthTime:       p.authTime,
		StartTime:      p.startTime,
		EndTime:        p.endTime,
		RenewTill:      p.renewTill,
		KeyExpiration:  p.keyExpiration,
		PasswordExpiry: p.passwordExpiry,
		AccountExpiry:  p.accountExpiry,
		secret:         hide(ticketSecret{key: p.key, raw: r.ticket.der}),
	}
	if t.StartTime.IsZero() {
		t.StartTime = t.AuthTime
	}
	if t.PasswordExpiry.IsZero() {
		t.PasswordExpiry = t.KeyExpiration
	}
	return t
}
