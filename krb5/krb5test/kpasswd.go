package krb5test

import (
	"encoding/binary"
	"slices"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/kadmin"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Versions of a kpasswd message, and results of a change (RFC 3244 §2).
const (
	changeVersion uint16 = 1
	setVersion    uint16 = 0xff80

	resultSuccess   uint16 = 0
	resultMalformed uint16 = 1
	resultHardError uint16 = 2
	resultAuthError uint16 = 3
	resultSoftError uint16 = 4
	resultDenied    uint16 = 5
	resultInitial   uint16 = 7
)

// kpasswdError is a refusal before the client is known. Its words are those of
// the real servers, as measured; clients print them.
type kpasswdError struct {
	code   int32
	result uint16
	text   string
}

// changePassword works through one message to port 464 (RFC 3244 §2): length,
// version, length of the AP-REQ, AP-REQ, KRB-PRIV.
func (d desk) changePassword(b []byte) (reply []byte, n note) {
	n.kind = KindOther
	defer func() {
		if recover() != nil { // see desk.answer
			reply = nil
		}
	}()
	if len(b) < 6 || len(b) > maxRequest || int(binary.BigEndian.Uint16(b)) != len(b) {
		return nil, n
	}
	version, size := binary.BigEndian.Uint16(b[2:]), int(binary.BigEndian.Uint16(b[4:]))
	if version != changeVersion && version != setVersion || size == 0 || 6+size > len(b) {
		return nil, n // as MIT: silence on UDP, a close on TCP; Samba minds no version
	}
	n.kind = KindKpasswd
	if d.script.ErrorCode != 0 {
		return d.kpasswdError(&kpasswdError{code: d.script.ErrorCode}), n
	}
	reply, e := d.change(version, b[6:6+size], b[6+size:])
	if e != nil {
		reply = d.kpasswdError(e)
	}
	return reply, n
}

// change checks who asks, and does it.
func (d desk) change(version uint16, apReq, krbPriv []byte) ([]byte, *kpasswdError) {
	unread := &kpasswdError{errGeneric, resultAuthError, "Failed reading application request"}
	switch d.realm.options.Dialect {
	case Windows: // its code and e-data have not been seen
		unread = &kpasswdError{code: errGeneric, result: resultHardError}
	case Samba:
		unread = &kpasswdError{2, resultHardError, "gensec_update failed - NT_STATUS_LOGON_FAILURE\n"}
	}
	var ap messages.APReq
	if err := ap.Unmarshal(apReq); err != nil {
		return nil, unread
	}
	service, _ := d.realm.lookup("kadmin/changepw")
	key, ok := service.keys[ap.Ticket.EncPart.EType]
	if !ok || nameOf(ap.Ticket.SName) != service.name {
		return nil, unread
	}
	part, auth, f := openAPReq(&ap, key, keyusage.AP_REQ_AUTHENTICATOR)
	if f == nil {
		f = d.timely(&part, &auth)
	}
	if f != nil {
		return nil, &kpasswdError{f.code, resultAuthError, unread.text}
	}
	sub := auth.SubKey
	if len(sub.KeyValue) == 0 {
		sub = part.Key
	}
	var priv messages.KRBPriv
	if err := priv.Unmarshal(krbPriv); err != nil {
		return nil, &kpasswdError{errGeneric, resultMalformed, "Failed reading request"}
	}
	b, err := open(priv.EncPart, sub, keyusage.KRB_PRIV_ENCPART)
	var data messages.EncKrbPrivPart
	if err != nil || data.Unmarshal(b) != nil {
		return nil, &kpasswdError{errModified, resultAuthError, "Failed decrypting request"}
	}
	result, text := d.decide(version, part, data.UserData)
	if result == resultSuccess && d.script.Unconfirmed {
		return nil, &kpasswdError{code: 0, result: resultSuccess} // msktutil issue 228, SSSD issue 7751
	}
	return d.kpasswdReply(part, auth, sub, result, text)
}

// decide changes the password of the one whom the ticket names, or of another one
// where the realm's Admin asks. A ticket that sets another's password may be derived
// from a TGT (RFC 3244 §2).
func (d desk) decide(version uint16, part messages.EncTicketPart, data []byte) (uint16, string) {
	user, password, asAdmin := nameOf(part.CName), data, false
	if version == setVersion {
		var c kadmin.ChangePasswdData
		if rest, err := asn1.Unmarshal(data, &c); err != nil || len(rest) > 0 {
			return resultMalformed, "Failed decoding request"
		}
		password = c.NewPasswd
		other := len(c.TargName.NameString) > 0 && nameOf(c.TargName) != user
		if asAdmin = other && user == d.realm.options.Admin; asAdmin {
			user, other = nameOf(c.TargName), false
		}
		if other || c.TargRealm != "" && !d.realm.isName(c.TargRealm) {
			return resultDenied, "Not permitted to set that password"
		}
	}
	switch {
	case !asAdmin && !types.IsFlagSet(&part.Flags, flags.Initial):
		return resultInitial, "Ticket must be derived from a password"
	case !d.realm.isName(part.CRealm):
		return resultDenied, "Not a user of this realm"
	case len(password) == 0:
		return resultSoftError, "New password is too short"
	}
	if err := d.realm.SetPassword(user, string(password)); err != nil {
		return resultDenied, "No such user"
	}
	return resultSuccess, ""
}

// kpasswdReply is the answer to a client that is known: AP-REP and the result
// in a KRB-PRIV.
func (d desk) kpasswdReply(part messages.EncTicketPart, auth types.Authenticator, key types.EncryptionKey, result uint16, text string) ([]byte, *kpasswdError) {
	lost := &kpasswdError{errGeneric, resultMalformed, "Failed making reply"}
	rep, err := apReply(part.Key, auth)
	if err != nil {
		return nil, lost
	}
	now, usec := stamp(d.now)
	ip := d.local.Unmap()
	family := int32(24) // RFC 4120 §7.5.3: IPv6
	if ip.Is4() {
		family = 2
	}
	priv := messages.NewKRBPriv(messages.EncKrbPrivPart{
		UserData:  append(binary.BigEndian.AppendUint16(nil, result), text...),
		Timestamp: now, Usec: usec,
		SequenceNumber: auth.SeqNumber, // as the AP-REP announced
		SAddress:       types.HostAddress{AddrType: family, Address: ip.AsSlice()},
	})
	if err := priv.EncryptEncPart(key); err != nil {
		return nil, lost
	}
	pb, err := priv.Marshal()
	if err != nil {
		return nil, lost
	}
	return kpasswdMessage(rep, pb), nil
}

// kpasswdError answers with an AP-REP of no length and a KRB-ERROR whose e-data
// is the result (RFC 3244 §2), or with the KRB-ERROR alone.
func (d desk) kpasswdError(k *kpasswdError) []byte {
	e := messages.KRBError{
		PVNO: 5, MsgType: asnAppTag.KRBError, ErrorCode: k.code, Realm: d.realm.name,
		SName: types.NewPrincipalName(1, "kadmin/changepw"),
		EData: append(binary.BigEndian.AppendUint16(nil, k.result), k.text...),
	}
	e.STime, e.Susec = stamp(d.now)
	b, err := e.Marshal()
	if err != nil {
		return nil
	}
	if d.realm.options.Dialect == Windows {
		return b // "without encapsulation" (RFC 3244 §2); MIT's chpw.c says that Active Directory does so
	}
	return kpasswdMessage(nil, b)
}

func kpasswdMessage(rep, rest []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(6+len(rep)+len(rest)))
	b = binary.BigEndian.AppendUint16(b, changeVersion) // of a reply to either
	b = binary.BigEndian.AppendUint16(b, uint16(len(rep)))
	return slices.Concat(b, rep, rest)
}

// apReply is an AP-REP (RFC 4120 §5.5.2) that proves the session key. It takes
// the client's own sequence number, which is as good as any.
func apReply(session types.EncryptionKey, auth types.Authenticator) ([]byte, error) {
	enc, err := seal(messages.EncAPRepPart{
		CTime: auth.CTime, Cusec: auth.Cusec, SequenceNumber: auth.SeqNumber,
	}, asnAppTag.EncAPRepPart, session, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, err
	}
	b, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: asnAppTag.APREP, EncPart: enc})
	if err != nil {
		return nil, err
	}
	return asn1tools.AddASNAppTag(b, asnAppTag.APREP), nil
}
