package client

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// No verb and no encoder shows a secret, not even of a value that is a field
// of something else, where fmt calls no method.
func TestNothingPrintsSecrets(t *testing.T) {
	tr := loadTranscript(t, "mariadb-proof")
	c := tr.client(t)
	pw := Password([]byte(labPassword))
	session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, pw)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	ticket, _, err := session.ServiceTicket(t.Context(), Principal{"mysql/db1.corp.example.com", "CORP.EXAMPLE.COM"})
	if err != nil {
		t.Fatal(err)
	}
	initiator, err := NewInitiator(ticket, true, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	kt := mustKeytab(t, "testdata/alice.keytab")
	secrets := [][]byte{
		[]byte(labPassword), pw.(*password).last().value, kt.Entries[0].Key(),
		ticket.secret().key.value, ticket.secret().raw[100:], session.tgt.secret().key.value, initiator.token()[200:],
	}
	type holder struct {
		pw, kt Secret
		t      *Ticket
		tv     Ticket
		s      *Session
		sv     Session
		i      *Initiator
		iv     Initiator
		tgs    *TGS
	}
	h := holder{pw, FromKeytab(kt), ticket, *ticket, session, *session, initiator, *initiator, NewTGS(session.tgt, Principal{"a", "b"}, nil)}
	for _, v := range []any{h, &h, h.pw, h.kt, kt, h.t, h.tv, h.s, h.sv, h.i, h.iv, h.tgs, *h.tgs, []Secret{pw}, map[string]Secret{"pw": pw}} {
		out := fmt.Sprintf("%v %+v %#v %s %q %x %d %t", v, v, v, v, v, v, v, v)
		if j, err := json.Marshal(v); err == nil {
			out += string(j)
		}
		for i, s := range secrets {
			for _, form := range []string{
				string(s[:8]), hex.EncodeToString(s[:8]), strings.Trim(fmt.Sprint(s[:8]), "[]"),
				strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", s[:8]), "[]byte{"), "}"),
			} {
				if strings.Contains(strings.ToLower(out), strings.ToLower(form)) {
					t.Errorf("%T shows secret %d", v, i)
				}
			}
		}
	}
}

func TestStringToKey(t *testing.T) {
	for _, tt := range []struct {
		name           string
		etype          int32
		password, salt string
		params         string
		want           string
	}{
		// RFC 3962 appendix B.
		{"aes128, 1 round", 17, "password", "ATHENA.MIT.EDUraeburn", "00000001", "42263c6e89f4fc28b8df68ee09799f15"},
		{"aes256, 1200 rounds", 18, "password", "ATHENA.MIT.EDUraeburn", "000004b0", "55a6ac740ad17b4846941051e1e8b0a7548d93b0ab30a8bc3ff16280382b8c2a"},
		// RFC 8009 appendix A, its salt made of the random bytes and the principal.
		{"aes128-sha2", 19, "password", "\x10\xdf\x9d\xd7\x83\xe5\xbc\x8a\xce\xa1\x73\x0e\x74\x35\x5f\x61ATHENA.MIT.EDUraeburn", "00008000", "089bca48b105ea6ea77ca5d2f39dc5e7"},
		{"aes256-sha2", 20, "password", "\x10\xdf\x9d\xd7\x83\xe5\xbc\x8a\xce\xa1\x73\x0e\x74\x35\x5f\x61ATHENA.MIT.EDUraeburn", "", "45bd806dbf6a833a9cffc1c94589a222367a79bc21c413718906e9f578a78467"},
		// RFC 4757 §2 gives no salt and this one.
		{"rc4", 23, "foo", "", "", "ac8e657f83df82beea5d43bdaf7800cc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := stringToKey(tt.etype, []byte(tt.password), tt.salt, mustHex(t, tt.params))
			if err != nil || hex.EncodeToString(got.value) != tt.want {
				t.Errorf("got %x, %v; want %s", got.value, err, tt.want)
			}
		})
	}
}

// Samba makes an account's RC4 key of a password that is not ASCII as any NT
// hash is made; iconv -t UTF-16LE | openssl md4 gives these.
func TestNTHash(t *testing.T) {
	for pw, want := range map[string]string{
		"":         "31d6cfe0d16ae931b73c59d7e0c089c0",
		"password": "8846f7eaee8fb117ad06bdd830b7586c",
		"pä€𝄞":     "72afb765c06e2abfc5043a9f99ae370a",
	} {
		if got := hex.EncodeToString(ntHash([]byte(pw))); got != want {
			t.Errorf("%q: got %s, want %s", pw, got, want)
		}
	}
}

// A KDC can cost no more than a second of CPU.
func TestIterationsAreCapped(t *testing.T) {
	for _, params := range []string{"00000000", "000f4241", "ffffffff", "00", "0000001000"} {
		if _, err := stringToKey(18, []byte("x"), "y", mustHex(t, params)); !errors.Is(err, ErrIterations) {
			t.Errorf("%s: %v", params, err)
		}
	}
}

func TestKeytabETypesComeFirst(t *testing.T) {
	kt := mustKeytab(t, "../keys/testdata/mit.keytab")
	if got := fmt.Sprint(preferred(FromKeytab(kt), Principal{"mysql/db.mit.test", "MIT.TEST"})); got != "[20 18 17 19 23]" {
		t.Errorf("keytab with type 20: %s", got)
	}
	if got := fmt.Sprint(preferred(Password(nil), Principal{"alice", "MIT.TEST"})); got != "[18 17 20 19 23]" {
		t.Errorf("password: %s", got)
	}
}

