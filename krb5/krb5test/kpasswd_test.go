package krb5test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"

	"github.com/jcmturner/gokrb5/v8/kadmin"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// toKpasswd returns the reply to one message to port 464.
func toKpasswd(r *Realm, s Script, b []byte) []byte {
	reply, _ := desk{realm: r, now: when(), script: s, local: netip.MustParseAddr("127.0.0.1")}.changePassword(b)
	return reply
}

// changer gets a ticket for kadmin/changepw.
func changer(t *testing.T, r *Realm, user string) tgt {
	t.Helper()
	p, _ := r.lookup(user)
	key, _ := p.best()
	var rep messages.ASRep
	if err := rep.Unmarshal(ask(r, Script{}, asReq(t, user, r.name, "kadmin/changepw", when(), &key))); err != nil {
		t.Fatal(err)
	}
	part := decrypted(t, rep.EncPart, key, 3)
	return tgt{user: user, realm: r.name, ticket: rep.Ticket, key: part.Key, part: part}
}

// result reads a reply that carries AP-REP and KRB-PRIV.
func (g tgt) result(t *testing.T, b []byte) uint16 {
	t.Helper()
	var reply kadmin.Reply
	if err := reply.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	if err := reply.Decrypt(g.key); err != nil {
		t.Fatal(err)
	}
	return reply.ResultCode
}

func TestChangePassword(t *testing.T) {
	set := func(password, user, realm string) []byte {
		c := kadmin.ChangePasswdData{NewPasswd: []byte(password), TargRealm: realm}
		if user != "" {
			c.TargName = types.NewPrincipalName(1, user)
		}
		return marshal(c)
	}
	for _, c := range []struct {
		name    string
		version uint16
		data    []byte
		want    uint16
	}{
		{"version 1", 1, []byte("secret-2"), 0},
		{"version 0xff80", 0xff80, set("secret-2", "", ""), 0},
		{"version 0xff80 with one's own name", 0xff80, set("secret-2", "alice", "A.TEST"), 0},
		{"of another", 0xff80, set("secret-2", "roast", "A.TEST"), 5},
		{"of another realm", 0xff80, set("secret-2", "alice", "B.TEST"), 5},
		{"not decodable", 0xff80, []byte("secret-2"), 1},
		{"empty", 1, nil, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := castAt("A.TEST", Options{Now: when}, "roast")
			before, _ := r.lookup("alice")
			g := changer(t, r, "alice")
			if got := g.result(t, toKpasswd(r, Script{}, g.changeMessage(t, when(), c.version, c.data))); got != c.want {
				t.Fatalf("result %d, want %d", got, c.want)
			}
			after, _ := r.lookup("alice")
			changed := !bytes.Equal(before.keys[AES256].KeyValue, after.keys[AES256].KeyValue)
			if changed != (c.want == 0) || changed != (after.kvno == before.kvno+1) {
				t.Errorf("result %d, and yet changed: %v, kvno %d", c.want, changed, after.kvno)
			}
		})
	}
}

func TestChangeNeedsAFreshTicket(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	g := login(t, r, "alice", when()).service(t, r, "kadmin/changepw", when()) // not initial
	if got := g.result(t, toKpasswd(r, Script{}, g.changeMessage(t, when(), 1, []byte("secret-2")))); got != 7 {
		t.Errorf("result %d, want 7", got)
	}
}

func TestExpiredPasswordCanBeChanged(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when}, "pwexpired", "mustchange")
	for _, user := range []string{"pwexpired", "mustchange"} {
		g := changer(t, r, user)
		if got := g.result(t, toKpasswd(r, Script{}, g.changeMessage(t, when(), 1, []byte("secret-2")))); got != 0 {
			t.Fatalf("%s: result %d", user, got)
		}
		login(t, r, user, when())
	}
}

// TestKpasswdWithoutAccount sends what facts/measured-baselines.md describes,
// and wants what Samba and MIT said to it in the lab.
func TestKpasswdWithoutAccount(t *testing.T) {
	probe := func(version uint16) []byte {
		b, _ := hex.DecodeString(fmt.Sprintf("000f%04x00056e0330010075023000", version))
		return b
	}
	for _, c := range []struct {
		dialect Dialect
		version uint16
		want    string
	}{
		{Samba, 1, "2 A.TEST kadmin/changepw 0002 gensec_update failed - NT_STATUS_LOGON_FAILURE\n"},
		{Samba, 0xff80, "2 A.TEST kadmin/changepw 0002 gensec_update failed - NT_STATUS_LOGON_FAILURE\n"},
		{MIT, 1, "60 A.TEST kadmin/changepw 0003 Failed reading application request"},
	} {
		b := toKpasswd(castAt("A.TEST", Options{Now: when, Dialect: c.dialect}), Script{}, probe(c.version))
		if len(b) < 6 || int(binary.BigEndian.Uint16(b)) != len(b) || !bytes.Equal(b[2:6], []byte{0, 1, 0, 0}) {
			t.Fatalf("reply %x", b)
		}
		e := krbCode(t, b[6:])
		got := fmt.Sprintf("%d %s %s %x %s", e.ErrorCode, e.Realm, nameOf(e.SName), e.EData[:2], e.EData[2:])
		if got != c.want || !e.STime.Equal(when()) {
			t.Errorf("%q at %v, want %q", got, e.STime, c.want)
		}
	}
}

func TestWindowsRefusesWithABareError(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when, Dialect: Windows})
	b, _ := hex.DecodeString("000f000100056e0330010075023000")
	if e := krbCode(t, toKpasswd(r, Script{}, b)); e.ErrorCode != 60 || e.Realm != "A.TEST" {
		t.Errorf("%+v", e)
	}
}

func TestUnconfirmedChangeIsMade(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when, Dialect: Windows})
	before, _ := r.lookup("alice")
	g := changer(t, r, "alice")
	e := krbCode(t, toKpasswd(r, Script{Unconfirmed: true}, g.changeMessage(t, when(), 1, []byte("secret-2"))))
	after, _ := r.lookup("alice")
	if e.ErrorCode != 0 || !bytes.Equal(e.EData, []byte{0, 0}) || after.kvno != before.kvno+1 {
		t.Errorf("%+v, kvno %d after %d", e, after.kvno, before.kvno)
	}
}

func TestKpasswdSaysNothing(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	for name, b := range map[string][]byte{
		"two bytes":          {0, 2},
		"empty AP-REQ":       {0, 6, 0, 1, 0, 0},
		"version 3":          {0, 8, 0, 3, 0, 2, 0, 0},
		"length of another":  {0, 9, 0, 1, 0, 2, 0, 0},
		"AP-REQ beyond it":   {0, 8, 0, 1, 0, 9, 0, 0},
		"nothing whatsoever": {},
	} {
		if reply := toKpasswd(r, Script{}, b); reply != nil {
			t.Errorf("%s: %x", name, reply)
		}
	}
	if b := toKpasswd(r, Script{ErrorCode: 29}, []byte{0, 8, 0, 1, 0, 2, 0, 0}); krbCode(t, b[6:]).ErrorCode != 29 {
		t.Errorf("%x", b)
	}
}
