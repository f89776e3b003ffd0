package krb5test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/messages"
)

// The files under testdata are what MIT's clients and these servers said to
// each other. "go test -tags lab -run Record -update" records them again.

// message is a request and the reply that it got.
type message struct {
	Realm   string
	Port    string // "kdc" or "kpasswd"
	At      time.Time
	Request hexBytes
	Reply   hexBytes
}

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// recorder keeps what a client and servers said. A nil one keeps nothing.
type recorder struct {
	mu       sync.Mutex
	messages []message
}

func (rec *recorder) tap(r *Realm, h handler, port string) handler {
	if rec == nil {
		return h
	}
	return func(d desk, request []byte) ([]byte, note) {
		reply, n := h(d, request)
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.messages = append(rec.messages, message{r.Name(), port, d.now.UTC(), request, reply})
		return reply, n
	}
}

// stage is the realms of the recorded conversations: A.TEST, trusted by B.TEST,
// trusted by C.TEST, one dialect each.
func stage(now func() time.Time) map[string]*Realm {
	o := func(d Dialect) Options { return Options{Now: now, Dialect: d} }
	a, b, c := castAt("A.TEST", o(Samba), "everybody"), castAt("B.TEST", o(MIT)), castAt("C.TEST", o(Windows))
	c.AddService("mysql/db.c.test", KVNO(3))
	b.Trusts(a, Trust{Suffixes: []string{"b.test", "c.test"}})
	c.Trusts(b, Trust{})
	return map[string]*Realm{"A.TEST": a, "B.TEST": b, "C.TEST": c}
}

// TestReplay feeds the recorded requests again, at the recorded times, and
// wants replies of the same shape. Keys that are drawn anew and confounders
// differ; lengths do not.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var now time.Time
			realms := stage(func() time.Time { return now })
			for i, m := range transcript(t, file) {
				now = m.At
				d := desk{realm: realms[m.Realm], now: now, local: netip.MustParseAddr("127.0.0.1")}
				handle := handler(desk.answer)
				if m.Port == "kpasswd" {
					handle = desk.changePassword
				}
				reply, _ := handle(d, m.Request)
				if diff := cmp.Diff(shape(m.Reply), shape(reply)); diff != "" {
					t.Errorf("message %d to %s of %s:\n%s", i, m.Port, m.Realm, diff)
				}
			}
		})
	}
}

func transcript(t testing.TB, file string) []message {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var ms []message
	if err := json.Unmarshal(b, &ms); err != nil {
		t.Fatal(err)
	}
	if len(ms) == 0 {
		t.Fatalf("%s is empty", file)
	}
	return ms
}

// shape reports what a message is, without what is drawn anew each time.
func shape(b []byte) string {
	var e messages.KRBError
	var as messages.ASRep
	var tgs messages.TGSRep
	switch {
	case len(b) == 0:
		return "nothing"
	case e.Unmarshal(b) == nil:
		return fmt.Sprintf("%d bytes: KRB-ERROR %d at %v, client %v@%s, server %v@%s, text %q, data %x",
			len(b), e.ErrorCode, e.STime, e.CName.NameString, e.CRealm, e.SName.NameString, e.Realm, e.EText, e.EData)
	case as.Unmarshal(b) == nil:
		return "AS-REP: " + repShape(as.KDCRepFields, len(b))
	case tgs.Unmarshal(b) == nil:
		return "TGS-REP: " + repShape(tgs.KDCRepFields, len(b))
	}
	return kpasswdShape(b)
}

func kpasswdShape(b []byte) string {
	if len(b) < 6 {
		return fmt.Sprintf("%d bytes", len(b))
	}
	size := int(binary.BigEndian.Uint16(b[4:]))
	if size == 0 {
		return fmt.Sprintf("kpasswd reply %x: %s", b[:6], shape(b[6:]))
	}
	var rep messages.APRep
	var priv messages.KRBPriv
	if err := errors.Join(rep.Unmarshal(b[6:6+size]), priv.Unmarshal(b[6+size:])); err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("kpasswd reply %x: AP-REP etype %d of %d bytes, KRB-PRIV etype %d of %d bytes",
		b[:6], rep.EncPart.EType, len(rep.EncPart.Cipher), priv.EncPart.EType, len(priv.EncPart.Cipher))
}

func repShape(r messages.KDCRepFields, n int) string {
	return fmt.Sprintf("%d bytes, client %v@%s, ticket %v@%s etype %d kvno %d of %d bytes, part etype %d kvno %d of %d bytes, padata %v",
		n, r.CName.NameString, r.CRealm, r.Ticket.SName.NameString, r.Ticket.Realm,
		r.Ticket.EncPart.EType, r.Ticket.EncPart.KVNO, len(r.Ticket.EncPart.Cipher),
		r.EncPart.EType, r.EncPart.KVNO, len(r.EncPart.Cipher), r.PAData)
}
