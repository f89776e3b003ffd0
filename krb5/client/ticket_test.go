package client

import (
	"errors"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/keys"
)

func TestParsePrincipal(t *testing.T) {
	for in, want := range map[string]Principal{
		"alice@CORP.EXAMPLE.COM":  {"alice", "CORP.EXAMPLE.COM"},
		"alice":                   {"alice", ""},
		"mysql/db1.corp@R":        {"mysql/db1.corp", "R"},
		"alice@corp.local@R":      {"alice@corp.local", "R"},
		"mysql/db.example:3306@R": {"mysql/db.example:3306", "R"},
	} {
		if got, err := ParsePrincipal(in); err != nil || got != want || got.String() != in {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "@R", "alice@", "mysql/@R", "/host@R", "a//b@R", "al\x00ice@R", "a\nb@R", string(make([]byte, 9000))} {
		if got, err := ParsePrincipal(in); err == nil {
			t.Errorf("%.20q: got %+v", in, got)
		}
	}
}

func TestReferral(t *testing.T) {
	for _, tt := range []struct {
		server Principal
		realm  string // "": no referral
	}{
		{Principal{"krbtgt/B", "A"}, "B"},
		{Principal{"krbtgt/A", "A"}, ""},
		{Principal{"mysql/db", "A"}, ""},
		{Principal{"krbtgt", "A"}, ""},
		{Principal{"krbtgt/", "A"}, ""},
		{Principal{"krbtgt/B/C", "A"}, ""},
	} {
		if realm, ok := (&Ticket{Server: tt.server}).Referral(); ok != (tt.realm != "") || ok && realm != tt.realm {
			t.Errorf("%s: got %q, %v", tt.server, realm, ok)
		}
	}
}

func TestCachedTGT(t *testing.T) {
	cc, err := keys.ReadCCache("../keys/testdata/v4.ccache")
	if err != nil {
		t.Fatal(err)
	}
	tgt, err := CachedTGT(cc)
	if err != nil {
		t.Fatal(err)
	}
	if tgt.Client != (Principal{"alice", "CORP.EXAMPLE.COM"}) || tgt.Server != tgs("CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM") ||
		tgt.EType != 18 || tgt.KeyType != 18 || tgt.KVNO == 0 || !tgt.EndTime.Equal(time.Date(2026, 11, 23, 1, 15, 43, 0, time.UTC)) {
		t.Errorf("got %+v", tgt)
	}
	if _, err := NewTGS(tgt, Principal{"mysql/x", "CORP.EXAMPLE.COM"}, nil).Request(); err != nil {
		t.Error(err)
	}
	cc.Ahead = time.Minute // the cache's clock offset holds where libkrb5 goes by it
	if tgt, err = CachedTGT(cc); err != nil {
		t.Fatal(err)
	}
	for sync, want := range map[bool]time.Duration{true: time.Minute, false: 0} {
		if got := (&Client{TimeSync: sync}).FromTicket(tgt).Ticket().Ahead; got != want {
			t.Errorf("with TimeSync %v the KDC's clock is %v ahead", sync, got)
		}
	}
	cc.Credentials = cc.Credentials[1:]
	if _, err := CachedTGT(cc); !errors.Is(err, ErrNoTicket) {
		t.Errorf("without a TGT: %v", err)
	}
}

// Samba says when a password expires, 42 days after it was set by default,
// and nothing of one that does not.
func TestPasswordExpiry(t *testing.T) {
	for _, w := range walks() {
		if w.name != "samba-trust" && w.name != "samba-password" {
			continue
		}
		tr := loadTranscript(t, w.name)
		s, err := tr.client(t).TGT(t.Context(), mustPrincipal(t, w.user), w.secret(t, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		got := s.Ticket()
		if left := got.PasswordExpiry.Sub(tr.now); w.expires && (left < 0 || left > 42*24*time.Hour) || !w.expires && !got.PasswordExpiry.IsZero() {
			t.Errorf("%s: PasswordExpiry %v, KeyExpiration %v", w.name, got.PasswordExpiry, got.KeyExpiration)
		}
	}
}

// A login of one user, from the first request to the token, with a KDC that
// costs next to nothing. "again" has the password's key already, as a daemon
// does from its second login on.
func BenchmarkLogin(b *testing.B) {
	service := mustPrincipal(b, rdsName)
	password := Password([]byte(labPassword))
	for _, bm := range []struct {
		name, transcript string
		secret           func() Secret
	}{
		{"password", "samba-password", func() Secret { return Password([]byte(labPassword)) }},
		{"again", "samba-password", func() Secret { return password }},
		{"keytab", "samba-keytab", func() Secret { return FromKeytab(mustKeytab(b, "testdata/alice.keytab")) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			tr := loadTranscript(b, bm.transcript)
			for b.Loop() {
				c := tr.client(b)
				session, err := c.TGT(b.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, bm.secret())
				if err != nil {
					b.Fatal(err)
				}
				ticket, _, err := session.ServiceTicket(b.Context(), service)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := NewInitiator(ticket, true, nil); err != nil {
					b.Fatal(err)
				}
				session.Close()
			}
		})
	}
}