func TestDecryptGuards(t *testing.T) {
	for _, id := range DefaultETypes() {
		key := sessionKey{id, make([]byte, keySize(id))}
		for n := range 80 {
			if _, err := decrypt(key, encrypted{etype: id, cipher: make([]byte, n)}, 3); !errors.Is(err, ErrReplyKey) {
				t.Errorf("type %d, %d bytes: %v", id, n, err)
			}
		}
		sealed, err := encrypt(key, []byte("x"), 3)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decrypt(key, sealed, 3); err != nil || string(got) != "x" {
			t.Errorf("type %d: got %q, %v", id, got, err)
		}
		if _, err := decrypt(sessionKey{id, key.value[1:]}, sealed, 3); !errors.Is(err, ErrReplyKey) {
			t.Errorf("type %d with a short key: %v", id, err)
		}
	}
	for _, id := range []int32{0, 1, 3, 16, -1, 1 << 30} {
		if _, err := decrypt(sessionKey{etype: id}, encrypted{etype: id}, 3); err == nil {
			t.Errorf("type %d is not refused", id)
		}
	}
}

func TestChoose(t *testing.T) {
	user := Principal{"alice", "CORP.EXAMPLE.COM"}
	kt := FromKeytab(mustKeytab(t, "testdata/alice.keytab")) // 18, 17, 23
	for _, tt := range []struct {
		name    string
		offered []int32
		s       Secret
		want    int32 // 0: ErrNoKey
	}{
		{"the KDC's order", []int32{17, 18}, kt, 17},
		{"what we know of it", []int32{3, 16, 23}, kt, 23},
		{"no hints: a guess would cost the account a try", nil, kt, 0},
		{"no hints, with a password", nil, Password(nil), 0},
		{"not in the keytab", []int32{20, 19}, kt, 0},
		{"a password does any", []int32{20, 19}, Password(nil), 20},
		{"nothing in common", []int32{3}, Password(nil), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := Hints{ETypes: tt.offered}
			for _, e := range tt.offered {
				h.keys = append(h.keys, keyHint{etype: e})
			}
			got, err := h.choose(tt.s, user, ASOptions{ETypes: DefaultETypes()})
			if got.etype != tt.want || (tt.want == 0) != errors.Is(err, ErrNoKey) {
				t.Errorf("got %d, %v; want %d", got.etype, err, tt.want)
			}
		})
	}
}

func TestHintsOf(t *testing.T) {
	for _, tt := range []struct {
		name, transcript, salt, etypes, cookie string
	}{
		{"Samba", "samba-disabled", "CORP.EXAMPLE.COMbob.disabled", "[18]", ""},
		{"MIT", "mit-password", "MIT.TESTalice", "[18]", "MIT"},
		{"Heimdal", "heimdal-password", "HEIM.TESTalice", "[18]", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := kdcwire.ParseError(loadTranscript(t, tt.transcript).packets[1])
			if err != nil {
				t.Fatal(err)
			}
			h := HintsOf(e)
			if !h.HasSalt || h.Salt != tt.salt || fmt.Sprint(h.ETypes) != tt.etypes || string(h.cookie) != tt.cookie {
				t.Errorf("got %+v", h)
			}
		})
	}
	user := Principal{"a/b", "R"}
	for _, tt := range []struct {
		name, edata string
		want        keyHint // for type 18
	}{
		{"nothing", "", keyHint{etype: 18, salt: "Rab"}},
		{"an empty ETYPE-INFO2", "300b3009a103020113a20204003000", keyHint{etype: 18, salt: "Rab"}},
		{"ETYPE-INFO2 of no entries", "300b3009a103020113a20404023000", keyHint{etype: 18, salt: "Rab"}},
		{"PW-SALT", "300c300aa103020103a203040173", keyHint{etype: 18, salt: "s", hasSalt: true}},
		{"an empty PW-SALT", "300b3009a103020103a2020400", keyHint{etype: 18, salt: "", hasSalt: true}},
		{"ETYPE-INFO", "30193017a10302010ba210040e300c300aa003020112a10304014f", keyHint{etype: 18, salt: "O", hasSalt: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := HintsOf(&kdcwire.KRBError{EData: mustHex(t, tt.edata)}).hint(18, user)
			if got.salt != tt.want.salt || got.hasSalt != tt.want.hasSalt {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A user who is spelt in another case than in the keytab has no key there, and is
// told which names have one. No request with a proof was sent for it.
func TestKeytabNamesTheNearestPrincipal(t *testing.T) {
	kt := mustKeytab(t, "testdata/alice.keytab")
	e := kt.Entries[0]
	user := Principal{Name: strings.ToUpper(e.Name), Realm: e.Realm}
	h := Hints{ETypes: []int32{18}, keys: []keyHint{{etype: 18}}}
	_, err := h.choose(FromKeytab(kt), user, ASOptions{ETypes: []int32{18}})
	var none *NoEntryError
	if !errors.As(err, &none) || !errors.Is(err, ErrNoKey) {
		t.Fatalf("%v", err)
	}
	if want := fmt.Sprintf("the keytab has no entry for %s; it has %s@%s", user, e.Name, e.Realm); !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%q, want %q", err, want)
	}
}
