package krb5test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/messages"
)

// The servers of the lab (Samba 4.17, MIT 1.20) answered as these tables say;
// Windows follows MS-KILE.
func TestStateOfAccount(t *testing.T) {
	ntstatus := func(le string) string { return "a103020103a20e040c" + le + "0000000001000000" } // padata 3
	windows := func(le string) string { return "3015a103020103a20e040c" + le + "0000000001000000" }
	for _, c := range []struct {
		dialect       Dialect
		user          string
		before, after int32  // code without preauthentication, and with the right password; 0 is a ticket
		text, edata   string // of the one that refuses; edata in hex, a part of it
	}{
		{Samba, "alice", 25, 0, "", ""},
		{Samba, "nobody", 6, 6, "", ""},
		{Samba, "roast", 0, 0, "", ""},
		{Samba, "renamed", 25, 0, "", ""},
		{Samba, "disabled", 25, 18, "", ntstatus("720000c0")},
		{Samba, "locked", 25, 18, "", ""},
		{Samba, "expired", 25, 18, "", ntstatus("930100c0")},
		{Samba, "pwexpired", 25, 23, "", ntstatus("710000c0")},
		{Samba, "mustchange", 25, 23, "", ntstatus("240200c0")},
		{Samba, "hours", 25, 18, "", ntstatus("6f0000c0")},
		{Samba, "policy", 25, 12, "", ntstatus("6e0000c0")},
		{MIT, "alice", 25, 0, "", ""},
		{MIT, "nobody", 6, 6, "CLIENT_NOT_FOUND", ""},
		{MIT, "disabled", 18, 18, "CLIENT LOCKED OUT", ""},
		{MIT, "locked", 18, 18, "LOCKED_OUT", ""},
		{MIT, "expired", 1, 1, "CLIENT EXPIRED", ""},
		{MIT, "pwexpired", 23, 23, "CLIENT KEY EXPIRED", ""},
		{MIT, "mustchange", 23, 23, "REQUIRED PWCHANGE", ""},
		{MIT, "policy", 12, 12, "NOT_ALLOWED", ""},
		{Windows, "alice", 25, 0, "", ""},
		{Windows, "disabled", 18, 18, "", windows("720000c0")},
		{Windows, "locked", 18, 18, "", windows("340200c0")},
		{Windows, "expired", 18, 18, "", windows("930100c0")},
		{Windows, "pwexpired", 23, 23, "", windows("710000c0")},
		{Windows, "mustchange", 23, 23, "", windows("240200c0")},
		{Windows, "hours", 18, 18, "", windows("6f0000c0")},
		{Windows, "workstation", 12, 12, "", windows("700000c0")},
	} {
		t.Run(fmt.Sprintf("dialect %d %s", c.dialect, c.user), func(t *testing.T) {
			r := castAt("A.TEST", Options{Now: when, Dialect: c.dialect}, c.user)
			p, _ := r.lookup(c.user)
			key, ok := p.best()
			if !ok { // of nobody
				key, _ = newKey(AES256)
			}
			got := func(b []byte) int32 {
				var rep messages.ASRep
				if rep.Unmarshal(b) == nil {
					return 0
				}
				e := krbCode(t, b)
				if !e.STime.Equal(when()) || e.Realm != "A.TEST" || e.CRealm != "A.TEST" || nameOf(e.CName) != c.user {
					t.Errorf("the error is about %v@%s at %v", e.CName, e.CRealm, e.STime)
				}
				if e.ErrorCode != 25 {
					if e.EText != c.text {
						t.Errorf("text %q, want %q", e.EText, c.text)
					}
					if data := hex.EncodeToString(e.EData); !strings.Contains(data, c.edata) {
						t.Errorf("e-data %s lacks %s", data, c.edata)
					}
					if c.dialect == Samba && c.user == "locked" && len(paOf(t, e.EData)) != 1 {
						t.Errorf("Samba gives no status for a locked account, but e-data is %x", e.EData)
					}
				}
				return e.ErrorCode
			}
			codes := []int32{
				got(ask(r, Script{}, asReq(t, c.user, "A.TEST", "krbtgt/A.TEST", when(), nil))),
				got(ask(r, Script{}, asReq(t, c.user, "A.TEST", "krbtgt/A.TEST", when(), &key))),
			}
			if diff := cmp.Diff([]int32{c.before, c.after}, codes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPreauthRequiredHints(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		user    string
		want    string
	}{
		{Samba, "alice", "[{EType:18 Salt:A.TESTalice S2KParams:[0 0 16 0]}]"},
		{MIT, "alice", "[{EType:18 Salt:A.TESTalice S2KParams:[]}]"},
		{Windows, "renamed", "[{EType:18 Salt:OLD.NAMErenamed S2KParams:[]}]"},
	} {
		r := castAt("A.TEST", Options{Now: when, Dialect: c.dialect}, c.user)
		e := krbCode(t, ask(r, Script{}, asReq(t, c.user, "A.TEST", "krbtgt/A.TEST", when(), nil)))
		for _, pa := range paOf(t, e.EData) {
			if pa.PADataType != paETypeInfo2 {
				continue
			}
			info, err := pa.GetETypeInfo2()
			if got := fmt.Sprintf("%+v", info); err != nil || got != c.want {
				t.Errorf("%s: %s, want %s (%v)", c.user, got, c.want, err)
			}
		}
	}
}

func TestWrongPasswordsLock(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when}, "threetries")
	wrong, _ := newKey(AES256)
	for i, want := range []int32{24, 24, 24, 18, 18} {
		e := krbCode(t, ask(r, Script{}, asReq(t, "threetries", "A.TEST", "krbtgt/A.TEST", when(), &wrong)))
		if e.ErrorCode != want {
			t.Errorf("wrong password number %d gave %d, want %d", i+1, e.ErrorCode, want)
		}
	}
	if n, locked := r.Failures("threetries"); n != 3 || !locked {
		t.Errorf("%d failures, locked %v", n, locked)
	}
	if err := r.Change("threetries", Good); err != nil {
		t.Fatal(err)
	}
	login(t, r, "threetries", when())
	if n, locked := r.Failures("threetries"); n != 0 || locked {
		t.Errorf("after a login: %d failures, locked %v", n, locked)
	}
}

func TestSkewOfTimestamp(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	p, _ := r.lookup("alice")
	key, _ := p.best()
	wrong, _ := newKey(AES256)
	late := when().Add(-6 * time.Minute)
	for _, c := range []struct {
		name string
		b    []byte
		want int32
	}{
		{"right password, clock off", asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", late, &key), 37},
		{"wrong password, clock off", asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", late, &wrong), 24},
	} {
		if e := krbCode(t, ask(r, Script{}, c.b)); e.ErrorCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, e.ErrorCode, c.want)
		}
	}
	if n, _ := r.Failures("alice"); n != 1 {
		t.Errorf("%d failures counted: a clock that is off is none", n)
	}
}

func TestRealmCase(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	p, _ := r.lookup("alice")
	key, _ := p.best()
	var rep messages.ASRep
	if err := rep.Unmarshal(ask(r, Script{}, asReq(t, "alice", "a.test", "krbtgt/a.test", when(), &key))); err != nil {
		t.Fatal(err)
	}
	if rep.CRealm != "A.TEST" || rep.Ticket.Realm != "A.TEST" || nameOf(rep.Ticket.SName) != "krbtgt/a.test" {
		t.Errorf("client realm %s, ticket %v@%s", rep.CRealm, rep.Ticket.SName, rep.Ticket.Realm)
	}
	e := krbCode(t, ask(r, Script{}, asReq(t, "alice", "a.test", "krbtgt/a.test", when(), nil)))
	if e.Realm != "a.test" || e.ErrorCode != 25 {
		t.Errorf("error %d echoes realm %s", e.ErrorCode, e.Realm)
	}
	mit := castAt("A.TEST", Options{Now: when, Dialect: MIT})
	if e := krbCode(t, ask(mit, Script{}, asReq(t, "alice", "a.test", "krbtgt/a.test", when(), nil))); e.ErrorCode != 6 {
		t.Errorf("MIT says %d to a realm in the wrong case", e.ErrorCode)
	}
}

func TestForeignRealmIsEchoed(t *testing.T) {
	for _, d := range []Dialect{Samba, MIT, Windows} {
		e := krbCode(t, ask(castAt("A.TEST", Options{Now: when, Dialect: d}), Script{}, asReq(t, "alice", "OTHER.TEST", "krbtgt/OTHER.TEST", when(), nil)))
		if e.ErrorCode != 6 || e.Realm != "OTHER.TEST" {
			t.Errorf("dialect %d: %d with realm %s", d, e.ErrorCode, e.Realm)
		}
	}
}

func TestLargeServerNameIsEchoed(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	large := "probe/" + strings.Repeat("x", 3000)
	e := krbCode(t, ask(r, Script{}, asReq(t, "alice", "A.TEST", large, when(), nil)))
	if e.ErrorCode != 7 || nameOf(e.SName) != large {
		t.Errorf("%d with a server name of %d bytes", e.ErrorCode, len(nameOf(e.SName)))
	}
}

func TestPasswordExpiryIsTold(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	end := when().Add(72 * time.Hour)
	r.AddUser("soon", "secret-1", PasswordExpires(end))
	if part := login(t, r, "soon", when()).part; !part.KeyExpiration.Equal(end) || part.LastReqs[1].LRType != 6 {
		t.Errorf("key expiration %v, last requests %v", part.KeyExpiration, part.LastReqs)
	}
}

func TestNoETypeInCommon(t *testing.T) {
	r := castAt("A.TEST", Options{Now: when})
	r.AddUser("old", "secret-1", ETypes{AES128SHA256}) // which the test's client does not offer
	if e := krbCode(t, ask(r, Script{}, asReq(t, "old", "A.TEST", "krbtgt/A.TEST", when(), nil))); e.ErrorCode != 14 {
		t.Errorf("%d, want 14", e.ErrorCode)
	}
}
