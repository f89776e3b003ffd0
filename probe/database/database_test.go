package database_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// refuseAll is an acceptor to which nobody comes: a deliberate probe has no ticket.
type refuseAll struct{}

func (refuseAll) Accept([]byte) (string, []byte, error) { return "", nil, errors.New("no ticket") }

// guardLog is a Guard that keeps what it is told.
type guardLog struct {
	begun, unfinished int
	paused            string
	held              error
}

func (g *guardLog) Begin(netip.AddrPort) (database.Handshake, error) {
	if g.held != nil {
		return nil, g.held
	}
	g.begun++
	return g, nil
}

func (g *guardLog) End(finished, loggedIn bool) error {
	if !finished {
		g.unfinished++
	}
	if loggedIn {
		panic("a deliberate failure has logged in")
	}
	return nil
}

func (g *guardLog) PauseUser(why string) error {
	g.paused = why
	return nil
}

func newServer(t *testing.T) *mysqltest.Server {
	t.Helper()
	s, err := mysqltest.New(mysqltest.Config{Names: []string{"db.corp.example.com"}, SPN: "mysql/db.corp.example.com@CORP.EXAMPLE.COM",
		Realm: "CORP.EXAMPLE.COM", Acceptor: refuseAll{},
		Users: map[string]mysqltest.User{"alice": {}, "passwd": {Plugin: mysqltest.NativePassword, Password: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newProbe(s *mysqltest.Server, g *guardLog, user string, known bool) database.Probe {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.CA())
	return database.Probe{Host: "db.corp.example.com", User: user, Known: known, Dialer: &net.Dialer{}, Timeout: 2 * time.Second, Guard: g,
		Server: database.Server{Address: s.Addr(), TLS: &tls.Config{RootCAs: roots, ServerName: "db.corp.example.com"}}}
}

func TestProbe(t *testing.T) {
	tests := []struct {
		name       string
		user       string
		known      bool
		faults     mysqltest.Faults
		outcome    probe.Outcome
		reason     probe.Reason
		facts      probe.Facts
		unfinished int
	}{
		{name: "Kerberos user", user: "alice", known: true, outcome: probe.OK, facts: probe.Facts{
			probe.FactSPN: "mysql/db.corp.example.com@CORP.EXAMPLE.COM", probe.FactSPNRealm: "CORP.EXAMPLE.COM", probe.FactPlugin: "authentication_kerberos_client", probe.FactTLSVersion: "TLS 1.3"}},
		{name: "invented user", user: "kerbagent-probe", outcome: probe.OK},
		{name: "configured user without an account", user: "bob", known: true, outcome: probe.Failed, reason: probe.ReasonDBOtherPlugin},
		{name: "configured user with a password", user: "passwd", known: true, outcome: probe.Failed, reason: probe.ReasonDBOtherPlugin},
		{name: "refused", user: "alice", faults: mysqltest.Faults{Refuse: true}, outcome: probe.Failed, reason: probe.ReasonRefused},
		{name: "silent", user: "alice", faults: mysqltest.Faults{Silent: true}, outcome: probe.Failed, reason: probe.ReasonTCPSilent, unfinished: 1},
		{name: "not MySQL", user: "alice", faults: mysqltest.Faults{Banner: "SSH-2.0-OpenSSH_9.6\r\n"}, outcome: probe.Failed, reason: probe.ReasonDBNotMySQL, unfinished: 1},
		{name: "MySQL 5.1", user: "alice", faults: mysqltest.Faults{Old: true}, outcome: probe.Failed, reason: probe.ReasonDBTooOld, facts: probe.Facts{probe.FactVersion: "5.1.73-log"}},
		{name: "blocked", user: "alice", faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129}}, outcome: probe.Failed, reason: probe.ReasonDBBlocked, facts: probe.Facts{probe.FactErrNumber: "1129"}},
		{name: "no account for this host", user: "alice", faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1130}}, outcome: probe.Failed, reason: probe.ReasonDBHostDenied},
		{name: "full", user: "alice", faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1040}}, outcome: probe.Failed, reason: probe.ReasonDBTooMany},
		{name: "no TLS", user: "alice", faults: mysqltest.Faults{NoTLS: true}, outcome: probe.Failed, reason: probe.ReasonDBTLSMissing},
		{name: "unknown CA", user: "alice", faults: mysqltest.Faults{Certificate: mysqltest.OtherCA}, outcome: probe.Failed, reason: probe.ReasonDBTLSUntrusted, facts: probe.Facts{probe.FactTLSProblem: "ca"}},
		{name: "other name", user: "alice", faults: mysqltest.Faults{Certificate: mysqltest.WrongName}, outcome: probe.Failed, reason: probe.ReasonDBTLSUntrusted, facts: probe.Facts{probe.FactTLSProblem: "name"}},
		{name: "out of date", user: "alice", faults: mysqltest.Faults{Certificate: mysqltest.Expired}, outcome: probe.Failed, reason: probe.ReasonDBTLSUntrusted, facts: probe.Facts{probe.FactTLSProblem: "date"}},
		{name: "plugin missing", user: "alice", faults: mysqltest.Faults{PluginMissing: true}, outcome: probe.Failed, reason: probe.ReasonDBPluginMissing},
		{name: "announcement that cannot be read", user: "alice", faults: mysqltest.Faults{SwitchData: []byte{0xff, 0xff, 'x'}}, outcome: probe.Failed, reason: probe.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, g := newServer(t), &guardLog{}
			if err := s.SetFaults(tt.faults); err != nil {
				t.Fatal(err)
			}
			p := newProbe(s, g, tt.user, tt.known)
			if tt.unfinished > 0 {
				p.Timeout = 200 * time.Millisecond
			}
			res := p.Run(t.Context())
			if res.Outcome != tt.outcome || res.Reason != tt.reason {
				t.Fatalf("%s (%s) %v, want %s (%s)", res.Outcome, res.Reason, res.Err, tt.outcome, tt.reason)
			}
			for k, want := range tt.facts {
				if res.Facts[k] != want {
					t.Errorf("%s = %q, want %q", k, res.Facts[k], want)
				}
			}
			if g.begun != 1 || g.unfinished != tt.unfinished {
				t.Errorf("begun %d, unfinished %d; want 1, %d", g.begun, g.unfinished, tt.unfinished)
			}
			if got, want := g.paused != "", tt.reason == probe.ReasonDBOtherPlugin; got != want {
				t.Errorf("the user's probe is paused: %v (%s), want %v", got, g.paused, want)
			}
			if !tt.faults.Refuse && tt.unfinished == 0 {
				s.Wait(1)
				if stats := s.Stats(); stats.Unfinished != 0 {
					t.Errorf("the server counts an unfinished connection: %+v", stats)
				}
			}
		})
	}
}

func TestHeldBackIsNotDialled(t *testing.T) {
	s, g := newServer(t), &guardLog{held: &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("paused")}}
	res := newProbe(s, g, "alice", true).Run(context.Background())
	if res.Outcome != probe.Skipped || res.Reason != probe.ReasonPaused || s.Stats().Connections != 0 {
		t.Errorf("%s (%s), %d connections", res.Outcome, res.Reason, s.Stats().Connections)
	}
}
