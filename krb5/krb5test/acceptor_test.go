package krb5test

import (
	"errors"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/spnego"
	"github.com/jcmturner/gokrb5/v8/types"
)

const dbSPN = "mysql/db.a.test"

func TestAccept(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	a := r.Acceptor(dbSPN)
	g := login(t, r, "alice", when()).service(t, r, dbSPN, when())

	client, rep, err := a.Accept(g.token(t, when(), false))
	if err != nil || client != "alice@A.TEST" || rep != nil {
		t.Errorf("%q %x %v", client, rep, err)
	}

	client, rep, err = a.Accept(g.token(t, when().Add(time.Second), true))
	if err != nil || client != "alice@A.TEST" {
		t.Fatalf("%q %v", client, err)
	}
	var tok spnego.KRB5Token // gokrb5's own reading of the AP-REP
	if err := tok.Unmarshal(rep); err != nil || !tok.IsAPRep() {
		t.Fatalf("not an AP-REP token: %x %v", rep, err)
	}
	b, err := open(tok.APRep.EncPart, g.key, 12)
	if err != nil {
		t.Fatal(err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(b); err != nil || !part.CTime.Equal(when().Add(time.Second)) {
		t.Errorf("%+v %v", part, err)
	}
}

func TestAcceptAcrossTrust(t *testing.T) {
	user, db := castAt("USER.TEST", Options{Now: when}), NewRealm("DB.TEST", Options{Now: when})
	db.AddService("mysql/db.db.test")
	db.Trusts(user, Trust{})
	g := login(t, user, "alice", when()).service(t, user, "krbtgt/DB.TEST", when()).service(t, db, "mysql/db.db.test", when())
	if client, _, err := db.Acceptor("mysql/db.db.test").Accept(g.token(t, when(), true)); err != nil || client != "alice@USER.TEST" {
		t.Errorf("%q %v", client, err)
	}
}

func TestAcceptRefuses(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	r.AddService("mysql/other.a.test")
	g := login(t, r, "alice", when()).service(t, r, dbSPN, when())
	a := r.Acceptor(dbSPN)
	good := g.token(t, when(), false)
	if _, _, err := a.Accept(good); err != nil {
		t.Fatal(err)
	}
	rotated := castAt("A.TEST", Options{Now: when})
	rotated.AddService(dbSPN, KVNO(3))
	sameNumber := castAt("A.TEST", Options{Now: when})
	sameNumber.AddUser(dbSPN, "other keys, same kvno")
	bare := g.apReq(t, when(), types.Checksum{CksumType: 16, Checksum: someBytes(12)})
	bareToken, err := bare.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		a     *Acceptor
		token []byte
		want  int32
	}{
		{"replay", a, good, 34},
		{"clock", a, g.token(t, when().Add(time.Hour), false), 37},
		{"other service", r.Acceptor("mysql/other.a.test"), good, 35},
		{"no service", r.Acceptor("mysql/none.a.test"), good, 35},
		{"keys rotated", rotated.Acceptor(dbSPN), good, 44},
		{"keys differ under one kvno", sameNumber.Acceptor(dbSPN), good, 31},
		{"checksum not GSS's", a, asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPReq+string(bareToken)), 0), 50},
		{"SPNEGO", a, asn1tools.AddASNAppTag([]byte(spnegoMechanism+"\xa0\x00"), 0), 0},
		{"AP-REP token", a, asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPRep), 0), 0},
		{"no AP-REQ in it", a, asn1tools.AddASNAppTag([]byte(krb5Mechanism+tokenAPReq+"\x6e\x00"), 0), 40},
		{"trailing bytes", a, append(good[:len(good):len(good)], 0), 0},
		{"cut short", a, good[:100], 0},
		{"empty", a, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, rep, err := c.a.Accept(c.token)
			var refused *AcceptError
			if !errors.As(err, &refused) || refused.Code != c.want || client != "" || rep != nil {
				t.Errorf("%q %x %v, want code %d", client, rep, err, c.want)
			}
		})
	}
}
