package krb5test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

func TestTGSRefusals(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	r.AddService("mysql/twice.a.test", Duplicate)
	r.AddService("mysql/denied.a.test", PolicyDenied)
	r.AddService("mysql/rc4.a.test", ETypes{RC4})
	const db = "mysql/db.a.test"
	g := login(t, r, "alice", when())
	spoilt, old, foreign, other := g, g, g, g
	spoilt.ticket.EncPart.Cipher = someBytes(len(g.ticket.EncPart.Cipher))
	old.ticket.EncPart.KVNO++
	foreign.ticket.Realm = "B.TEST"
	other.user = "disabled"
	as := func(g tgt, spn string, v variation) []byte { return g.tgsReq(t, "A.TEST", spn, when(), v) }
	plain := variation{}
	for _, c := range []struct {
		name    string
		want    int32
		request []byte
	}{
		{"unknown service", 7, as(g, "mysql/none.a.test", plain)},
		{"a user is no service", 7, as(g, "alice", plain)},
		{"a realm that does not trust", 7, as(g, "krbtgt/B.TEST", plain)},
		{"two accounts hold it", 8, as(g, "mysql/twice.a.test", plain)},
		{"policy", 12, as(g, "mysql/denied.a.test", plain)},
		{"user to user", 13, as(g, db, option(flags.EncTktInSkey))},
		{"renewal of what is not renewable", 13, as(g, "krbtgt/A.TEST", option(flags.Renew))},
		{"encryption types", 14, as(g, "mysql/rc4.a.test", plain)},
		{"no AP-REQ", 16, as(g, db, variation{after: func(q *messages.TGSReq) { q.PAData = nil }})},
		{"ticket spoilt", 31, as(spoilt, db, plain)},
		{"ticket of a realm without trust", 35, as(foreign, db, plain)},
		{"authenticator of another client", 36, as(other, db, plain)},
		{"authenticator of another clock", 37, g.tgsReq(t, "A.TEST", db, when().Add(time.Hour), plain)},
		{"body changed after the checksum", 41, as(g, db, variation{after: func(q *messages.TGSReq) { q.ReqBody.Nonce++ }})},
		{"ticket of an old key", 44, as(old, db, plain)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if e := krbCode(t, ask(r, Script{}, c.request)); e.ErrorCode != c.want {
				t.Errorf("%d, want %d", e.ErrorCode, c.want)
			}
		})
	}
}

// Samba names nobody when it refuses the ticket or the authenticator, MIT does.
func TestTGSErrorNames(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		at      time.Time
		want    string
	}{
		{Samba, when().Add(time.Hour), `37 "" "" "<unspecified realm>" ""`},
		{Samba, when(), `7 "A.TEST" "alice" "A.TEST" "no/such"`},
		{MIT, when().Add(time.Hour), `37 "A.TEST" "alice" "A.TEST" "no/such"`},
		{MIT, when(), `7 "A.TEST" "alice" "A.TEST" "no/such"`},
	} {
		r := castAt("A.TEST", Options{Now: when, Dialect: c.dialect})
		e := krbCode(t, ask(r, Script{}, login(t, r, "alice", when()).tgsReq(t, "A.TEST", "no/such", c.at, variation{})))
		got := fmt.Sprintf("%d %q %q %q %q", e.ErrorCode, e.CRealm, nameOf(e.CName), e.Realm, nameOf(e.SName))
		if got != c.want {
			t.Errorf("dialect %d: %s, want %s", c.dialect, got, c.want)
		}
	}
}

func TestTicketOutlived(t *testing.T) {
	now := when()
	r := castAt("A.TEST", Options{Now: func() time.Time { return now }})
	g := login(t, r, "alice", now) // asks for an hour
	now = now.Add(66 * time.Minute)
	if e := krbCode(t, ask(r, Script{}, g.tgsReq(t, "A.TEST", "mysql/db.a.test", now, variation{}))); e.ErrorCode != 32 {
		t.Errorf("%d, want 32", e.ErrorCode)
	}
}

func TestServiceTicketEncryption(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	r.AddService("mysql/new.a.test", ETypes{AES256}, KVNO(7))
	r.AddService("mysql/default.a.test", ETypes{RC4}, SessionETypes{AES256, AES128})
	g := login(t, r, "alice", when())
	for _, c := range []struct {
		spn             string
		ticket, session int32
		kvno            int
	}{
		{"mysql/new.a.test", AES256, AES256, 7},
		{"mysql/default.a.test", RC4, AES256, 2},
	} {
		s := g.service(t, r, c.spn, when())
		if s.ticket.EncPart.EType != c.ticket || s.key.KeyType != c.session || s.ticket.EncPart.KVNO != c.kvno {
			t.Errorf("%s: ticket %d, session %d, kvno %d", c.spn, s.ticket.EncPart.EType, s.key.KeyType, s.ticket.EncPart.KVNO)
		}
		if s.part.SRealm != "A.TEST" || s.part.EndTime.After(g.part.EndTime) || s.part.Nonce != 4712 {
			t.Errorf("%s: %+v", c.spn, s.part)
		}
	}
}

