package client

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// kpasswdExchange is a request to set a password, and what a server would
// answer to it under the ticket's key.
func kpasswdExchange(t testing.TB) (*setting, func(data string) []byte) {
	t.Helper()
	tr := loadTranscript(t, "mariadb-proof")
	c := tr.client(t)
	x := &setting{ticket: proofTicket(t, c), target: Principal{"alice", "CORP.EXAMPLE.COM"}, password: hide([]byte("new-s3cret")),
		local: netip.MustParseAddr("127.0.0.1"), time: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}
	request, err := x.request()
	if err != nil {
		t.Fatal(err)
	}
	if got := int(binary.BigEndian.Uint16(request)); got != len(request) || binary.BigEndian.Uint16(request[2:]) != kpasswdSetVersion {
		t.Fatalf("request of %d bytes begins %x", len(request), request[:6])
	}
	if strings.Contains(string(request), "new-s3cret") {
		t.Fatal("the password can be read on the wire")
	}
	return x, func(data string) []byte {
		rep, err := message(msgEncAPRepPart, func(b *cryptobyte.Builder) { addTime(b, 0, x.time); addInt(b, 1, microseconds(x.time)) })
		if err != nil {
			t.Fatal(err)
		}
		proof := sealedMessage(t, msgAPRep, 2, x.ticket.secret().key, rep, usageAPRepEncPart)
		part, err := message(msgEncPrivPart, func(b *cryptobyte.Builder) { addBytes(b, 0, []byte(data)); addAddress(b, 4, x.local) })
		if err != nil {
			t.Fatal(err)
		}
		priv := sealedMessage(t, msgPriv, 3, x.subkey(), part, usagePrivEncPart)
		b := binary.BigEndian.AppendUint16(nil, uint16(kpasswdHeader+len(proof)+len(priv)))
		b = binary.BigEndian.AppendUint16(b, kpasswdVersion)
		b = binary.BigEndian.AppendUint16(b, uint16(len(proof)))
		return slices.Concat(b, proof, priv)
	}
}

func sealedMessage(t testing.TB, msgType uint8, field uint8, key sessionKey, plain []byte, usage uint32) []byte {
	t.Helper()
	e, err := encrypt(key, plain, usage)
	if err != nil {
		t.Fatal(err)
	}
	m, err := message(msgType, func(b *cryptobyte.Builder) {
		addInt(b, 0, version)
		addInt(b, 1, int64(msgType))
		addField(b, field, func(b *cryptobyte.Builder) { addEncrypted(b, e) })
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSetPasswordReplies(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       *PasswordError
	}{
		{"done", "\x00\x00", nil},
		{"done, with words", "\x00\x00Password changed", nil},
		{"denied", "\x00\x05Not permitted to set that password", &PasswordError{PasswordDenied, "Not permitted to set that password"}},
		{"rules of Active Directory, as bytes", "\x00\x04\x00\x00\x00\x00\x00\x07", &PasswordError{PasswordSoftError, ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, reply := kpasswdExchange(t)
			err := x.finish(reply(c.data))
			var refused *PasswordError
			if c.want == nil && err != nil || c.want != nil && (!errors.As(err, &refused) || *refused != *c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSetPasswordIsNotDoneUnlessItIsProved(t *testing.T) {
	x, reply := kpasswdExchange(t)
	good := reply("\x00\x00")
	later := *x
	later.time = x.time.Add(time.Second)
	if err := later.finish(good); !errors.Is(err, ErrUnproven) {
		t.Errorf("the answer to another request: %v", err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		if err := x.finish(bad); err == nil {
			t.Errorf("byte %d flipped and not seen", i)
		}
	}
	var krb *kdcwire.KRBError
	if err := x.finish(mustHex(t, sambaKpasswd)); !errors.As(err, &krb) {
		t.Errorf("a KRB-ERROR: %v", err)
	}
}

// KRB-ERRORs that answer a change: framed, and without encapsulation (RFC 3244 §2).
// Code 0 is what Windows Server 2025 answers to a change that it has made (msktutil
// issue 228, SSSD issue 7751); its e-data there is presumed to be result 0.
func TestSetPasswordRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   int32
		edata  string
		result PasswordResult // 0: none
		unsure bool
	}{
		{"Windows Server 2025 after a change", 0, "\x00\x00", 0, true},
		{"code 0 and no e-data", 0, "", 0, true},
		{"code 0 with a result", 0, "\x00\x04", PasswordSoftError, false},
		{"the domain's rules", 60, "\x00\x04\x00\x00", PasswordSoftError, false},
		{"denied", 60, "\x00\x05no", PasswordDenied, false},
		{"result 0 under an error", 60, "\x00\x00", 0, false},
		{"an error alone", 41, "", 0, false},
	} {
		bare := kpasswdError(t, c.code, c.edata)
		framed := append([]byte{byte((len(bare) + 6) >> 8), byte(len(bare) + 6), 0, 1, 0, 0}, bare...)
		for form, b := range map[string][]byte{"framed": framed, "bare": bare} {
			t.Run(c.name+", "+form, func(t *testing.T) {
				x, _ := kpasswdExchange(t)
				err := x.finish(b)
				var krb *kdcwire.KRBError
				if !errors.As(err, &krb) || krb.Code != c.code {
					t.Fatalf("got %v", err)
				}
				var refused *PasswordError
				if errors.Is(err, ErrUnconfirmed) != c.unsure || errors.As(err, &refused) != (c.result != 0) || refused != nil && refused.Result != c.result {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// kpasswdError is a KRB-ERROR of a kpasswd server.
func kpasswdError(t testing.TB, code int32, edata string) []byte {
	t.Helper()
	b, err := message(30, func(b *cryptobyte.Builder) {
		addInt(b, 0, version)
		addInt(b, 1, 30)
		addTime(b, 4, time.Date(2026, 11, 22, 15, 12, 12, 0, time.UTC))
		addInt(b, 5, 0)
		addInt(b, 6, int64(code))
		addRealm(b, 9, "CORP.EXAMPLE.COM")
		addName(b, 10, Principal{Name: "kadmin/changepw", Realm: "CORP.EXAMPLE.COM"})
		if edata != "" {
			addBytes(b, 12, []byte(edata))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzSetPasswordReply(f *testing.F) {
	x, reply := kpasswdExchange(f)
	f.Add(reply("\x00\x04x")[:40])
	f.Add(mustHex(f, sambaKpasswd))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := x.finish(b); err == nil {
			t.Errorf("%x sets a password", b)
		}
	})
}
