package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/types"
)

func contextKey() sessionKey {
	return sessionKey{etype: aes256SHA1, value: bytes.Repeat([]byte{7}, 32)}
}

// peer makes a server's tokens, as RFC 4121 §4.2 has them, apart from the code
// under test but for the cipher.
type peer struct {
	next   uint64
	subkey bool
}

func (p *peer) token(t testing.TB, message string, sealed bool, extra, rotation int) []byte {
	t.Helper()
	flags := byte(wrapAcceptor)
	if sealed {
		flags |= wrapSealed
	}
	if p.subkey {
		flags |= wrapSubkey
	}
	header := []byte{5, 4, flags, 0xff, 0, 0, 0, 0}
	header = binary.BigEndian.AppendUint64(header, p.next)
	p.next++
	var body []byte
	if sealed {
		binary.BigEndian.PutUint16(header[4:], uint16(extra))
		plain := slices.Concat([]byte(message), make([]byte, extra), header)
		e, err := encrypt(contextKey(), plain, usageAcceptorSeal)
		if err != nil {
			t.Fatal(err)
		}
		body = e.cipher
	} else {
		alg, err := algorithm(aes256SHA1)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := alg.GetChecksumHash(contextKey().value, append([]byte(message), header...), usageAcceptorSeal)
		if err != nil {
			t.Fatal(err)
		}
		body = append([]byte(message), sum...)
		binary.BigEndian.PutUint16(header[4:], uint16(len(sum)))
	}
	binary.BigEndian.PutUint16(header[6:], uint16(rotation))
	cut := len(body) - rotation%len(body)
	return slices.Concat(header, body[cut:], body[:cut])
}

func testContext() (*Context, *peer) {
	return &Context{key: hide(contextKey()), next: 100, expected: 200}, &peer{next: 200}
}

func TestContextOpensWhatServersSend(t *testing.T) {
	for _, c := range []struct {
		name            string
		sealed          bool
		extra, rotation int
	}{
		{"signed", false, 0, 0},
		{"signed and rotated, as Samba does", false, 0, 12},
		{"sealed", true, 0, 0},
		{"sealed, filled up and rotated, as Windows does", true, 16, 28},
		{"rotated by more than its length", true, 0, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, p := testContext()
			for _, want := range []string{"first", "second"} {
				got, sealed, err := ctx.Open(p.token(t, want, c.sealed, c.extra, c.rotation))
				if err != nil || string(got) != want || sealed != c.sealed {
					t.Errorf("got %q, sealed %v, %v", got, sealed, err)
				}
			}
		})
	}
}

func TestContextRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*peer) []byte
	}{
		{"what comes again", func(p *peer) []byte { p.next = 199; return p.token(t, "m", true, 0, 0) }},
		{"what was left out before", func(p *peer) []byte { p.next = 201; return p.token(t, "m", true, 0, 0) }},
		{"another key's flag", func(p *peer) []byte { p.subkey = true; return p.token(t, "m", true, 0, 0) }},
		{"our own, sent back", func(*peer) []byte { c, _ := testContext(); c.next = 200; b, _ := c.Seal([]byte("m")); return b }},
		{"cut short", func(p *peer) []byte { b := p.token(t, "m", true, 0, 0); return b[:len(b)-1] }},
		{"a header alone", func(p *peer) []byte { return p.token(t, "m", true, 0, 0)[:wrapHeader] }},
		{"signed without a checksum", func(p *peer) []byte { b := p.token(t, "m", false, 0, 0); b[5] = 0; return b }},
		{"nothing", func(*peer) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, p := testContext()
			if got, _, err := ctx.Open(c.make(p)); !errors.Is(err, ErrContext) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for _, sealed := range []bool{true, false} {
		ctx, p := testContext()
		token := p.token(t, "message", sealed, 0, 0)
		for i := range token {
			bad := slices.Clone(token)
			bad[i] ^= 0x10
			if got, _, err := ctx.Open(bad); err == nil && string(got) != "message" {
				t.Errorf("byte %d flipped: %q", i, got)
			} else if err == nil && i != 6 && i != 7 { // the rotation is not protected, only undone
				t.Errorf("byte %d flipped and not seen", i)
			}
		}
	}
}

// gokrb5 reads what we sign, and what we seal opens with the initiator's key
// usage and ends with its own header.
func TestContextTokens(t *testing.T) {
	ctx, _ := testContext()
	signed, err := ctx.Sign([]byte("layers"))
	if err != nil {
		t.Fatal(err)
	}
	var w gssapi.WrapToken
	if err := w.Unmarshal(signed, false); err != nil {
		t.Fatal(err)
	}
	if ok, err := w.Verify(types.EncryptionKey{KeyType: aes256SHA1, KeyValue: contextKey().value}, usageInitiatorSeal); !ok || string(w.Payload) != "layers" || w.SndSeqNum != 100 {
		t.Errorf("gokrb5 reads %q, number %d: %v %v", w.Payload, w.SndSeqNum, ok, err)
	}
	sealed, err := ctx.Seal([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := decrypt(contextKey(), encrypted{etype: aes256SHA1, cipher: sealed[wrapHeader:]}, usageInitiatorSeal)
	if err != nil || string(plain) != "secret"+string(sealed[:wrapHeader]) || sealed[15] != 101 {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestNoContextWithoutProof(t *testing.T) {
	i, apRep := proof(t)
	if _, err := i.Context(); !errors.Is(err, ErrUnproven) {
		t.Errorf("before Verify: %v", err)
	}
	if err := i.Verify(apRep); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Context(); err != nil {
		t.Error(err)
	}
	i.subkey, i.proof.subkey = hide(sessionKey{etype: rc4HMAC, value: make([]byte, 16)}), nil
	if _, err := i.Context(); err == nil {
		t.Error("RC4 has tokens of another format")
	}
}

func FuzzContextOpen(f *testing.F) {
	_, p := testContext()
	f.Add(p.token(f, "m", true, 3, 28))
	p.next = 200
	f.Add(p.token(f, "m", false, 0, 12))
	f.Fuzz(func(t *testing.T, b []byte) {
		ctx, _ := testContext()
		if got, _, err := ctx.Open(b); err == nil && string(got) != "m" {
			t.Errorf("%x gives %q", b, got)
		}
	})
}