// MIT's clients send a subkey with every TGS-REQ, gokrb5 none.
func TestReplyUnderSubkey(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	g := login(t, r, "alice", when())
	g.sub, _ = newKey(AES128)
	if s := g.service(t, r, "mysql/db.a.test", when()); s.key.KeyType != AES256 {
		t.Errorf("session key of type %d", s.key.KeyType)
	}
}

func TestReferrals(t *testing.T) {
	canonicalize := option(flags.Canonicalize)
	for _, c := range []struct {
		name    string
		dialect Dialect
		trust   Trust
		spn     string
		v       variation
		want    string // the ticket's server, or the code
	}{
		{"own domain", Windows, Trust{}, "mysql/db.b.test", canonicalize, "krbtgt/B.TEST"},
		{"own domain, upper case and a port", Windows, Trust{}, "mysql/DB.B.TEST:3306", canonicalize, "krbtgt/B.TEST"},
		{"a host that only ends alike", Windows, Trust{}, "mysql/db.xb.test", canonicalize, "7"},
		{"not asked to canonicalize", Windows, Trust{}, "mysql/db.b.test", variation{}, "7"},
		{"Samba needs no asking", Samba, Trust{}, "mysql/db.b.test", variation{}, "krbtgt/B.TEST"},
		{"foreign name", Windows, Trust{}, "mysql/x.rds.amazonaws.com", canonicalize, "7"},
		{"foreign name, routed", Windows, Trust{Suffixes: []string{"rds.amazonaws.com"}}, "mysql/x.rds.amazonaws.com", canonicalize, "krbtgt/B.TEST"},
		{"routing off", Windows, Trust{NoReferrals: true}, "mysql/db.b.test", canonicalize, "7"},
		{"routing off, asked by name", Windows, Trust{NoReferrals: true}, "krbtgt/B.TEST", variation{}, "krbtgt/B.TEST"},
		{"a trust of RC4 only", Windows, Trust{ETypes: []int32{RC4}}, "krbtgt/B.TEST", variation{}, "14"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := castAt("A.TEST", Options{Now: when, Dialect: c.dialect}), NewRealm("B.TEST", Options{Now: when})
			b.Trusts(a, c.trust)
			reply := ask(a, Script{}, login(t, a, "alice", when()).tgsReq(t, "A.TEST", c.spn, when(), c.v))
			var rep messages.TGSRep
			got := ""
			if rep.Unmarshal(reply) == nil {
				got = nameOf(rep.Ticket.SName)
			} else {
				got = fmt.Sprint(krbCode(t, reply).ErrorCode)
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestTrustEnds(t *testing.T) {
	a, b := castAt("A.TEST", Options{Now: when}), NewRealm("B.TEST", Options{Now: when})
	b.AddService("mysql/db.b.test")
	b.Trusts(a, Trust{TwoWay: true})
	toB := login(t, a, "alice", when()).service(t, a, "krbtgt/B.TEST", when())
	toB.service(t, b, "mysql/db.b.test", when())
	b.Distrusts(a)
	if e := krbCode(t, ask(b, Script{}, toB.tgsReq(t, "B.TEST", "mysql/db.b.test", when(), variation{}))); e.ErrorCode != 35 {
		t.Errorf("a ticket of a trust that ended: %d, want 35", e.ErrorCode)
	}
	b.AddUser("bob", "secret-1")
	login(t, b, "bob", when()).service(t, b, "krbtgt/A.TEST", when()) // the other direction stands
}

func TestTransitedRealms(t *testing.T) {
	a, b, c := castAt("A.TEST", Options{Now: when}), NewRealm("B.TEST", Options{Now: when}), NewRealm("C.TEST", Options{Now: when})
	c.AddService("mysql/db.c.test")
	b.Trusts(a, Trust{})
	c.Trusts(b, Trust{})
	first := login(t, a, "alice", when()).service(t, a, "krbtgt/C.TEST", when())
	if got := nameOf(first.ticket.SName); got != "krbtgt/B.TEST" {
		t.Fatalf("on the way to C comes %s", got)
	}
	last := first.service(t, b, "krbtgt/C.TEST", when()).service(t, c, "mysql/db.c.test", when())
	service, _ := c.lookup("mysql/db.c.test")
	key, _ := service.best()
	if err := last.ticket.Decrypt(key); err != nil {
		t.Fatal(err)
	}
	part := last.ticket.DecryptedEncPart
	if got := string(part.Transited.Contents); got != "B.TEST" || part.CRealm != "A.TEST" {
		t.Errorf("client of %s came through %q", part.CRealm, got)
	}
	if !types.IsFlagSet(&part.Flags, flags.TransitedPolicyChecked) {
		t.Error("a service would check the path itself")
	}
}
