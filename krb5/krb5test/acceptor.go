package krb5test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Acceptor is the accepting half of GSS-API with Kerberos for one service: what
// a database does with a client's token. It keeps the keys that the service had
// when it was made, as a keytab does: after Realm.SetPassword it refuses new
// tickets. It is safe for concurrent use.
type Acceptor struct {
	realm   *Realm
	service principal
	known   bool

	mu   sync.Mutex
	seen map[[sha256.Size]byte]time.Time // authenticators, until they are too old to pass anyway
}

// AcceptError is why a token was refused.
type AcceptError struct {
	Code int32  // RFC 4120 §7.5.9, or 0 where the token is no AP-REQ of raw Kerberos
	What string // in words
}

// Error returns the words and the code.
func (e *AcceptError) Error() string {
	if e.Code == 0 {
		return e.What
	}
	return fmt.Sprintf("%s (KRB error %d)", e.What, e.Code)
}

// Acceptor makes one with the service's present keys; without such a service it
// refuses everything.
func (r *Realm) Acceptor(spn string) *Acceptor {
	p, ok := r.lookup(spn)
	return &Acceptor{realm: r, service: p, known: ok, seen: map[[sha256.Size]byte]time.Time{}}
}

// krb5Mechanism is the DER of 1.2.840.113554.1.2.2 (RFC 4121 §4.1), spnegoMechanism that of 1.3.6.1.5.5.2.
const (
	krb5Mechanism   = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
	spnegoMechanism = "\x06\x06\x2b\x06\x01\x05\x05\x02"
	tokenAPReq      = "\x01\x00"
	tokenAPRep      = "\x02\x00"
)

// Accept checks a token of the raw Kerberos mechanism (RFC 4121 §4.1). It gives
// the client as user@REALM and, where the client asked for mutual
// authentication, the token to answer with. The error is an *AcceptError.
func (a *Acceptor) Accept(token []byte) (client string, apRep []byte, err error) {
	client, apRep, _, err = a.AcceptContext(token)
	return client, apRep, err
}

// AcceptContext is Accept for a client that goes on: the context protects what
// follows.
func (a *Acceptor) AcceptContext(token []byte) (client string, apRep []byte, c *Context, err error) {
	defer func() {
		if recover() != nil { // see desk.answer
			client, apRep, c, err = "", nil, nil, &AcceptError{What: "not a token"}
		}
	}()
	inner, bad := unwrap(token)
	if bad != nil {
		return "", nil, nil, bad
	}
	var ap messages.APReq
	if err := ap.Unmarshal(inner); err != nil {
		return "", nil, nil, &AcceptError{errMessageType, "not an AP-REQ"}
	}
	key, bad := a.key(&ap.Ticket)
	if bad != nil {
		return "", nil, nil, bad
	}
	part, auth, f := openAPReq(&ap, key, keyusage.AP_REQ_AUTHENTICATOR)
	if f == nil {
		d := desk{realm: a.realm, now: a.realm.options.Now()}
		f = d.timely(&part, &auth)
	}
	if f != nil {
		return "", nil, nil, &AcceptError{f.code, "ticket or authenticator refused"}
	}
	if bad := a.check(&auth, ap.EncryptedAuthenticator.Cipher); bad != nil {
		return "", nil, nil, bad
	}
	c = newContext(part, auth)
	client = nameOf(part.CName) + "@" + part.CRealm
	if len(ap.APOptions.Bytes) == 0 || !types.IsFlagSet(&ap.APOptions, flags.APOptionMutualRequired) {
		return client, nil, c, nil
	}
	rep, err := apReply(part.Key, auth)
	if err != nil {
		return "", nil, nil, &AcceptError{errGeneric, "making the AP-REP"}
	}
	return client, asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPRep+string(rep)), 0), c, nil
}

// unwrap takes the AP-REQ out of a GSS token.
func unwrap(token []byte) ([]byte, *AcceptError) {
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(token, &raw)
	if len(token) > maxRequest || err != nil || len(rest) > 0 || raw.Class != asn1.ClassApplication || raw.Tag != 0 {
		return nil, &AcceptError{What: "not a GSS token"}
	}
	if bytes.HasPrefix(raw.Bytes, []byte(spnegoMechanism)) {
		return nil, &AcceptError{What: "SPNEGO, where raw Kerberos is wanted"}
	}
	inner, ok := bytes.CutPrefix(raw.Bytes, []byte(krb5Mechanism+tokenAPReq))
	if !ok {
		return nil, &AcceptError{What: "not an initial token of Kerberos"}
	}
	return inner, nil
}

// key finds the service's key for a ticket.
func (a *Acceptor) key(t *messages.Ticket) (types.EncryptionKey, *AcceptError) {
	if !a.known || t.Realm != a.realm.name || !strings.EqualFold(nameOf(t.SName), a.service.name) {
		return types.EncryptionKey{}, &AcceptError{errNotUs, "the ticket is not for this service"}
	}
	key, ok := a.service.keys[t.EncPart.EType]
	if !ok || t.EncPart.KVNO != 0 && t.EncPart.KVNO != a.service.kvno {
		return types.EncryptionKey{}, &AcceptError{errBadKeyVersion, "no key of the ticket's version"}
	}
	return key, nil
}

// check looks at the checksum that carries GSS's own fields (RFC 4121 §4.1.1),
// and for a replay.
func (a *Acceptor) check(auth *types.Authenticator, sealed []byte) *AcceptError {
	c := auth.Cksum
	if c.CksumType != 0x8003 || len(c.Checksum) < 24 || binary.LittleEndian.Uint32(c.Checksum) != 16 {
		return &AcceptError{errBadChecksum, "the authenticator's checksum is not GSS's"}
	}
	now, sum := a.realm.options.Now(), sha256.Sum256(sealed)
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, t := range a.seen {
		if now.Sub(t) > 2*a.realm.options.MaxSkew {
			delete(a.seen, k)
		}
	}
	if _, again := a.seen[sum]; again {
		return &AcceptError{errRepeat, "Request is a replay"}
	}
	a.seen[sum] = now
	return nil
}
