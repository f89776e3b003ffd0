package krb5test

import (
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/iana/adtype"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// grant is what a KDC has made up its mind to give.
type grant struct {
	client      types.PrincipalName
	clientRealm string
	server      *principal
	serverName  types.PrincipalName // as the ticket names it
	session     int32               // encryption type of the session key
	life        life
	flags       []int // of the ticket, but for renewable
	transited   string
	authData    types.AuthorizationData
	keyExpires  time.Time
}

// life is a ticket's times, in whole seconds; renew is zero where it can't be renewed.
type life struct{ auth, start, end, renew time.Time }

// earlier is the nearer of two ends; a time that is not set, or 1970 as
// clients write "for ever", is none.
func earlier(a, b time.Time) time.Time {
	if b.Unix() > 0 && b.Before(a) {
		return b
	}
	return a
}

// padType marks authorization data that nobody knows. RFC 4120 §7.5.4 leaves
// negative numbers to local use.
const padType int32 = -88

// padding is as long as the PAC that a directory puts into its tickets, so that
// replies outgrow a datagram as they do there. MIT has none.
func (d desk) padding() types.AuthorizationData {
	if d.realm.options.Dialect == MIT {
		return nil
	}
	inner := types.AuthorizationData{{ADType: padType, ADData: make([]byte, 1200)}}
	return types.AuthorizationData{{ADType: adtype.ADIfRelevant, ADData: marshal(inner)}}
}

// reply is KDC-REP, RFC 4120 §5.4.2. gokrb5 gives AS-REP and TGS-REP the same
// inner tag; clients of MIT do not mind, but they are two.
type reply struct {
	PVNO    int                  `asn1:"explicit,tag:0"`
	MsgType int                  `asn1:"explicit,tag:1"`
	PAData  types.PADataSequence `asn1:"explicit,optional,tag:2"`
	CRealm  string               `asn1:"generalstring,explicit,tag:3"`
	CName   types.PrincipalName  `asn1:"explicit,tag:4"`
	Ticket  asn1.RawValue        `asn1:"explicit,tag:5"`
	EncPart types.EncryptedData  `asn1:"explicit,tag:6"`
}

// issue makes the ticket and the reply that carries it. key, usage and kvno are
// of the part that the client reads.
func (d desk) issue(q *kdcRequest, g grant, key types.EncryptionKey, usage uint32, kvno int, padata types.PADataSequence) ([]byte, *failure) {
	sealKey, ok := g.server.best()
	session, err := newKey(g.session)
	if !ok || err != nil {
		return nil, &failure{code: errETypeNoSupport, text: d.mitText("BAD_ENCRYPTION_TYPE")}
	}
	bits := types.NewKrbFlags()
	types.SetFlags(&bits, g.flags)
	if !g.life.renew.IsZero() {
		types.SetFlag(&bits, flags.Renewable)
	}
	part, err := seal(messages.EncTicketPart{
		Flags: bits, Key: session, CRealm: g.clientRealm, CName: g.client,
		Transited: messages.TransitedEncoding{TRType: 1, Contents: []byte(g.transited)}, // RFC 4120 §3.3.3.2
		AuthTime:  g.life.auth, StartTime: g.life.start, EndTime: g.life.end, RenewTill: g.life.renew,
		AuthorizationData: g.authData,
	}, asnAppTag.EncTicketPart, sealKey, keyusage.KDC_REP_TICKET, g.server.kvno)
	if err != nil {
		return nil, &failure{code: errGeneric, text: "making ticket"}
	}
	ticket := messages.Ticket{TktVNO: 5, Realm: d.realm.name, SName: g.serverName, EncPart: part}
	tb, err := ticket.Marshal()
	if err != nil {
		return nil, &failure{code: errGeneric, text: "encoding ticket"}
	}

	mine := messages.EncKDCRepPart{
		Key: session, LastReqs: []messages.LastReq{{LRType: 0, LRValue: g.life.auth}},
		Nonce: q.body.Nonce, Flags: bits,
		AuthTime: g.life.auth, StartTime: g.life.start, EndTime: g.life.end, RenewTill: g.life.renew,
		SRealm: d.realm.name, SName: g.serverName,
	}
	if t := g.keyExpires; !t.IsZero() {
		t, _ = stamp(t)
		mine.KeyExpiration = t
		mine.LastReqs = append(mine.LastReqs, messages.LastReq{LRType: 6, LRValue: t}) // RFC 4120 §5.4.2: the password's end
	}
	tag, inner := asnAppTag.ASREP, asnAppTag.EncASRepPart
	if q.kind == KindTGS {
		tag, inner = asnAppTag.TGSREP, asnAppTag.EncTGSRepPart
	}
	enc, err := seal(mine, inner, key, usage, kvno)
	if err != nil {
		return nil, &failure{code: errGeneric, text: "encrypting reply"}
	}
	b, err := asn1.Marshal(reply{
		PVNO: 5, MsgType: tag, PAData: padata, CRealm: g.clientRealm, CName: g.client,
		Ticket:  asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Tag: 5, Bytes: tb},
		EncPart: enc,
	})
	if err != nil {
		return nil, &failure{code: errGeneric, text: "encoding reply"}
	}
	return asn1tools.AddASNAppTag(b, tag), nil
}
