package client

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

func TestServiceTicketAcrossRealms(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service string
		table   map[string]string
		asked   []string
		want    error
		code    int32 // of a KRB-ERROR
	}{
		{name: "the user's own realm", service: "mysql/db.a@A",
			asked: []string{"A: mysql/db.a"}},
		{name: "a referral", service: "mysql/db.b",
			table: map[string]string{"A mysql/db.b": "krbtgt/B"},
			asked: []string{"A: mysql/db.b", "B: mysql/db.b"}},
		{name: "two referrals", service: "mysql/db.c", // the authenticator must name A in C
			table: map[string]string{"A mysql/db.c": "krbtgt/B", "B mysql/db.c": "krbtgt/C"},
			asked: []string{"A: mysql/db.c", "B: mysql/db.c", "C: mysql/db.c"}},
		{name: "a trusted realm", service: "mysql/db.b@B",
			table: map[string]string{"A krbtgt/B": "krbtgt/B"},
			asked: []string{"A: krbtgt/B", "B: mysql/db.b"}},
		{name: "a realm behind another", service: "mysql/db.c@C",
			table: map[string]string{"A krbtgt/C": "krbtgt/B", "B krbtgt/C": "krbtgt/C"},
			asked: []string{"A: krbtgt/C", "B: krbtgt/C", "C: mysql/db.c"}},
		{name: "three hops and a referral", service: "mysql/db.d@C",
			table: map[string]string{"A krbtgt/C": "krbtgt/B", "B krbtgt/C": "krbtgt/C", "C mysql/db.d": "krbtgt/D"},
			asked: []string{"A: krbtgt/C", "B: krbtgt/C", "C: mysql/db.d", "D: mysql/db.d"}},
		{name: "no trust", service: "mysql/db.b@B", code: 7,
			asked: []string{"A: krbtgt/B"}},
		{name: "no such service", service: "mysql/nosuch@B", code: 7,
			table: map[string]string{"A krbtgt/B": "krbtgt/B"},
			asked: []string{"A: krbtgt/B", "B: mysql/nosuch"}},
		{name: "a loop", service: "mysql/x", want: ErrLoop,
			table: map[string]string{"A mysql/x": "krbtgt/B", "B mysql/x": "krbtgt/A"},
			asked: []string{"A: mysql/x", "B: mysql/x"}},
		{name: "a realm without KDCs", service: "mysql/x", want: ErrNoKDC,
			table: map[string]string{"A mysql/x": "krbtgt/NOWHERE"},
			asked: []string{"A: mysql/x"}},
		{name: "a ticket for something else", service: "mysql/db.a@A", want: new(MismatchError),
			table: map[string]string{"A mysql/db.a": "ldap/db.a"},
			asked: []string{"A: mysql/db.a"}},
		{name: "another spelling", service: "mysql/DB.a@A",
			table: map[string]string{"A mysql/DB.a": "MySQL/db.a"},
			asked: []string{"A: mysql/DB.a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newForest(t, route(tt.table))
			s := f.client().FromTicket(f.tgt(Principal{"alice", "A"}))
			defer s.Close()
			service := mustPrincipal(t, tt.service)
			ticket, hops, err := s.ServiceTicket(t.Context(), service)
			if !slices.Equal(f.asked, tt.asked) {
				t.Errorf("asked %q, want %q", f.asked, tt.asked)
			}
			var step *StepError
			var krb *kdcwire.KRBError
			var mismatch *MismatchError
			switch {
			case tt.code != 0:
				if !errors.As(err, &krb) || krb.Code != tt.code || !errors.As(err, &step) || step.Step != StepTGS {
					t.Errorf("got %v, want code %d", err, tt.code)
				}
			case errors.As(tt.want, &mismatch):
				if !errors.As(err, &mismatch) || mismatch.Field != "sname" {
					t.Errorf("got %v", err)
				}
			case tt.want != nil:
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			case err != nil:
				t.Error(err)
			default:
				if last := hops[len(hops)-1]; ticket.Server != last.Got || ticket.Client != (Principal{"alice", "A"}) || len(hops) != len(tt.asked) {
					t.Errorf("got %s over %+v", ticket, hops)
				}
			}
		})
	}
}

func TestCrossRealm(t *testing.T) {
	f := newForest(t, route(map[string]string{"A krbtgt/C": "krbtgt/B", "B krbtgt/C": "krbtgt/C"}))
	s := f.client().FromTicket(f.tgt(Principal{"alice", "A"}))
	defer s.Close()
	there, err := s.CrossRealm(t.Context(), "C")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if realm, ok := there.Ticket().Referral(); !ok || realm != "C" {
		t.Errorf("got %s", there)
	}
	if _, _, err := there.ServiceTicket(t.Context(), Principal{"mysql/db.c", "C"}); err != nil {
		t.Error(err)
	}
	var krb *kdcwire.KRBError
	if _, err := s.CrossRealm(t.Context(), "D"); !errors.As(err, &krb) || krb.Code != 7 {
		t.Errorf("without a trust: %v", err)
	}
}

// A reply that is for something else is refused, and the error says what for.
func TestTGSFinishRefuses(t *testing.T) {
	for _, tt := range []struct {
		field string
		spoil func(rep *messages.TGSRep)
	}{
		{"cname", func(rep *messages.TGSRep) { rep.CName = types.NewPrincipalName(1, "mallory") }},
		{"crealm", func(rep *messages.TGSRep) { rep.CRealm = "a" }},
		{"nonce", func(rep *messages.TGSRep) { rep.DecryptedEncPart.Nonce++ }},
		{"sname", func(rep *messages.TGSRep) { rep.Ticket.SName = types.NewPrincipalName(2, "mysql/other.a") }},
		{"sname", func(rep *messages.TGSRep) { rep.Ticket.Realm = "B" }},
		{"realm", func(rep *messages.TGSRep) { rep.DecryptedEncPart.SRealm, rep.Ticket.Realm = "B", "B" }},
	} {
		t.Run(tt.field, func(t *testing.T) {
			f := newForest(t, route(nil))
			f.spoil = tt.spoil
			s := f.client().FromTicket(f.tgt(Principal{"alice", "A"}))
			defer s.Close()
			_, hops, err := s.ServiceTicket(t.Context(), Principal{"mysql/db.a", "A"})
			var m *MismatchError
			if !errors.As(err, &m) || m.Field != tt.field || len(hops) != 1 || hops[0].Err == nil {
				t.Errorf("got %v over %+v", err, hops)
			}
		})
	}
}

// Our own clock decides nothing about a reply; the KDC's about a request.
func TestClockOff(t *testing.T) {
	f := newForest(t, route(nil))
	c := f.client()
	c.Now = func() time.Time { return f.now.Add(time.Hour) }
	s := c.FromTicket(f.tgt(Principal{"alice", "A"}))
	defer s.Close()
	_, _, err := s.ServiceTicket(t.Context(), Principal{"mysql/db.a", "A"})
	var krb *kdcwire.KRBError
	if !errors.As(err, &krb) || krb.Code != 37 {
		t.Errorf("got %v", err)
	}

	tr := loadTranscript(t, "samba-password")
	tr.now = tr.now.Add(-48 * time.Hour)
	login := tr.client(t)
	session, err := login.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, Password([]byte(labPassword)))
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
}

func TestTGSNeedsATGT(t *testing.T) {
	tr := loadTranscript(t, "mariadb-proof")
	ticket := proofTicket(t, tr.client(t))
	if _, err := NewTGS(ticket, Principal{"mysql/x", "A"}, nil).Request(); err == nil {
		t.Error("a service ticket was taken for a TGT")
	}
}
