package krb5test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Program gets tickets in the way that MIT's library does for the programs of a
// host (kinit, kvno, database clients). It exists to say what such a program
// gets where no such program can be run, so it shares nothing with
// krb5/client: only gokrb5's messages and cryptography.
//
// What it follows, in MIT krb5 1.20: UDP to each KDC in turn and then TCP, each
// next one tried beside those that are silent (sendto_kdc.c); only error 29
// makes it ask another KDC, any other answer is final (check_for_svc_unavailable);
// error 52 makes it ask again over TCP alone; the time of the KDC's answer
// replaces the host's own (kdc_timesync = 1).
type Program struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	KDCs func(ctx context.Context, realm string) ([]netip.AddrPort, error)
	// Wait is how long a KDC may be silent until the next one is tried as well,
	// and Patience how long the last one may be.
	Wait, Patience time.Duration
	// Clock is how far the host's clock is ahead of the real time.
	Clock time.Duration

	offset time.Duration
}

// Credential is a ticket with its session key.
type Credential struct {
	User, Realm string
	Ends        time.Time
	ticket      messages.Ticket
	key         types.EncryptionKey
}

// KRBError is an answer of a KDC that refuses what a Program asked.
type KRBError struct{ Code int32 }

// Error returns the code in words.
func (e *KRBError) Error() string { return fmt.Sprintf("KDC error %d", e.Code) }

const programETypes = "18 17 23"

func (p *Program) now() time.Time { return time.Now().Add(p.Clock + p.offset) }

// Kinit gets a ticket-granting ticket with a password or, where the password
// is empty, with the keytab.
func (p *Program) Kinit(ctx context.Context, user, realm, password string, kt []byte) (*Credential, error) {
	q := p.asReq(user, realm)
	answer, err := p.ask(ctx, realm, &q)
	if err != nil {
		return nil, fmt.Errorf("AS: %w", err)
	}
	hints, refused, err := hintsOf(answer)
	if err != nil {
		return nil, err
	}
	if refused != nil && refused.ErrorCode != errPreauthRequired {
		return nil, fmt.Errorf("AS: %w", &KRBError{refused.ErrorCode})
	}
	key, err := programKey(user, realm, password, kt, hints)
	if err != nil {
		return nil, err
	}
	if refused != nil {
		p.offset = time.Until(refused.STime.Add(time.Duration(refused.Susec)*time.Microsecond)) - p.Clock
		q = p.asReq(user, realm)
		sec, usec := stamp(p.now())
		proof, err := seal(types.PAEncTSEnc{PATimestamp: sec, PAUSec: usec}, 0, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, 0)
		if err != nil {
			return nil, err
		}
		q.PAData = types.PADataSequence{{PADataType: paEncTimestamp, PADataValue: marshal(proof)}}
		if answer, err = p.ask(ctx, realm, &q); err != nil {
			return nil, fmt.Errorf("AS: %w", err)
		}
		if e := krbErrorOf(answer); e != nil {
			return nil, fmt.Errorf("AS: %w", &KRBError{e.ErrorCode})
		}
	}
	var rep messages.ASRep
	if err := rep.Unmarshal(answer); err != nil {
		return nil, fmt.Errorf("AS-REP: %w", err)
	}
	if rep.CRealm != realm || nameOf(rep.CName) != user {
		return nil, fmt.Errorf("AS-REP: for %s@%s", nameOf(rep.CName), rep.CRealm)
	}
	part, err := replyPart(rep.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		return nil, err
	}
	p.offset = time.Until(part.AuthTime) - p.Clock
	return &Credential{User: user, Realm: realm, Ends: part.EndTime, ticket: rep.Ticket, key: part.Key}, nil
}

func (p *Program) asReq(user, realm string) messages.ASReq {
	return messages.ASReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: asnAppTag.ASREQ, ReqBody: p.body(realm, "krbtgt/"+realm, user)}}
}

func (p *Program) body(realm, service, user string) messages.KDCReqBody {
	b := messages.KDCReqBody{KDCOptions: types.NewKrbFlags(), Realm: realm, Nonce: int(time.Now().UnixNano() & 0x7fffffff),
		SName: types.PrincipalName{NameType: nametype.KRB_NT_SRV_INST, NameString: strings.Split(service, "/")}, Till: p.now().Add(10 * time.Hour).UTC()}
	for _, e := range strings.Fields(programETypes) {
		var n int32
		fmt.Sscan(e, &n)
		b.EType = append(b.EType, n)
	}
	if user != "" {
		b.CName = types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user)
	}
	return b
}

// Kvno gets a ticket for a service of a realm, as MIT's get_creds.c does: the
// user's realm is asked for a ticket to that realm first. Without a realm the
// user's own is asked, and a referral followed.
func (p *Program) Kvno(ctx context.Context, tgt *Credential, service, realm string) (*Credential, error) {
	at := tgt.Realm
	if realm != "" && realm != at {
		next, _, err := p.tgs(ctx, tgt, at, "krbtgt/"+realm)
		if err != nil {
			return nil, err
		}
		tgt, at = next, realm
	}
	for range 5 { // referrals
		got, name, err := p.tgs(ctx, tgt, at, service)
		if err != nil {
			return nil, err
		}
		next, referred := strings.CutPrefix(name, "krbtgt/")
		if !referred || name == service {
			return got, nil
		}
		tgt, at = got, next
	}
	return nil, errors.New("TGS: referrals without an end")
}

