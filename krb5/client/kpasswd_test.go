package client

import (
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// What kpasswd servers answered to KpasswdProbe over UDP.
const (
	sambaKpasswd   = "009d000100007e8194308191a003020105a10302011ea411180f32303236313132323135313231325aa505020308dabba603020102a9121b10434f52502e4558414d504c452e434f4daa1d301ba003020101a11430121b066b61646d696e1b086368616e67657077ac330431000267656e7365635f757064617465206661696c6564202d204e545f5354415455535f4c4f474f4e5f4641494c5552450a"
	mitKpasswd     = "0084000100007e7c307aa003020105a10302011ea411180f32303236313132323135313231325aa503020100a60302013ca90a1b084d49542e54455354aa1d301ba003020101a11430121b066b61646d696e1b086368616e67657077ac26042400034661696c65642072656164696e67206170706c69636174696f6e2072657175657374"
	heimdalKpasswd = "00a6000100007e819d30819aa003020105a10302011ea411180f32303236313132323135313231325aa50502030c9f87a60302013ca9151b133c756e737065636966696564207265616c6d3eaa0b3009a003020100a1023000ab2f1b2d41534e2e31206964656e74696669657220646f65736e2774206d617463682065787065637465642076616c7565ac1a0418000341757468656e7469636174696f6e206661696c656400"
)

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKpasswdProbe(t *testing.T) {
	if got, want := hex.EncodeToString(KpasswdProbe()), "000f000100056e0330010075023000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseKpasswdReply(t *testing.T) {
	for _, tt := range []struct {
		name, in, realm string
		code            int32
	}{
		// RFC 3244 §2: where the AP-REQ cannot be read, "the KRB-ERROR message is sent
		// back without encapsulation"; MIT's, Heimdal's and Samba's clients expect it of AD.
		{"Samba's without its header", sambaKpasswd[12:], "CORP.EXAMPLE.COM", 2},
		{"MIT's without its header", mitKpasswd[12:], "MIT.TEST", 60},
		{"Samba", sambaKpasswd, "CORP.EXAMPLE.COM", 2},
		{"MIT", mitKpasswd, "MIT.TEST", 60},
		{"Heimdal", heimdalKpasswd, "<unspecified realm>", 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := ParseKpasswdReply(mustHex(t, tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if e.Realm != tt.realm || e.Code != tt.code || e.STime.Format("2006-01-02 15:04:05") != "2026-11-22 15:12:12" {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestParseKpasswdReplyRefuses(t *testing.T) {
	samba := mustHex(t, sambaKpasswd)
	change := func(i int, v byte) []byte {
		b := append([]byte(nil), samba...)
		b[i] = v
		return b
	}
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"a header alone", samba[:6]},
		{"cut short", samba[:len(samba)-1]},
		{"too long", append(change(1, 0x9e), 0)},
		{"another version", change(3, 2)},
		{"an AP-REP", change(5, 1)},
		{"no KRB-ERROR", change(6, 0x7f)},
		{"a bare KRB-ERROR cut short", samba[6 : len(samba)-1]},
		{"a bare KRB-ERROR and more", append(slices.Clone(samba[6:]), 0)},
		{"our own request", KpasswdProbe()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if e, err := ParseKpasswdReply(tt.in); !errors.Is(err, kdcwire.ErrNotKerberos) {
				t.Errorf("got %v, %v", e, err)
			}
		})
	}
}

func FuzzKpasswdReply(f *testing.F) {
	for _, s := range []string{sambaKpasswd, mitKpasswd, heimdalKpasswd} {
		f.Add(mustHex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseKpasswdReply(b); (e == nil) == (err == nil) {
			t.Errorf("got %v, %v", e, err)
		}
	})
}
