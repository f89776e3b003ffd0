package krb5test

import (
	"net/netip"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// desk answers one request: the realm as one server sees it, with that
// server's clock and script.
type desk struct {
	realm  *Realm
	now    time.Time
	script Script
	local  netip.Addr // where it listens: a kpasswd reply holds it
}

// note is what a server remembers of a request.
type note struct {
	kind    Kind
	user    string // of a preauthenticated AS-REQ
	service string // "name@REALM" of a TGS-REQ
}

// answer works through one message to port 88. No reply is nil: real KDCs too
// say nothing to what is not Kerberos.
func (d desk) answer(b []byte) (reply []byte, n note) {
	n.kind = KindOther
	defer func() {
		if recover() != nil { // gokrb5 on hostile bytes; this request is lost, nothing else
			reply = nil
		}
	}()
	q, err := parseRequest(b)
	if err != nil {
		return nil, n
	}
	n.kind = q.kind
	switch q.kind {
	case KindASPreauth:
		n.user = nameOf(q.body.CName)
	case KindTGS:
		n.service = nameOf(q.body.SName) + "@" + q.body.Realm
	}
	var f *failure
	switch {
	case d.script.ErrorCode != 0:
		f = &failure{code: d.script.ErrorCode}
	case q.kind == KindTGS:
		reply, f = d.grantService(q)
	default:
		reply, f = d.authenticate(q)
	}
	if f != nil {
		reply = d.krbError(q, f)
	}
	return reply, n
}

// krbError makes a KRB-ERROR (RFC 4120 §5.9.1) that echoes the names asked for,
// the realm as it was asked included.
func (d desk) krbError(q *kdcRequest, f *failure) []byte {
	e := messages.KRBError{
		PVNO: 5, MsgType: 30, ErrorCode: f.code, EText: f.text, EData: f.edata,
		Realm: q.body.Realm, SName: q.body.SName,
	}
	samba := d.realm.options.Dialect == Samba
	switch {
	case f.early && samba: // it names nobody then, not even itself
		e.Realm, e.SName = "<unspecified realm>", types.PrincipalName{NameString: []string{}}
	case f.who != nil:
		e.CRealm, e.CName = f.who.part.CRealm, f.who.part.CName
		if samba {
			e.CTime, e.Cusec = f.who.auth.CTime, f.who.auth.Cusec
		}
	case len(q.body.CName.NameString) > 0:
		e.CRealm, e.CName = q.body.Realm, q.body.CName
	}
	e.STime, e.Susec = stamp(d.now)
	b, err := e.Marshal()
	if err != nil {
		return nil
	}
	return b
}

// tooBig is what goes out over UDP in place of a long reply.
func (d desk) tooBig(request []byte) []byte {
	q, err := parseRequest(request)
	if err != nil {
		return nil
	}
	f := &failure{code: errResponseTooBig}
	if d.realm.options.Dialect == Samba {
		f.text = "Reply packet too large"
	}
	return d.krbError(q, f)
}

// udpMax is the longest reply that goes out as a datagram.
func (d desk) udpMax() int {
	switch {
	case d.script.UDPMax != 0:
		return d.script.UDPMax
	case d.realm.options.Dialect == MIT:
		return 4096 // max_dgram_reply_size of krb5kdc
	case d.realm.options.Dialect == Windows:
		return 1465 // MaxDatagramReplySize
	default:
		return 1400 // of Samba's KDC
	}
}

// mitText is an e-text that only MIT sends.
func (d desk) mitText(s string) string {
	if d.realm.options.Dialect == MIT {
		return s
	}
	return ""
}

// skewed reports whether a time is too far from this server's.
func (d desk) skewed(t time.Time) bool {
	return d.now.Sub(t).Abs() > d.realm.options.MaxSkew
}

// ownService finds a service of this realm.
func (d desk) ownService(name types.PrincipalName) (principal, bool) {
	p, ok := d.realm.lookup(nameOf(name))
	return p, ok && p.service
}
