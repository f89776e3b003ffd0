package krb5test

import (
	"encoding/asn1"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
)

// seeds adds the recorded requests to one port, and returns a time at which their
// timestamps pass.
func seeds(f *testing.F, port string) time.Time {
	f.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	var at time.Time
	for _, file := range files {
		for _, m := range transcript(f, file) {
			if m.Port == port {
				f.Add([]byte(m.Request))
				at = m.At
			}
		}
	}
	return at
}

// FuzzKDC: whatever comes, the answer is nothing or a whole Kerberos message
// not much longer than what was asked.
func FuzzKDC(f *testing.F) {
	at := seeds(f, "kdc")
	for _, m := range transcript(f, "testdata/kinit-password-mit.json") {
		if m.Port == "kdc" { // gokrb5 indexed past the end of additional tickets that were cut short
			f.Add(appendLast(f, []byte(m.Request), 3, "\xab\x01\x30"))
		}
	}
	realms := stage(func() time.Time { return at })
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, r := range realms {
			d := desk{realm: r, now: at}
			for _, reply := range [][]byte{first(d.answer(b)), d.tooBig(b)} {
				wantKerberos(t, reply)
				if len(reply) > len(b)+8<<10 {
					t.Errorf("%d bytes asked for %d", len(b), len(reply))
				}
			}
		}
	})
}

// appendLast puts der at the end of an element: the last one of the last one,
// depth levels down.
func appendLast(f *testing.F, element []byte, depth int, der string) []byte {
	f.Helper()
	var e, child asn1.RawValue
	if _, err := asn1.Unmarshal(element, &e); err != nil {
		f.Fatal(err)
	}
	inner := slices.Clone(e.Bytes)
	if depth == 0 {
		inner = append(inner, der...)
	} else {
		last := 0
		for rest := inner; len(rest) > 0; {
			last = len(inner) - len(rest)
			var err error
			if rest, err = asn1.Unmarshal(rest, &child); err != nil {
				f.Fatal(err)
			}
		}
		inner = append(inner[:last:last], appendLast(f, inner[last:], depth-1, der)...)
	}
	b, err := asn1.Marshal(asn1.RawValue{Class: e.Class, Tag: e.Tag, IsCompound: true, Bytes: inner})
	if err != nil {
		f.Fatal(err)
	}
	return b
}

func first(b []byte, _ note) []byte { return b }

func wantKerberos(t *testing.T, reply []byte) {
	t.Helper()
	var e messages.KRBError
	var as messages.ASRep
	var tgs messages.TGSRep
	if reply != nil && e.Unmarshal(reply) != nil && as.Unmarshal(reply) != nil && tgs.Unmarshal(reply) != nil {
		t.Errorf("reply %x", reply)
	}
}

// FuzzKpasswd: nothing, or a reply of version 1.
func FuzzKpasswd(f *testing.F) {
	at := seeds(f, "kpasswd")
	f.Add([]byte("\x00\x0f\x00\x01\x00\x05\x6e\x03\x30\x01\x00\x75\x02\x30\x00"))
	r := stage(func() time.Time { return at })["A.TEST"]
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, _ := desk{realm: r, now: at, local: netip.MustParseAddr("127.0.0.1")}.changePassword(b)
		if reply != nil && strings.HasPrefix(kpasswdShape(reply), "error") || len(reply) > 4<<10 {
			t.Errorf("reply %x", reply)
		}
	})
}

// FuzzAccept: a client, or an *AcceptError; never both, never a panic.
func FuzzAccept(f *testing.F) {
	r := castAt("A.TEST", Options{Now: when})
	g := login(f, r, "alice", when()).service(f, r, dbSPN, when())
	f.Add(g.token(f, when(), false))
	f.Add(g.token(f, when(), true))
	f.Fuzz(func(t *testing.T, b []byte) {
		client, rep, err := r.Acceptor(dbSPN).Accept(b)
		var refused *AcceptError
		switch {
		case err == nil && client != "alice@A.TEST":
			t.Errorf("let %q in", client)
		case err != nil && (!errors.As(err, &refused) || client != "" || rep != nil):
			t.Errorf("%q %x %v", client, rep, err)
		}
	})
}
