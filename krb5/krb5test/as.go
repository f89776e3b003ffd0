package krb5test

import (
	"slices"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// authenticate is the AS exchange (RFC 4120 §3.1). The order of its checks is
// the dialect's: MIT and Windows look at the state of the account first, Samba
// only once the password has proved right.
func (d desk) authenticate(q *kdcRequest) ([]byte, *failure) {
	r, dialect := d.realm, d.realm.options.Dialect
	client, ok := r.lookup(nameOf(q.body.CName))
	if !ok || client.service || d.script.WrongRealm || !r.isName(q.body.Realm) {
		return nil, &failure{code: errClientUnknown, text: d.mitText("CLIENT_NOT_FOUND")}
	}
	server, ok := d.ownService(q.body.SName)
	if !ok {
		return nil, &failure{code: errServerUnknown, text: d.mitText("SERVER_NOT_FOUND")}
	}
	changepw := server.name == "kadmin/changepw"
	key, ok := client.replyKey(dialect, q.body.EType)
	session, both := server.sessionEType(q.body.EType)
	if !ok || !both {
		return nil, &failure{code: errETypeNoSupport, text: d.mitText("BAD_ENCRYPTION_TYPE")}
	}
	if dialect != Samba {
		if f := d.refusal(&client, changepw); f != nil {
			return nil, f
		}
	}
	hints := client.hints(dialect, q.body.EType)
	if d.script.Rounds > 0 || d.script.NoSalt {
		hints = d.weakened(&client, q.body.EType)
	}
	switch {
	case q.kind == KindASPreauth:
		if f := d.checkTimestamp(q, &client, hints); f != nil {
			return nil, f
		}
	case client.state != NoPreauth:
		f := &failure{code: errPreauthRequired, text: d.mitText("NEEDED_PREAUTH")}
		if dialect == Samba {
			f.text = "Need to use PA-ENC-TIMESTAMP/PA-PK-AS-REQ"
		}
		f.edata = marshal(append(types.PADataSequence{{PADataType: paEncTimestamp, PADataValue: []byte{}}}, hints...))
		return nil, f
	}
	if dialect == Samba {
		if f := d.refusal(&client, changepw); f != nil {
			return nil, f
		}
	}
	return d.initialTicket(q, &client, &server, key, session, hints)
}

// checkTimestamp checks PA-ENC-TIMESTAMP (RFC 4120 §5.2.7.2): a wrong password
// first, then the clock, as every KDC does; the timestamp can't be read before.
func (d desk) checkTimestamp(q *kdcRequest, client *principal, hints types.PADataSequence) *failure {
	r, dialect := d.realm, d.realm.options.Dialect
	if dialect == Samba && client.state == Locked { // even with a wrong password
		return d.refusal(client, false)
	}
	var edata []byte
	if dialect != MIT {
		edata = marshal(hints)
	}
	at, ok := client.provenTime(q.padata)
	if !ok {
		r.failed(client.name)
		if dialect == MIT {
			edata = marshal(append(types.PADataSequence{{PADataType: paEncTimestamp, PADataValue: []byte{}}}, hints...))
		}
		return &failure{code: errPreauthFailed, text: d.mitText("PREAUTH_FAILED"), edata: edata}
	}
	if d.skewed(at) {
		return &failure{code: errSkew, text: d.mitText("PREAUTH_FAILED"), edata: edata}
	}
	r.succeeded(client.name)
	return nil
}

// provenTime decrypts the timestamp with the key of the type that the client used.
func (p *principal) provenTime(pas types.PADataSequence) (time.Time, bool) {
	v, _ := padataOf(pas, paEncTimestamp)
	var ed types.EncryptedData
	if err := ed.Unmarshal(v); err != nil {
		return time.Time{}, false
	}
	key, ok := p.keys[ed.EType]
	if !ok {
		return time.Time{}, false
	}
	b, err := open(ed, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		return time.Time{}, false
	}
	var ts types.PAEncTSEnc
	if _, err := asn1.Unmarshal(b, &ts); err != nil {
		return time.Time{}, false
	}
	return ts.PATimestamp, true
}

// initialTicket makes the AS-REP.
func (d desk) initialTicket(q *kdcRequest, client, server *principal, key types.EncryptionKey, session int32, hints types.PADataSequence) ([]byte, *failure) {
	now, _ := stamp(d.now)
	l := life{auth: now, start: now, end: earlier(now.Add(d.realm.options.MaxLife), q.body.Till)}
	if q.flag(flags.Renewable) {
		l.renew = now.Add(d.realm.options.MaxRenew)
		if rt := q.body.RTime; rt.After(now) && rt.Before(l.renew) {
			l.renew = rt
		}
	}
	if !l.end.After(l.start) {
		return nil, &failure{code: errNeverValid, text: d.mitText("TICKET NOT ELIGIBLE FOR POSTDATING")}
	}
	g := grant{
		client: q.body.CName, clientRealm: d.realm.name,
		server: server, serverName: q.body.SName,
		session: session, life: l, flags: []int{flags.Initial},
		authData: d.padding(), keyExpires: client.passwordExpires,
	}
	if q.kind == KindASPreauth {
		g.flags = append(g.flags, flags.PreAuthent)
	}
	for _, f := range []int{flags.Forwardable, flags.Proxiable} {
		if q.flag(f) {
			g.flags = append(g.flags, f)
		}
	}
	kvno := client.kvno
	if d.realm.options.Dialect == MIT {
		kvno = 0 // krb5kdc 1.20 leaves it out
	}
	return d.issue(q, g, key, keyusage.AS_REP_ENCPART, kvno, hints)
}

// replyKey is the client's key of the best type that it asked for: the first
// of its own order for MIT, the strongest for a directory.
func (p *principal) replyKey(dialect Dialect, wanted []int32) (types.EncryptionKey, bool) {
	order := p.etypes
	if dialect == MIT {
		order = wanted
	}
	for _, e := range order {
		if k, ok := p.keys[e]; ok && slices.Contains(wanted, e) {
			return k, true
		}
	}
	return types.EncryptionKey{}, false
}

// failed counts a wrong password, and locks the account when it is one too many.
func (r *Realm) failed(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.find(name)
	if p == nil {
		return
	}
	p.failures++
	if p.lockAfter > 0 && p.failures >= p.lockAfter && p.state == Good {
		p.state = Locked
	}
}

// succeeded clears the count.
func (r *Realm) succeeded(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.find(name); p != nil && p.state != Locked {
		p.failures = 0
	}
}
