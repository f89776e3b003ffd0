package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/kerbagent/kerbagent/krb5/der"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// kpasswdSetVersion asks for another account's password to be set (RFC 3244 §2).
const kpasswdSetVersion = 0xff80

// PasswordResult is the code of a kpasswd reply (RFC 3244 §2).
type PasswordResult uint16

// The results. A password that breaks the domain's rules is a soft error; who
// may not set it is denied.
const (
	PasswordSet       PasswordResult = 0
	PasswordMalformed PasswordResult = 1
	PasswordHardError PasswordResult = 2
	PasswordAuthError PasswordResult = 3
	PasswordSoftError PasswordResult = 4
	PasswordDenied    PasswordResult = 5
)

// PasswordError is a password that was not set.
type PasswordError struct {
	Result PasswordResult
	Text   string // what the server says: hostile text; empty where it is no text
}

// ErrUnconfirmed is a change of a password that was answered with a KRB-ERROR of
// code 0, "no error". Windows Server 2025 sends one after a change that it has made
// (msktutil issue 228, SSSD issue 7751), but so could anybody. Only a login with the
// new password tells whether it was set.
var ErrUnconfirmed = errors.New("the server neither confirms nor refuses the change of the password")

// Error returns the result and the server's text.
func (e *PasswordError) Error() string {
	what := "refused"
	switch e.Result {
	case PasswordMalformed:
		what = "the request was malformed"
	case PasswordHardError:
		what = "server failed"
	case PasswordAuthError:
		what = "not authenticated"
	case PasswordSoftError:
		what = "the password breaks the domain's rules"
	case PasswordDenied:
		what = "not permitted"
	}
	return fmt.Sprintf("kpasswd result %d (%s): %q", e.Result, what, e.Text)
}

// SetPassword sets the password of target, an account of the ticket's realm, at
// one kpasswd server over TCP (RFC 3244, version 0xff80). Who the session is of
// must have the right to. The error is a *PasswordError, a *kdcwire.KRBError, or
// of the path. The password may have been set after an error of the path, and after
// ErrUnconfirmed.
func (s *Session) SetPassword(ctx context.Context, server netip.AddrPort, target Principal, newPassword []byte) error {
	ticket, _, err := s.ServiceTicket(ctx, Principal{Name: "kadmin/changepw", Realm: s.tgt.Server.Realm})
	if err != nil {
		return fmt.Errorf("getting a ticket for kadmin/changepw: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.c.timeout())
	defer cancel()
	conn, err := kdcwire.Dial(ctx, s.c.Dialer, kdcwire.TCP, server)
	if err != nil {
		return err
	}
	defer conn.Close()
	x := setting{ticket: ticket, target: target, password: hide(newPassword), local: conn.Local(),
		time: s.c.now().UTC().Truncate(time.Microsecond)}
	request, err := x.request()
	if err != nil {
		return err
	}
	reply, err := conn.Exchange(ctx, request)
	if err != nil {
		return err
	}
	return x.finish(reply)
}

// setting is one exchange.
type setting struct {
	ticket   *Ticket
	target   Principal
	password hidden[[]byte]
	local    netip.Addr
	time     time.Time
	subkey   hidden[sessionKey]
}

func (x *setting) request() ([]byte, error) {
	key := x.ticket.secret().key
	subkey := sessionKey{etype: key.etype, value: make([]byte, keySize(key.etype))}
	_, _ = rand.Read(subkey.value) // never fails (crypto/rand)
	x.subkey = hide(subkey)
	sequence := randomSequence()
	apReq, err := apRequest(x.ticket, usageAPReqAuth, optionMutual, authenticator{time: x.time, subkey: &subkey, sequence: sequence})
	if err != nil {
		return nil, fmt.Errorf("making kpasswd request: %w", err)
	}
	data, err := x.data()
	if err != nil {
		return nil, err
	}
	plain, err := message(msgEncPrivPart, func(b *cryptobyte.Builder) {
		addBytes(b, 0, data)
		addTime(b, 1, x.time)
		addInt(b, 2, microseconds(x.time))
		addInt(b, 3, int64(sequence))
		addAddress(b, 4, x.local)
	})
	if err != nil {
		return nil, err
	}
	sealed, err := encrypt(subkey, plain, usagePrivEncPart)
	if err != nil {
		return nil, err
	}
	priv, err := message(msgPriv, func(b *cryptobyte.Builder) {
		addInt(b, 0, version)
		addInt(b, 1, msgPriv)
		addField(b, 3, func(b *cryptobyte.Builder) { addEncrypted(b, sealed) })
	})
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(kpasswdHeader+len(apReq)+len(priv)))
	b = binary.BigEndian.AppendUint16(b, kpasswdSetVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(apReq)))
	return append(append(b, apReq...), priv...), nil
}