func (p *Program) tgs(ctx context.Context, tgt *Credential, realm, service string) (*Credential, string, error) {
	q := messages.TGSReq{KDCReqFields: messages.KDCReqFields{PVNO: 5, MsgType: asnAppTag.TGSREQ, ReqBody: p.body(realm, service, "")}}
	types.SetFlag(&q.ReqBody.KDCOptions, 15) // canonicalize (RFC 6806 §3)
	body, err := q.ReqBody.Marshal()
	if err != nil {
		return nil, "", err
	}
	et, err := crypto.GetEtype(tgt.key.KeyType)
	if err != nil {
		return nil, "", err
	}
	sum, err := et.GetChecksumHash(tgt.key.KeyValue, body, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	if err != nil {
		return nil, "", err
	}
	ap, err := p.apReq(tgt, types.Checksum{CksumType: et.GetHashID(), Checksum: sum})
	if err != nil {
		return nil, "", err
	}
	apb, err := ap.Marshal()
	if err != nil {
		return nil, "", err
	}
	q.PAData = types.PADataSequence{{PADataType: paTGSReq, PADataValue: apb}}
	answer, err := p.ask(ctx, realm, &q)
	if err != nil {
		return nil, "", fmt.Errorf("TGS at %s: %w", realm, err)
	}
	if e := krbErrorOf(answer); e != nil {
		return nil, "", fmt.Errorf("TGS at %s: %w", realm, &KRBError{e.ErrorCode})
	}
	var rep messages.TGSRep
	if err := rep.Unmarshal(answer); err != nil {
		return nil, "", fmt.Errorf("TGS-REP: %w", err)
	}
	part, err := replyPart(rep.EncPart, tgt.key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil {
		return nil, "", err
	}
	return &Credential{User: tgt.User, Realm: tgt.Realm, Ends: part.EndTime, ticket: rep.Ticket, key: part.Key}, nameOf(part.SName), nil
}

func (p *Program) apReq(c *Credential, sum types.Checksum) (messages.APReq, error) {
	sec, usec := stamp(p.now())
	return messages.NewAPReq(c.ticket, c.key, types.Authenticator{AVNO: 5, CRealm: c.Realm, CName: types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, c.User),
		Cksum: sum, CTime: sec, Cusec: usec, SeqNumber: 99})
}

// Token makes the token that a database client sends: raw Kerberos without
// mutual authentication (RFC 4121 §4.1.1), as libmysqlclient's and MariaDB's do.
func (p *Program) Token(c *Credential) ([]byte, error) {
	sum := binary.LittleEndian.AppendUint32(nil, 16)
	sum = append(sum, make([]byte, 16)...)
	sum = binary.LittleEndian.AppendUint32(sum, 0x130)
	ap, err := p.apReq(c, types.Checksum{CksumType: 0x8003, Checksum: sum})
	if err != nil {
		return nil, err
	}
	b, err := ap.Marshal()
	if err != nil {
		return nil, err
	}
	return asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPReq+string(b)), 0), nil
}

func replyPart(ed types.EncryptedData, key types.EncryptionKey, usage uint32) (messages.EncKDCRepPart, error) {
	var part messages.EncKDCRepPart
	b, err := open(ed, key, usage)
	if err == nil {
		err = part.Unmarshal(b)
	}
	return part, err
}

func krbErrorOf(answer []byte) *messages.KRBError {
	var e messages.KRBError
	if e.Unmarshal(answer) != nil {
		return nil
	}
	return &e
}

// hintsOf reads what key a KDC wants a user to prove, of an error or of a reply.
func hintsOf(answer []byte) (types.PADataSequence, *messages.KRBError, error) {
	e := krbErrorOf(answer)
	if e == nil {
		var rep messages.ASRep
		if err := rep.Unmarshal(answer); err != nil {
			return nil, nil, fmt.Errorf("AS: no Kerberos answer: %w", err)
		}
		return rep.PAData, nil, nil
	}
	var hints types.PADataSequence
	if e.ErrorCode == errPreauthRequired {
		if err := hints.Unmarshal(e.EData); err != nil {
			return nil, nil, fmt.Errorf("AS: hints: %w", err)
		}
	}
	return hints, e, nil
}

func programKey(user, realm, password string, kt []byte, hints types.PADataSequence) (types.EncryptionKey, error) {
	etype, salt := int32(AES256), realm+user
	if v, ok := padataOf(hints, paETypeInfo2); ok {
		var infos types.ETypeInfo2
		if err := infos.Unmarshal(v); err != nil {
			return types.EncryptionKey{}, err
		}
		for _, i := range infos {
			if slices.Contains(strings.Fields(programETypes), fmt.Sprint(i.EType)) {
				etype, salt = i.EType, i.Salt
				break
			}
		}
	}
	if password == "" {
		tab := keytab.New()
		if err := tab.Unmarshal(kt); err != nil {
			return types.EncryptionKey{}, err
		}
		key, _, err := tab.GetEncryptionKey(types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user), realm, 0, etype)
		return key, err
	}
	et, err := crypto.GetEtype(etype)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	key, err := et.StringToKey(password, salt, et.GetDefaultStringToKeyParams())
	return types.EncryptionKey{KeyType: etype, KeyValue: key}, err
}
