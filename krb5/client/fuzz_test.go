package client

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

func FuzzHints(f *testing.F) {
	for _, name := range []string{"samba-disabled", "mit-password", "heimdal-password"} {
		e, err := kdcwire.ParseError(loadTranscript(f, name).packets[1])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.EData)
	}
	user := Principal{"alice", "R"}
	kt := FromKeytab(mustKeytab(f, "testdata/alice.keytab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := HintsOf(&kdcwire.KRBError{EData: b})
		if len(h.ETypes) > maxList {
			t.Errorf("%d encryption types", len(h.ETypes))
		}
		if _, err := h.choose(kt, user, ASOptions{ETypes: DefaultETypes()}); err == nil {
			h.hint(18, user)
		}
	})
}

// replies of a fuzzed exchange: nothing but the real one may be taken. What is
// outside of the encryption and of what is compared may differ: padata, and
// the ticket's inside.
func FuzzASFinish(f *testing.F) {
	tr := loadTranscript(f, "samba-keytab")
	for _, p := range tr.packets {
		f.Add(p)
	}
	secret := FromKeytab(mustKeytab(f, "testdata/alice.keytab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		as := NewAS(Principal{"alice", "CORP.EXAMPLE.COM"}, ASOptions{nonce: func() uint32 { return tr.nonces[1] }})
		if _, err := as.Request(); err != nil {
			t.Fatal(err)
		}
		ticket, err := as.Finish(b, secret)
		if (ticket == nil) == (err == nil) {
			t.Fatalf("got %v, %v", ticket, err)
		}
		if err == nil && ticket.Server != tgs("CORP.EXAMPLE.COM", "CORP.EXAMPLE.COM") {
			t.Errorf("got %s", ticket)
		}
	})
}

func FuzzTGSFinish(f *testing.F) {
	tr := loadTranscript(f, "samba-keytab")
	for _, p := range tr.packets {
		f.Add(p)
	}
	c := tr.client(f)
	session, err := c.TGT(f.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, FromKeytab(mustKeytab(f, "testdata/alice.keytab")))
	if err != nil {
		f.Fatal(err)
	}
	session.Close()
	service := mustPrincipal(f, rdsName)
	f.Fuzz(func(t *testing.T, b []byte) {
		x := NewTGS(session.tgt, service, c.Now)
		x.nonce = func() uint32 { return tr.nonces[2] }
		if _, err := x.Request(); err != nil {
			t.Fatal(err)
		}
		ticket, err := x.Finish(b)
		if (ticket == nil) == (err == nil) {
			t.Fatalf("got %v, %v", ticket, err)
		}
		if err == nil && ticket.Server != service {
			t.Errorf("got %s", ticket)
		}
	})
}

// FuzzEncPart reads what a hostile KDC, which knows the key, may have sealed.
func FuzzEncPart(f *testing.F) {
	tr := loadTranscript(f, "samba-keytab")
	r, err := parseReply(tr.packets[3], msgASRep)
	if err != nil {
		f.Fatal(err)
	}
	e, _ := mustKeytab(f, "testdata/alice.keytab").Find("alice", "CORP.EXAMPLE.COM", r.enc.etype, 0)
	plain, err := decrypt(sessionKey{r.enc.etype, e.Key()}, r.enc, usageASRepEncPart)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	_, apRep := proof(f)
	f.Add(apRep)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parseEncPart(b)
		if err == nil && len(p.key.value) != keySize(p.key.etype) {
			t.Errorf("a key of %d bytes for type %d", len(p.key.value), p.key.etype)
		}
		_, _ = parseEncAPRep(b)
	})
}

// Every prefix of a reply is refused, and so is every reply of another kind.
func TestFinishRefuses(t *testing.T) {
	tr := loadTranscript(t, "samba-keytab")
	secret := FromKeytab(mustKeytab(t, "testdata/alice.keytab"))
	finish := func(b []byte) error {
		as := NewAS(Principal{"alice", "CORP.EXAMPLE.COM"}, ASOptions{nonce: func() uint32 { return tr.nonces[1] }})
		if _, err := as.Request(); err != nil {
			t.Fatal(err)
		}
		_, err := as.Finish(b, secret)
		return err
	}
	good := tr.packets[3]
	if err := finish(good); err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if err := finish(good[:n]); !errors.Is(err, kdcwire.ErrNotKerberos) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	if err := finish(flipped); !errors.Is(err, ErrReplyKey) {
		t.Errorf("a flipped bit: %v", err)
	}
	if err := finish(tr.packets[5]); !errors.Is(err, kdcwire.ErrNotKerberos) {
		t.Errorf("a TGS-REP: %v", err)
	}
	secret = Password([]byte("not it"))
	if err := finish(good); !errors.Is(err, ErrReplyKey) {
		t.Errorf("another password: %v", err)
	}
}