// data is ChangePasswdData (RFC 3244 §2).
func (x *setting) data() ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addBytes(b, 0, x.password())
		addName(b, 1, x.target)
		addRealm(b, 2, x.target.Realm)
	})
	return b.Bytes()
}

// addAddress writes a HostAddress (RFC 4120 §5.2.5, §7.5.3).
func addAddress(b *cryptobyte.Builder, n uint8, a netip.Addr) {
	const ipv4, ipv6 = 2, 24
	kind := int64(ipv6)
	if a = a.Unmap(); a.Is4() {
		kind = ipv4
	}
	addField(b, n, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addInt(b, 0, kind)
			addBytes(b, 1, a.AsSlice())
		})
	})
}

// finish reads the reply: an AP-REP and a KRB-PRIV with the result, or a
// KRB-ERROR whose e-data is the result.
func (x *setting) finish(b []byte) error {
	apRep, rest, err := splitKpasswdReply(b)
	if err != nil {
		return err
	}
	if len(apRep) == 0 {
		return refusedBy(rest)
	}
	proof, err := openAPRep(apRep, x.ticket.secret().key, x.time)
	if err != nil {
		return fmt.Errorf("verifying kpasswd server: %w", err)
	}
	data, err := openPriv(rest, x.subkey(), proof)
	if err != nil {
		return fmt.Errorf("reading kpasswd reply: %w", err)
	}
	if len(data) < 2 {
		return errSyntax("kpasswd result", data)
	}
	if PasswordResult(binary.BigEndian.Uint16(data)) == PasswordSet {
		return nil
	}
	return resultOf(data)
}

// refusedBy reads a KRB-ERROR. Nothing in it is authenticated.
func refusedBy(b []byte) error {
	e, err := kdcwire.ParseError(b)
	if err != nil {
		return fmt.Errorf("reading kpasswd reply: %w", err)
	}
	result := resultOf(e.EData)
	switch {
	case result != nil && result.Result != PasswordSet:
		return fmt.Errorf("%w: %w", e, result)
	case e.Code == 0: // KDC_ERR_NONE
		return fmt.Errorf("%w: %w", ErrUnconfirmed, e)
	}
	return e
}

// resultOf reads a result code and its text; nil where there is none. Active
// Directory sends the domain's rules in place of a text, as bytes.
func resultOf(data []byte) *PasswordError {
	if len(data) < 2 {
		return nil
	}
	e := &PasswordError{Result: PasswordResult(binary.BigEndian.Uint16(data))}
	if text := data[2:]; utf8.Valid(text) && (len(text) == 0 || text[0] != 0) {
		e.Text = string(text)
	}
	return e
}

// openPriv opens a KRB-PRIV (RFC 4120 §5.7). Servers that chose a subkey of
// their own use it, or ours all the same.
func openPriv(b []byte, subkey sessionKey, proof *proofPart) ([]byte, error) {
	in := cryptobyte.String(b)
	var app, s cryptobyte.String
	var pvno, msgType int64
	var sealed encrypted
	ok := in.ReadASN1(&app, der.Application(msgPriv)) && in.Empty() &&
		app.ReadASN1(&s, asn1.SEQUENCE) && app.Empty() &&
		der.Field(&s, 0, der.Int(&pvno)) && pvno == version &&
		der.Field(&s, 1, der.Int(&msgType)) && msgType == msgPriv &&
		der.Field(&s, 3, encryptedInto(&sealed)) && s.Empty()
	if !ok {
		return nil, errSyntax("KRB-PRIV", b)
	}
	plain, err := decrypt(subkey, sealed, usagePrivEncPart)
	if err != nil && proof.subkey != nil {
		plain, err = decrypt(proof.subkey(), sealed, usagePrivEncPart)
	}
	if err != nil {
		return nil, err
	}
	var data []byte
	in = cryptobyte.String(plain)
	if !in.ReadASN1(&app, der.Application(msgEncPrivPart)) || !app.ReadASN1(&s, asn1.SEQUENCE) || !der.Field(&s, 0, der.Bytes(&data)) {
		return nil, errSyntax("encrypted part of KRB-PRIV", plain)
	}
	return data, nil
}
