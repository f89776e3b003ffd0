package krb5test

import (
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// holder is who presented a ticket, proven by its authenticator.
type holder struct {
	ticket messages.Ticket
	part   messages.EncTicketPart
	auth   types.Authenticator
}

// grantService is the TGS exchange (RFC 4120 §3.3).
func (d desk) grantService(q *kdcRequest) ([]byte, *failure) {
	h, f := d.presented(q)
	if f != nil {
		f.early = true
	}
	var b []byte
	if f == nil {
		b, f = d.grantTo(&h, q)
	}
	if f != nil && len(h.part.CName.NameString) > 0 {
		f.who = &h
	}
	return b, f
}

// grantTo issues a ticket to a client whose ticket-granting ticket is accepted.
func (d desk) grantTo(h *holder, q *kdcRequest) ([]byte, *failure) {
	for _, bit := range []int{flags.EncTktInSkey, flags.Validate, flags.PostDated, 14} { // 14: constrained delegation (MS-SFU §2.2.3)
		if q.flag(bit) {
			return nil, &failure{code: errBadOption, text: d.mitText("BAD_OPTION")}
		}
	}
	server, name, f := d.destination(q)
	if f != nil {
		return nil, f
	}
	session, ok := server.sessionEType(q.body.EType)
	if !ok {
		return nil, &failure{code: errETypeNoSupport, text: d.mitText("BAD_ENCRYPTION_TYPE")}
	}
	l, f := d.lifeOf(q, &h.part)
	if f != nil {
		return nil, f
	}
	g := grant{
		client: h.part.CName, clientRealm: h.part.CRealm,
		server: &server, serverName: name, session: session, life: l,
		flags:     []int{flags.TransitedPolicyChecked},
		transited: transit(h, d.realm.name),
		authData:  h.part.AuthorizationData,
	}
	if types.IsFlagSet(&h.part.Flags, flags.PreAuthent) {
		g.flags = append(g.flags, flags.PreAuthent)
	}
	for _, bit := range []int{flags.Forwardable, flags.Forwarded, flags.Proxiable} {
		if q.flag(bit) {
			g.flags = append(g.flags, bit)
		}
	}
	if sub := h.auth.SubKey; len(sub.KeyValue) > 0 {
		return d.issue(q, g, sub, keyusage.TGS_REP_ENCPART_AUTHENTICATOR_SUB_KEY, 0, nil)
	}
	return d.issue(q, g, h.part.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY, 0, nil)
}

// presented checks the ticket and the authenticator of a TGS-REQ (RFC 4120 §3.3.2).
func (d desk) presented(q *kdcRequest) (holder, *failure) {
	var h holder
	v, ok := padataOf(q.padata, paTGSReq)
	if !ok {
		return h, &failure{code: errNoSupportPAData, text: d.mitText("PROCESS_TGS")}
	}
	var ap messages.APReq
	if err := ap.Unmarshal(v); err != nil {
		return h, &failure{code: errMessageType, text: d.mitText("PROCESS_TGS")}
	}
	key, f := d.tgtKey(&ap.Ticket)
	if f != nil {
		return h, f
	}
	h.ticket = ap.Ticket
	h.part, h.auth, f = openAPReq(&ap, key, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR)
	if f == nil {
		f = d.timely(&h.part, &h.auth)
	}
	if f == nil {
		f = checksumFits(&h.auth, h.part.Key, q.rawBody)
	}
	if f != nil {
		f.text = d.mitText("PROCESS_TGS")
	}
	return h, f
}

// tgtKey is the key of a ticket for this realm's krbtgt, made here or by the
// KDC of a realm that is trusted.
func (d desk) tgtKey(t *messages.Ticket) (types.EncryptionKey, *failure) {
	r := d.realm
	notUs := &failure{code: errNotUs, text: d.mitText("PROCESS_TGS")}
	n := t.SName.NameString
	if d.script.WrongRealm || len(n) != 2 || n[0] != "krbtgt" || !r.isName(n[1]) {
		return types.EncryptionKey{}, notUs
	}
	p, ok := r.trusted(t.Realm)
	if r.isName(t.Realm) {
		p, ok = r.lookup("krbtgt/" + r.name)
	}
	if !ok {
		return types.EncryptionKey{}, notUs
	}
	if t.EncPart.KVNO != 0 && t.EncPart.KVNO != p.kvno {
		return types.EncryptionKey{}, &failure{code: errBadKeyVersion, text: d.mitText("PROCESS_TGS")}
	}
	key, ok := p.keys[t.EncPart.EType]
	if !ok {
		return types.EncryptionKey{}, &failure{code: errBadKeyVersion, text: d.mitText("PROCESS_TGS")}
	}
	return key, nil
}

// openAPReq decrypts a ticket and its authenticator and holds their names
// against each other (RFC 4120 §3.2.3).
func openAPReq(ap *messages.APReq, key types.EncryptionKey, usage uint32) (messages.EncTicketPart, types.Authenticator, *failure) {
	var part messages.EncTicketPart
	var auth types.Authenticator
	b, err := open(ap.Ticket.EncPart, key, keyusage.KDC_REP_TICKET)
	if err != nil || part.Unmarshal(b) != nil {
		return part, auth, &failure{code: errBadIntegrity}
	}
	b, err = open(ap.EncryptedAuthenticator, part.Key, usage)
	if err != nil || auth.Unmarshal(b) != nil {
		return part, auth, &failure{code: errBadIntegrity}
	}
	if auth.CRealm != part.CRealm || !auth.CName.Equal(part.CName) {
		return part, auth, &failure{code: errBadMatch}
	}
	return part, auth, nil
}

// timely checks the times of a ticket and of its authenticator.
func (d desk) timely(part *messages.EncTicketPart, auth *types.Authenticator) *failure {
	skew := d.realm.options.MaxSkew
	start := part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	switch {
	case d.skewed(auth.CTime):
		return &failure{code: errSkew}
	case d.now.Sub(part.EndTime) > skew:
		return &failure{code: errTicketExpired}
	case start.Sub(d.now) > skew || len(part.Flags.Bytes) < 4 || types.IsFlagSet(&part.Flags, flags.Invalid):
		return &failure{code: errTicketNotYet}
	}
	return nil
}

// checksumFits checks the authenticator's checksum over the request body.
func checksumFits(auth *types.Authenticator, session types.EncryptionKey, body []byte) *failure {
	et, err := crypto.GetChksumEtype(auth.Cksum.CksumType)
	if err != nil || et.GetETypeID() != session.KeyType {
		return &failure{code: errBadChecksum}
	}
	if !et.VerifyChecksum(session.KeyValue, body, auth.Cksum.Checksum, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM) {
		return &failure{code: errModified}
	}
	return nil
}

// destination finds what a ticket is to be for: a service here, the next realm
// on the way to the one asked for, or the realm that a host's suffix is routed to.
func (d desk) destination(q *kdcRequest) (principal, types.PrincipalName, *failure) {
	r, name := d.realm, q.body.SName
	unknown := &failure{code: errServerUnknown, text: d.mitText("LOOKING_UP_SERVER")}
	if d.script.WrongRealm || !r.isName(q.body.Realm) {
		return principal{}, name, unknown
	}
	if p, ok := d.ownService(name); ok {
		switch p.state {
		case Duplicate:
			return p, name, &failure{code: errNotUnique, text: d.mitText("LOOKING_UP_SERVER")}
		case PolicyDenied:
			return p, name, &failure{code: errPolicy, text: d.mitText("NOT_ALLOWED")}
		case Disabled:
			return p, name, unknown
		}
		return p, name, nil
	}
	n := name.NameString
	var way referral
	var ok bool
	switch {
	case len(n) == 2 && n[0] == "krbtgt":
		way, ok = r.wayTo(n[1])
	case q.flag(flags.Canonicalize), r.options.Dialect == Samba: // RFC 6806 §8; Samba does not wait to be asked
		way, ok = r.route(n)
	}
	if !ok {
		return principal{}, name, unknown
	}
	return *way.key, types.PrincipalName{
		NameType: nametype.KRB_NT_SRV_INST, NameString: strings.Split(way.key.name, "/"),
	}, nil
}

// lifeOf is how long the new ticket lives: no longer than the one presented,
// unless it is renewed (RFC 4120 §3.3.3).
func (d desk) lifeOf(q *kdcRequest, old *messages.EncTicketPart) (life, *failure) {
	now, _ := stamp(d.now)
	l := life{auth: old.AuthTime, start: now, end: earlier(earlier(now.Add(d.realm.options.MaxLife), old.EndTime), q.body.Till)}
	renewable := types.IsFlagSet(&old.Flags, flags.Renewable) && old.RenewTill.After(now)
	if q.flag(flags.Renew) {
		if !renewable {
			return l, &failure{code: errBadOption, text: d.mitText("TICKET_NOT_RENEWABLE")}
		}
		span := old.EndTime.Sub(old.StartTime)
		if old.StartTime.IsZero() {
			span = old.EndTime.Sub(old.AuthTime)
		}
		l.end = earlier(now.Add(span), old.RenewTill)
		l.renew = old.RenewTill
	} else if renewable && q.flag(flags.Renewable) {
		l.renew = old.RenewTill
	}
	if !l.end.After(now.Add(-time.Second)) {
		return l, &failure{code: errNeverValid, text: d.mitText("NEVER_VALID")}
	}
	return l, nil
}

// transit adds the realm that made the presented ticket to those on the way,
// except for the ends (RFC 4120 §3.3.3.2).
func transit(h *holder, here string) string {
	old := string(h.part.Transited.Contents)
	if h.ticket.Realm == h.part.CRealm || h.ticket.Realm == here {
		return old
	}
	realms := strings.Split(old, ",")
	if old == "" {
		realms = nil
	}
	if slices.Contains(realms, h.ticket.Realm) {
		return old
	}
	return strings.Join(append(realms, h.ticket.Realm), ",")
}
