package kdcwire

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// What KDCs of the lab sent.
const (
	sambaDisabled = "7e81ef3081eca003020105a10302011ea411180f32303236313132323135303833325aa505020307fec1a603020112a7121b10434f52502e4558414d504c452e434f4da8193017a003020101a110300e1b0c626f622e64697361626c6564a9121b10434f52502e4558414d504c452e434f4daa253023a003020102a11c301a1b066b72627467741b10434f52502e4558414d504c452e434f4dac5704553053303aa103020113a2330431302f302da003020112a11e1b1c434f52502e4558414d504c452e434f4d626f622e64697361626c6564a2060404000010003015a103020103a20e040c720000c00000000001000000"
	mitDisabled   = "7e818f30818ca003020105a10302011ea411180f32303236313132323135303833325aa50502030302c1a603020112a70a1b084d49542e54455354a8153013a003020101a10c300a1b0864697361626c6564a90a1b084d49542e54455354aa1d301ba003020102a11430121b066b72627467741b084d49542e54455354ab131b11434c49454e54204c4f434b4544204f5554"
	sambaUnknown  = "7e81c43081c1a003020105a10302011ea211180f32303236313132323135303833325aa305020307818ba411180f32303236313132323135303833325aa505020307aea9a603020107a70e1b0c4f4e5052454d2e4c4f43414ca8123010a003020101a10930071b056361726f6ca90e1b0c4f4e5052454d2e4c4f43414caa483046a003020102a13f303d1b056d7973716c1b346d79636c75737465722e636c75737465722d6162633132332e75732d656173742d312e7264732e616d617a6f6e6177732e636f6d"
	heimdalWrong  = "7e793077a003020105a10302011ea411180f32303236313132323135313235325aa505020308675ea603020118a70b1b094845494d2e54455354a8123010a003020101a10930071b05616c696365a90b1b094845494d2e54455354aa1e301ca003020102a11530131b066b72627467741b094845494d2e54455354"
	// MIT's KDC_ERR_PREAUTH_REQUIRED: METHOD-DATA without a status.
	mitRequired = "7e81da3081d7a003020105a10302011ea411180f32303236313132323135303833325aa50502030302c0a603020119a70a1b084d49542e54455354a8123010a003020101a10930071b05616c696365a90a1b084d49542e54455354aa1d301ba003020102a11430121b066b72627467741b084d49542e54455354ab101b0e4e45454445445f50524541555448ac4f044d304b300aa10402020088a20204003023a103020113a21c041a30183016a003020112a10f1b0d4d49542e54455354616c6963653009a103020102a2020400300da10402020085a20504034d4954"
)

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseError(t *testing.T) {
	at := func(us int) time.Time { return time.Date(2026, 11, 22, 15, 8, 32, us*1000, time.UTC) }
	for _, tt := range []struct {
		name, in string
		want     KRBError
		status   uint32
		text     string
	}{
		{"Samba, disabled", sambaDisabled, KRBError{Code: 18, STime: at(523969), Realm: "CORP.EXAMPLE.COM", CRealm: "CORP.EXAMPLE.COM",
			CName: []string{"bob.disabled"}, SName: []string{"krbtgt", "CORP.EXAMPLE.COM"}}, 0xC0000072,
			"KRB-ERROR 18 KDC_ERR_CLIENT_REVOKED (NTSTATUS 0xC0000072)"},
		{"MIT, disabled", mitDisabled, KRBError{Code: 18, STime: at(197313), Realm: "MIT.TEST", CRealm: "MIT.TEST",
			CName: []string{"disabled"}, SName: []string{"krbtgt", "MIT.TEST"}, EText: "CLIENT LOCKED OUT"}, 0,
			`KRB-ERROR 18 KDC_ERR_CLIENT_REVOKED: "CLIENT LOCKED OUT"`},
		{"Samba, service unknown", sambaUnknown, KRBError{Code: 7, STime: at(503465), CTime: at(491915), Realm: "ONPREM.LOCAL", CRealm: "ONPREM.LOCAL",
			CName: []string{"carol"}, SName: []string{"mysql", "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"}}, 0,
			"KRB-ERROR 7 KDC_ERR_S_PRINCIPAL_UNKNOWN"},
		{"MIT, preauthentication required", mitRequired, KRBError{Code: 25, STime: at(197312), Realm: "MIT.TEST", CRealm: "MIT.TEST",
			CName: []string{"alice"}, SName: []string{"krbtgt", "MIT.TEST"}, EText: "NEEDED_PREAUTH"}, 0,
			`KRB-ERROR 25 KDC_ERR_PREAUTH_REQUIRED: "NEEDED_PREAUTH"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseError(mustHex(t, tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if status, ok := got.NTStatus(); status != tt.status && ok || ok != (tt.status != 0) {
				t.Errorf("NTSTATUS %#x, %v", status, ok)
			}
			if got.Error() != tt.text {
				t.Errorf("Error() = %s", got)
			}
			w := tt.want
			if got.Code != w.Code || !got.STime.Equal(w.STime) || !got.CTime.Equal(w.CTime) || got.Realm != w.Realm || got.CRealm != w.CRealm ||
				!slices.Equal(got.CName, w.CName) || !slices.Equal(got.SName, w.SName) || got.EText != w.EText {
				t.Errorf("got  %+v\nwant %+v", *got, w)
			}
		})
	}
}

func TestParseErrorRefuses(t *testing.T) {
	good := mustHex(t, heimdalWrong)
	for n := range good {
		if e, err := ParseError(good[:n]); !errors.Is(err, ErrNotKerberos) {
			t.Fatalf("the first %d bytes: got %v, %v", n, e, err)
		}
	}
	for name, in := range map[string][]byte{
		"a byte too many": append(slices.Clone(good), 0),
		"an HTTP server":  []byte("HTTP/1.1 400 Bad Request\r\n"),
		"too long":        append(slices.Clone(good), make([]byte, MaxMessage)...),
	} {
		if e, err := ParseError(in); !errors.Is(err, ErrNotKerberos) {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
}

// KERB-EXT-ERROR comes in four wrappers.
func TestNTStatus(t *testing.T) {
	const status = "6f0000c00000000001000000" // STATUS_INVALID_LOGON_HOURS
	for _, tt := range []struct {
		name, edata string
		want        uint32
	}{
		{"METHOD-DATA (Samba)", "30173015a103020103a20e040c" + status, 0xC000006F},
		{"KERB-ERROR-DATA (Windows)", "3015a103020103a20e040c" + status, 0xC000006F},
		{"TYPED-DATA", "30173015a003020103a10e040c" + status, 0xC000006F},
		{"after another padata", "30223009a103020102a20204003015a103020103a20e040c" + status, 0xC000006F},
		{"type 1, four bytes", "300da103020101a2060404340200c0", 0xC0000234},
		{"type 1, four bytes in METHOD-DATA", "300f300da103020101a2060404340200c0", 0xC0000234},
		{"type 1, twelve bytes", "3015a103020101a20e040c" + status, 0},
		{"another type", "30173015a103020104a20e040c" + status, 0},
		{"a salt of twelve letters", "30173015a103020103a20e040c" + hex.EncodeToString([]byte("MIT.TESTbob1")), 0},
		{"eleven bytes", "30163014a103020103a20d040b" + status[:22], 0},
		{"cut short", "30173015a103020103a20e040c" + status[:20], 0},
		{"nothing", "", 0},
		{"an empty list", "3000", 0},
		{"text", hex.EncodeToString([]byte("no such thing")), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := KRBError{EData: mustHex(t, tt.edata)}
			if got, ok := e.NTStatus(); ok != (tt.want != 0) || ok && got != tt.want {
				t.Errorf("got %#x, %v; want %#x", got, ok, tt.want)
			}
		})
	}
}

// A peer's text must not be able to write lines of its own.
func TestErrorQuotes(t *testing.T) {
	e := KRBError{Code: 60, EText: "x\ncode=0 \x1b[31m\u202e"}
	if s := e.Error(); strings.ContainsAny(s, "\n\x1b") || !strings.HasPrefix(s, "KRB-ERROR 60 KRB_ERR_GENERIC: \"") {
		t.Errorf("got %q", s)
	}
}

func FuzzParseError(f *testing.F) {
	for _, s := range []string{sambaDisabled, mitDisabled, sambaUnknown, heimdalWrong, mitRequired} {
		f.Add(mustHex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseError(b)
		if err != nil {
			return
		}
		if !IsError(b) {
			t.Error("parsed, but IsError says no")
		}
		e.NTStatus()
		if strings.ContainsAny(e.Error(), "\n\r\x1b") {
			t.Errorf("Error() = %q", e.Error())
		}
	})
}
