package client

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// proofTicket gets the ticket of the transcript "mariadb-proof".
func proofTicket(t testing.TB, c *Client) *Ticket {
	t.Helper()
	s, err := c.TGT(context.Background(), Principal{"alice", "CORP.EXAMPLE.COM"}, Password([]byte(labPassword)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ticket, _, err := s.ServiceTicket(context.Background(), Principal{"mysql/db1.corp.example.com", "CORP.EXAMPLE.COM"})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func proof(t testing.TB) (*Initiator, []byte) {
	t.Helper()
	tr := loadTranscript(t, "mariadb-proof")
	c := tr.client(t)
	i, err := NewInitiator(proofTicket(t, c), true, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return i, tr.apRep
}

func TestVerify(t *testing.T) {
	i, apRep := proof(t)
	krbError := mustHex(t, sambaKpasswd)[6:]
	errorToken := append([]byte{0x60, 0}, mechKRB5+tokenError...)
	errorToken = append(errorToken, krbError...)
	errorToken[1] = 0x81
	errorToken = slices.Insert(errorToken, 2, byte(len(errorToken)-2))
	later := *i
	later.time = i.time.Add(time.Microsecond)
	otherKey := *i
	otherKey.key = hide(sessionKey{etype: i.key().etype, value: make([]byte, len(i.key().value))})
	flipped := slices.Clone(apRep)
	flipped[len(flipped)-1] ^= 1

	for _, tt := range []struct {
		name string
		i    *Initiator
		in   []byte
		want error // nil: proven
	}{
		{"what MariaDB sent", i, apRep, nil},
		{"nothing", i, nil, ErrUnproven},
		{"another time", &later, apRep, ErrUnproven},
		{"another key", &otherKey, apRep, ErrUnproven},
		{"a flipped bit", i, flipped, ErrUnproven},
		{"cut short", i, apRep[:len(apRep)-1], kdcwire.ErrNotKerberos},
		{"our own token", i, i.Token(), kdcwire.ErrNotKerberos},
		{"text", i, []byte("Access denied"), kdcwire.ErrNotKerberos},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.i.Verify(tt.in); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	var krb *kdcwire.KRBError
	if err := i.Verify(errorToken); !errors.As(err, &krb) {
		t.Errorf("error token: got %v", err)
	}
}

func FuzzAPRep(f *testing.F) {
	i, apRep := proof(f)
	f.Add(apRep)
	f.Add(i.Token())
	f.Fuzz(func(t *testing.T, b []byte) {
		err := i.Verify(b)
		if err == nil && !slices.Equal(b, apRep) {
			t.Errorf("%x proves the server", b)
		}
	})
}

// gokrb5 reads our token, and it is what MIT krb5's clients send: raw Kerberos,
// checksum 0x8003 of 24 bytes without channel bindings, a fresh subkey.
func TestToken(t *testing.T) {
	tr := loadTranscript(t, "mariadb-proof")
	c := tr.client(t)
	ticket := proofTicket(t, c)
	for _, tt := range []struct {
		name    string
		mutual  bool
		options byte
		flags   string
	}{
		{"plain", false, 0, "30010000"},
		{"mutual", true, 0x20, "32010000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i, err := NewInitiator(ticket, tt.mutual, c.Now)
			if err != nil {
				t.Fatal(err)
			}
			token := i.Token()
			const header = "6082....06092a864886f712010202" + "0100" + "6e82"
			if got := hex.EncodeToString(token[:2]) + "...." + hex.EncodeToString(token[4:19]); got != header {
				t.Errorf("token starts with %s", got)
			}
			var ap messages.APReq
			if err := ap.Unmarshal(token[17:]); err != nil {
				t.Fatal(err)
			}
			key := ticket.secret().key
			if err := ap.DecryptAuthenticator(types.EncryptionKey{KeyType: key.etype, KeyValue: key.value}); err != nil {
				t.Fatal(err)
			}
			a := ap.Authenticator
			if got := hex.EncodeToString(a.Cksum.Checksum); a.Cksum.CksumType != 0x8003 || got != "10000000"+strings.Repeat("00", 16)+tt.flags {
				t.Errorf("checksum %#x %s", a.Cksum.CksumType, got)
			}
			if ap.APOptions.Bytes[0] != tt.options || a.CRealm != "CORP.EXAMPLE.COM" || a.CName.PrincipalNameString() != "alice" ||
				a.SubKey.KeyType != 18 || len(a.SubKey.KeyValue) != 32 || slices.Equal(a.SubKey.KeyValue, key.value) {
				t.Errorf("options %x, authenticator %+v", ap.APOptions.Bytes, a)
			}
			if got := a.CTime.Add(time.Duration(a.Cusec) * time.Microsecond); !got.Equal(tr.now) {
				t.Errorf("time %v, want %v", got, tr.now)
			}
			again, err := NewInitiator(ticket, tt.mutual, c.Now)
			if err != nil || slices.Equal(again.Token(), token) {
				t.Error("two tokens are the same")
			}
		})
	}
}
