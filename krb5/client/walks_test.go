package client

import (
	"context"
	"errors"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// walk is one conversation with a real KDC: recorded by the lab test, replayed
// by TestTranscripts, with the same expectations.
type walk struct {
	name     string // of the transcript
	user     string
	password string
	keytab   string // in testdata, and in LAB_STATE/keytabs
	kdc      map[string]string
	service  string

	code     int32  // of the KRB-ERROR that ends it
	ntstatus uint32 // in that error
	step     string // where it ends
	hops     []string
	etype    int32 // of the service ticket
	mismatch string
	expires  bool // the KDC says when the password does
}

const (
	corpDC1  = "10.77.0.10:88"
	onpremDC = "10.77.2.10:88"
	mitKDC   = "10.77.5.10:88"
	heimKDC  = "10.77.6.10:88"
	rdsName  = "mysql/mycluster.cluster-abc123.us-east-1.rds.amazonaws.com@CORP.EXAMPLE.COM"
)

func walks() []walk {
	corp := map[string]string{"CORP.EXAMPLE.COM": corpDC1, "corp.example.com": corpDC1}
	both := map[string]string{"CORP.EXAMPLE.COM": corpDC1, "ONPREM.LOCAL": onpremDC}
	mit := map[string]string{"MIT.TEST": mitKDC}
	heim := map[string]string{"HEIM.TEST": heimKDC}
	return []walk{
		{name: "samba-password", user: "alice@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, service: rdsName,
			hops: []string{"CORP.EXAMPLE.COM"}, etype: 18},
		{name: "samba-keytab", user: "alice@CORP.EXAMPLE.COM", keytab: "alice.keytab", kdc: corp, service: rdsName,
			hops: []string{"CORP.EXAMPLE.COM"}, etype: 18},
		{name: "samba-rc4", user: "alice@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, service: "mysql/rc4.corp.example.com@CORP.EXAMPLE.COM",
			hops: []string{"CORP.EXAMPLE.COM"}, etype: 23},
		{name: "samba-trust", user: "carol@ONPREM.LOCAL", password: "Carol-Passw0rd1", kdc: both, service: rdsName,
			hops: []string{"ONPREM.LOCAL", "CORP.EXAMPLE.COM"}, etype: 18, expires: true},
		{name: "samba-referral", user: "carol@ONPREM.LOCAL", password: "Carol-Passw0rd1", kdc: both, service: "mysql/db1.corp.example.com",
			hops: []string{"ONPREM.LOCAL", "CORP.EXAMPLE.COM"}, etype: 18, expires: true},
		{name: "samba-unmapped", user: "carol@ONPREM.LOCAL", password: "Carol-Passw0rd1", kdc: both, service: "mysql/mycluster.cluster-abc123.us-east-1.rds.amazonaws.com",
			hops: []string{"ONPREM.LOCAL"}, step: StepTGS, code: 7},
		{name: "samba-unknown-service", user: "alice@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, service: "mysql/nosuch.corp.example.com@CORP.EXAMPLE.COM",
			hops: []string{"CORP.EXAMPLE.COM"}, step: StepTGS, code: 7},
		{name: "samba-unknown-user", user: "nosuch@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepAS, code: 6},
		{name: "samba-disabled", user: "bob.disabled@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepPreauth, code: 18, ntstatus: 0xC0000072},
		{name: "samba-locked", user: "bob.locked@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepPreauth, code: 18},
		{name: "samba-account-expired", user: "bob.acctexpired@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepPreauth, code: 18, ntstatus: 0xC0000193},
		{name: "samba-password-expired", user: "bob.expired@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepPreauth, code: 23, ntstatus: 0xC0000071},
		{name: "samba-must-change", user: "bob.mustchange@CORP.EXAMPLE.COM", password: labPassword, kdc: corp, step: StepPreauth, code: 23, ntstatus: 0xC0000224},
		{name: "samba-realm-case", user: "alice@corp.example.com", password: labPassword, kdc: corp, step: StepPreauth, mismatch: "crealm"},
		{name: "mit-password", user: "alice@MIT.TEST", password: labPassword, kdc: mit, service: "mysql/db.mit.test@MIT.TEST",
			hops: []string{"MIT.TEST"}, etype: 18},
		{name: "mit-disabled", user: "disabled@MIT.TEST", password: labPassword, kdc: mit, step: StepAS, code: 18},
		{name: "mit-expired", user: "expired@MIT.TEST", password: labPassword, kdc: mit, step: StepAS, code: 1},
		{name: "mit-must-change", user: "mustchange@MIT.TEST", password: labPassword, kdc: mit, step: StepAS, code: 23},
		{name: "heimdal-password", user: "alice@HEIM.TEST", password: labPassword, kdc: heim, service: "mysql/db.heim.test@HEIM.TEST",
			hops: []string{"HEIM.TEST"}, etype: 18},
	}
}

func (w walk) secret(t testing.TB, keytabs string) Secret {
	t.Helper()
	if w.keytab != "" {
		return FromKeytab(mustKeytab(t, keytabs+"/"+w.keytab))
	}
	return Password([]byte(w.password))
}

// check walks with the client and compares.
func (w walk) check(t *testing.T, c *Client, s Secret) {
	t.Helper()
	session, err := c.TGT(context.Background(), mustPrincipal(t, w.user), s)
	var ticket *Ticket
	var hops []Hop
	if err == nil {
		defer session.Close()
		if got := !session.Ticket().PasswordExpiry.IsZero(); got != w.expires && w.step == "" {
			t.Errorf("PasswordExpiry = %v", session.Ticket().PasswordExpiry)
		}
		if w.service == "" {
			t.Fatalf("got %s, want an error", session.Ticket())
		}
		ticket, hops, err = session.ServiceTicket(context.Background(), mustPrincipal(t, w.service))
	}
	if len(hops) != len(w.hops) {
		t.Errorf("hops = %+v, want %v", hops, w.hops)
	} else {
		for i, h := range hops {
			if h.Realm != w.hops[i] || !h.Addr.IsValid() || (h.Err == nil) != (h.Got.Name != "") {
				t.Errorf("hop %d = %+v, want %s", i, h, w.hops[i])
			}
		}
	}
	if w.step == "" {
		w.checkTicket(t, ticket, err)
		return
	}
	var step *StepError
	if !errors.As(err, &step) || step.Step != w.step {
		t.Fatalf("error = %v, want one at step %s", err, w.step)
	}
	if w.mismatch != "" {
		var m *MismatchError
		if !errors.As(err, &m) || m.Field != w.mismatch {
			t.Fatalf("error = %v, want a mismatch of %s", err, w.mismatch)
		}
		return
	}
	var krb *kdcwire.KRBError
	if !errors.As(err, &krb) || krb.Code != w.code {
		t.Fatalf("error = %v, want KRB-ERROR %d", err, w.code)
	}
	if status, _ := krb.NTStatus(); status != w.ntstatus {
		t.Errorf("NTSTATUS = %#x, want %#x", status, w.ntstatus)
	}
	if skew := c.Now().Sub(krb.STime).Abs(); skew.Minutes() > 1 {
		t.Errorf("STime = %v, off by %v", krb.STime, skew)
	}
}

func (w walk) checkTicket(t *testing.T, ticket *Ticket, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	want := mustPrincipal(t, w.service)
	if ticket.Server.Name != want.Name || ticket.Client != mustPrincipal(t, w.user) || ticket.EType != w.etype || ticket.KVNO == 0 {
		t.Errorf("got %+v", ticket)
	}
	if _, err := NewInitiator(ticket, true, nil); err != nil {
		t.Error(err)
	}
}

func TestTranscripts(t *testing.T) {
	for _, w := range walks() {
		t.Run(w.name, func(t *testing.T) {
			w.check(t, loadTranscript(t, w.name).client(t), w.secret(t, "testdata"))
		})
	}
}

// The transcript of a wrong password is replayed only: the lab's users are
// shared, and none of them is to be sent one.
func TestWrongPassword(t *testing.T) {
	w := walk{name: "heimdal-wrong-password", user: "alice@HEIM.TEST", password: "not it", step: StepPreauth, code: 24}
	w.check(t, loadTranscript(t, w.name).client(t), w.secret(t, "testdata"))
}
