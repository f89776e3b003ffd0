package krb5test

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A client of a few lines, for what MIT's can't be made to do.

// ask holds a request against a realm, as a KDC with that script would.
func ask(r *Realm, s Script, request []byte) []byte {
	b, _ := desk{realm: r, now: r.options.Now().Add(s.ClockOffset), script: s}.answer(request)
	return b
}

// asReq makes an AS-REQ, with an encrypted timestamp where key is not nil.
func asReq(t testing.TB, user, realm, service string, at time.Time, key *types.EncryptionKey) []byte {
	t.Helper()
	q := messages.ASReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: 10, ReqBody: messages.KDCReqBody{
		KDCOptions: types.NewKrbFlags(), Realm: realm, Nonce: 4711, EType: []int32{AES256, AES128, RC4},
		CName: types.NewPrincipalName(1, user), SName: types.NewPrincipalName(2, service),
		Till: at.Add(time.Hour),
	}}}
	if key != nil {
		sec, usec := stamp(at)
		ed, err := seal(types.PAEncTSEnc{PATimestamp: sec, PAUSec: usec}, 0, *key, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		q.PAData = types.PADataSequence{{PADataType: paEncTimestamp, PADataValue: marshal(ed)}}
	}
	b, err := q.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// tgt is what a login returns.
type tgt struct {
	user, realm string
	ticket      messages.Ticket
	key         types.EncryptionKey
	part        messages.EncKDCRepPart
	sub         types.EncryptionKey // where it is set, authenticators carry it
}

func login(t testing.TB, r *Realm, user string, at time.Time) tgt {
	t.Helper()
	p, ok := r.lookup(user)
	if !ok {
		t.Fatalf("no user %s", user)
	}
	key, _ := p.best()
	var rep messages.ASRep
	if err := rep.Unmarshal(ask(r, Script{}, asReq(t, user, r.name, "krbtgt/"+r.name, at, &key))); err != nil {
		t.Fatal(err)
	}
	part := decrypted(t, rep.EncPart, key, 3)
	return tgt{user: user, realm: r.name, ticket: rep.Ticket, key: part.Key, part: part}
}

func decrypted(t testing.TB, ed types.EncryptedData, key types.EncryptionKey, usage uint32) messages.EncKDCRepPart {
	t.Helper()
	b, err := open(ed, key, usage)
	if err != nil {
		t.Fatal(err)
	}
	var part messages.EncKDCRepPart
	if err := part.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	return part
}

// variation changes a TGS-REQ before or after the checksum over its body is made.
type variation struct{ before, after func(*messages.TGSReq) }

// option sets a KDC option.
func option(bit int) variation {
	return variation{before: func(q *messages.TGSReq) { types.SetFlag(&q.ReqBody.KDCOptions, bit) }}
}

// tgsReq makes a TGS-REQ.
func (g tgt) tgsReq(t testing.TB, realm, service string, at time.Time, v variation) []byte {
	t.Helper()
	q := messages.TGSReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: 12, ReqBody: messages.KDCReqBody{
		KDCOptions: types.NewKrbFlags(), Realm: realm, Nonce: 4712, EType: []int32{AES256, AES128},
		SName: types.NewPrincipalName(1, service), Till: at.Add(time.Hour),
	}}}
	if v.before != nil {
		v.before(&q)
	}
	body, err := q.ReqBody.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	et, err := crypto.GetEtype(g.key.KeyType)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := et.GetChecksumHash(g.key.KeyValue, body, 6)
	if err != nil {
		t.Fatal(err)
	}
	ap := g.apReq(t, at, types.Checksum{CksumType: et.GetHashID(), Checksum: sum})
	b, err := ap.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	q.PAData = types.PADataSequence{{PADataType: paTGSReq, PADataValue: b}}
	if v.after != nil {
		v.after(&q)
	}
	if b, err = q.Marshal(); err != nil {
		t.Fatal(err)
	}
	return b
}

func (g tgt) apReq(t testing.TB, at time.Time, sum types.Checksum) messages.APReq {
	t.Helper()
	sec, usec := stamp(at)
	ap, err := messages.NewAPReq(g.ticket, g.key, types.Authenticator{
		AVNO: 5, CRealm: g.realm, CName: types.NewPrincipalName(1, g.user),
		Cksum: sum, CTime: sec, Cusec: usec, SeqNumber: 99, SubKey: g.sub,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ap
}

// service gets a service ticket.
func (g tgt) service(t testing.TB, r *Realm, spn string, at time.Time) tgt {
	t.Helper()
	var rep messages.TGSRep
	if err := rep.Unmarshal(ask(r, Script{}, g.tgsReq(t, r.name, spn, at, variation{}))); err != nil {
		t.Fatal(err)
	}
	key, usage := g.key, uint32(8)
	if len(g.sub.KeyValue) > 0 {
		key, usage = g.sub, 9
	}
	part := decrypted(t, rep.EncPart, key, usage)
	return tgt{user: g.user, realm: g.realm, ticket: rep.Ticket, key: part.Key, part: part}
}

// token makes a GSS token with a service ticket.
func (g tgt) token(t testing.TB, at time.Time, mutual bool) []byte {
	t.Helper()
	sum := binary.LittleEndian.AppendUint32(nil, 16)
	sum = append(sum, make([]byte, 16)...)
	sum = binary.LittleEndian.AppendUint32(sum, 0x130)
	ap := g.apReq(t, at, types.Checksum{CksumType: 0x8003, Checksum: sum})
	if mutual {
		types.SetFlag(&ap.APOptions, 2)
	}
	b, err := ap.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPReq+string(b)), 0)
}

// krbCode is the code of a KRB-ERROR; it fails the test for anything else.
func krbCode(t testing.TB, b []byte) messages.KRBError {
	t.Helper()
	var e messages.KRBError
	if err := e.Unmarshal(b); err != nil {
		t.Fatalf("want a KRB-ERROR, got %d bytes: %v", len(b), err)
	}
	return e
}

// changeMessage makes a kpasswd request with a ticket for kadmin/changepw.
func (g tgt) changeMessage(t testing.TB, at time.Time, version uint16, data []byte) []byte {
	t.Helper()
	ap := g.apReq(t, at, types.Checksum{})
	apb, err := ap.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sec, usec := stamp(at)
	priv := messages.NewKRBPriv(messages.EncKrbPrivPart{
		UserData: data, Timestamp: sec, Usec: usec, SequenceNumber: 99,
		SAddress: types.HostAddress{AddrType: 2, Address: []byte{127, 0, 0, 1}},
	})
	if err := priv.EncryptEncPart(g.key); err != nil {
		t.Fatal(err)
	}
	pb, err := priv.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(6+len(apb)+len(pb)))
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(apb)))
	return append(append(b, apb...), pb...)
}

// someBytes are random.
func someBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// paOf lists METHOD-DATA.
func paOf(t testing.TB, edata []byte) types.PADataSequence {
	t.Helper()
	var pas types.PADataSequence
	if rest, err := asn1.Unmarshal(edata, &pas); err != nil || len(rest) > 0 {
		t.Fatalf("e-data is no METHOD-DATA: %x", edata)
	}
	return pas
}
