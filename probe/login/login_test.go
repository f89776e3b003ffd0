package login_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

const (
	realmName = "CORP.EXAMPLE.COM"
	spn       = "mysql/db.corp.example.com"
	password  = "Right-Password-1"
)

// rig is one realm with one KDC, one database, and guards that remember.
type rig struct {
	t       *testing.T
	realm   *krb5test.Realm
	kdc     *krb5test.KDC
	faults  *krb5test.Faults
	db      *mysqltest.Server
	account accountLog
	shakes  shakeLog
	results []probe.Result // of the database's stages
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOf(t, krb5test.Samba)
}

func newRigOf(t *testing.T, dialect krb5test.Dialect) *rig {
	t.Helper()
	r := &rig{t: t, realm: krb5test.NewRealm(realmName, krb5test.Options{Dialect: dialect}), faults: krb5test.NewFaults(krb5test.Script{})}
	r.realm.AddUser("alice", password)
	r.realm.AddService(spn)
	var err error
	if r.kdc, err = r.realm.ServeKDC("127.0.0.1:0", r.faults); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.kdc.Close() })
	r.db, err = mysqltest.New(mysqltest.Config{Names: []string{"db.corp.example.com"}, SPN: spn + "@" + realmName, Realm: realmName,
		Users: map[string]mysqltest.User{"alice": {}, "passwd": {Plugin: mysqltest.NativePassword, Password: "x"}}, Acceptor: r.realm.Acceptor(spn)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	return r
}

func (r *rig) probe(user, pw string) login.Probe {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(r.db.CA())
	server := database.Server{Address: r.db.Addr(), TLS: &tls.Config{RootCAs: roots, ServerName: "db.corp.example.com"}}
	return login.Probe{
		User: client.Principal{Name: user, Realm: realmName}, Database: "db", Host: "db.corp.example.com", HomeRealm: realmName,
		Endpoint: func(context.Context) (database.Server, error) { return server, nil },
		Material: func() (login.Material, error) {
			return login.Material{Kind: "password", Secret: client.Password([]byte(pw)), Identity: []byte(pw)}, nil
		},
		Locator: locator{r.kdc.Addr()}, AllowSPN: kerberos.AllowIn(realmName), Dialer: &net.Dialer{}, Timeout: 2 * time.Second,
		Account: &r.account, Handshakes: &r.shakes, Path: &r.shakes,
		OnDatabase: func(res probe.Result) { r.results = append(r.results, res) },
	}
}

type locator struct{ addr netip.AddrPort }

func (l locator) KDCs(context.Context, string) ([]netip.AddrPort, error) {
	return []netip.AddrPort{l.addr}, nil
}

// accountLog is an Account that keeps what it is told.
type accountLog struct {
	mu       sync.Mutex
	paused   error
	noRecord error
	ends     []string
	attempts int
	unheard  bool // a KDC answered over UDP alone
	unproven bool // the secret was not accepted so far
	most     int  // attempts that are allowed; 0: any number
}

func (a *accountLog) Paused([]byte) error { return a.paused }

func (a *accountLog) Proven([]byte) bool { return !a.unproven }

func (a *accountLog) Unheard() { a.unheard = true }

func (a *accountLog) Careful() bool { return a.unheard }

func (a *accountLog) Begin([]byte) (login.Attempt, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.noRecord != nil {
		return nil, a.noRecord
	}
	if a.most > 0 && a.attempts == a.most {
		return nil, &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("too many without an answer")}
	}
	a.attempts++
	return a, nil
}

func (a *accountLog) end(how string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ends = append(a.ends, how)
	return nil
}

func (a *accountLog) Accepted() error        { return a.end("accepted") }
func (a *accountLog) Refused(r string) error { return a.end("refused: " + r) }
func (a *accountLog) Unanswered() error      { return a.end("unanswered") }
func (a *accountLog) Withdrawn() error       { return a.end("withdrawn") }

// shakeLog is a Guard that keeps what it is told.
type shakeLog struct {
	begun, unfinished, loggedIn int
	most                        int // handshakes that may begin; 0: any number
	held                        error
	heldAt                      map[netip.AddrPort]error
}

func (s *shakeLog) Begin(at netip.AddrPort) (database.Handshake, error) {
	if err := s.heldAt[at]; err != nil {
		return nil, err
	}
	if s.held != nil {
		return nil, s.held
	}
	if s.most > 0 && s.begun == s.most {
		return nil, &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("too many unfinished")}
	}
	s.begun++
	return s, nil
}

func (s *shakeLog) PauseUser(string) error { return nil }

func (s *shakeLog) End(finished, loggedIn bool) error {
	if !finished {
		s.unfinished++
	}
	if loggedIn {
		s.loggedIn++
	}
	return nil
}

func TestLogin(t *testing.T) {
	r := newRig(t)
	res := r.probe("alice", password).Run(t.Context())
	if res.Outcome != probe.OK || res.Facts[probe.FactCurrentUser] != "alice@%" || res.Facts[probe.FactProven] != "true" {
		t.Fatalf("%s (%s) %v, %v", res.Outcome, res.Reason, res.Err, res.Facts)
	}
	if r.account.attempts != 1 || r.account.ends[0] != "accepted" || r.shakes.loggedIn != 1 || r.shakes.unfinished != 0 {
		t.Errorf("attempts %d %v, handshakes %+v", r.account.attempts, r.account.ends, r.shakes)
	}
	if len(r.results) != 1 || r.results[0].Outcome != probe.OK || r.results[0].ID.Kind != probe.Database {
		t.Errorf("results of the database's stages: %+v", r.results)
	}
}

// However a login ends, the account has had at most one try, its record says
// how that ended, and the database has counted nothing against this host.
func TestEveryEndIsHarmless(t *testing.T) {
	tests := []struct {
		name     string
		user     string
		password string
		kdc      krb5test.Script
		db       mysqltest.Faults
		prepare  func(*rig)
		noSync   bool // krb5.conf says kdc_timesync = 0
		reason   probe.Reason
		at       string
		tries    int
		end      string // of the attempt's record
	}{
		{name: "wrong password", password: "wrong", reason: probe.ReasonKRBPreauthFailed, at: probe.AtPreauth, tries: 1, end: "refused: krb-preauth-failed"},
		{name: "locked account", prepare: func(r *rig) { r.realm.Change("alice", krb5test.Locked) }, reason: probe.ReasonKRBRevoked, at: probe.AtPreauth, tries: 1, end: "refused: krb-revoked"},
		{name: "no such user", user: "bob", reason: probe.ReasonKRBClientUnknown, at: probe.AtAS},
		{name: "the answer to the one try is lost", kdc: krb5test.Script{SwallowReply: true}, reason: probe.ReasonTCPSilent, at: probe.AtPreauth, tries: 1, end: "unanswered"},
		{name: "hung KDC", kdc: krb5test.Script{SilentTCP: true, SilentUDP: true}, reason: probe.ReasonTCPSilent, at: probe.AtAS},
		{name: "clock", kdc: krb5test.Script{ClockOffset: time.Hour}, noSync: true, reason: probe.ReasonKRBSkew, at: probe.AtPreauth, tries: 1, end: "withdrawn"},
		{name: "unknown service", prepare: func(r *rig) { r.realm.Remove(spn) }, reason: probe.ReasonKRBServerUnknown, at: probe.AtTGS, tries: 1, end: "accepted"},
		{name: "password account", user: "passwd", prepare: func(r *rig) { r.realm.AddUser("passwd", password) }, reason: probe.ReasonDBOtherPlugin, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "another service announced", db: mysqltest.Faults{SPN: "ldap/dc1.corp.example.com@" + realmName}, reason: probe.ReasonDBSPNUnexpected, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "another realm announced", db: mysqltest.Faults{Realm: "OTHER.TEST"}, reason: probe.ReasonDBRealmMismatch, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "untrusted certificate", db: mysqltest.Faults{Certificate: mysqltest.OtherCA}, reason: probe.ReasonDBTLSUntrusted, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "no TLS", db: mysqltest.Faults{NoTLS: true}, reason: probe.ReasonDBTLSMissing, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "ticket rejected", db: mysqltest.Faults{RejectToken: true}, reason: probe.ReasonDBTicketRejected, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "denied after the proof", db: mysqltest.Faults{DenyAfterProof: &mysql.ServerError{Number: 1045, State: "28000", Message: "denied"}}, reason: probe.ReasonDBAccessDenied, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "proof that does not verify", db: mysqltest.Faults{BadProof: true}, reason: probe.ReasonDBUnproven, at: probe.AtDatabase, tries: 1, end: "accepted"},
		{name: "blocked host", db: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129, Message: "blocked"}}, reason: probe.ReasonDBBlocked, at: probe.AtDatabase, tries: 1, end: "accepted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if tt.prepare != nil {
				tt.prepare(r)
			}
			r.faults.Set(tt.kdc)
			if err := r.db.SetFaults(tt.db); err != nil {
				t.Fatal(err)
			}
			user, pw := tt.user, tt.password
			if user == "" {
				user = "alice"
			}
			if pw == "" {
				pw = password
			}
			p := r.probe(user, pw)
			p.TimeSync = func() bool { return !tt.noSync }
			if tt.reason == probe.ReasonTCPSilent {
				p.Timeout = 300 * time.Millisecond
			}
			res := p.Run(t.Context())
			if res.Outcome != probe.Failed || res.Reason != tt.reason || res.Facts[probe.FactFailedAt] != tt.at {
				t.Fatalf("%s %s at %q: %v; want %s at %s", res.Outcome, res.Reason, res.Facts[probe.FactFailedAt], res.Err, tt.reason, tt.at)
			}
			if got := r.kdc.Requests().Preauth[user]; got != tt.tries || r.account.attempts != tt.tries {
				t.Errorf("the KDC saw %d tries, %d were recorded, want %d", got, r.account.attempts, tt.tries)
			}
			if tt.end != "" && (len(r.account.ends) != 1 || r.account.ends[0] != tt.end) {
				t.Errorf("the record ended as %q, want %q", r.account.ends, tt.end)
			}
			r.db.Wait(r.db.Stats().Connections)
			if s := r.db.Stats(); s.Unfinished != 0 || r.shakes.unfinished != 0 {
				t.Errorf("the database counts %d unfinished, we %d", s.Unfinished, r.shakes.unfinished)
			}
		})
	}
}

// The proof follows the first answer over UDP on a connection that has only been made. Where
// nothing is answered there, that is one attempt without an answer; from then on the
// first question goes over TCP, and no further attempt is lost.
func TestAKDCThatAnswersOverUDPAlone(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{SilentTCP: true})
	for i, at := range []string{probe.AtPreauth, probe.AtAS, probe.AtAS} {
		p := r.probe("alice", password)
		p.Timeout = 300 * time.Millisecond
		res := p.Run(t.Context())
		if res.Reason != probe.ReasonTCPSilent || res.Facts[probe.FactFailedAt] != at {
			t.Errorf("login %d: %s at %q, want it at %s: %v", i+1, res.Reason, res.Facts[probe.FactFailedAt], at, res.Err)
		}
	}
	if !slices.Equal(r.account.ends, []string{"unanswered"}) {
		t.Errorf("attempts: %v", r.account.ends)
	}
	r.faults.Set(krb5test.Script{})
	if res := r.probe("alice", password).Run(t.Context()); res.Outcome != probe.OK {
		t.Error(res.Reason, res.Err)
	}
}

// Where no attempt may be made, none is, and the database is asked all the same.
func TestHeldBack(t *testing.T) {
	held := &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("paused since then")}
	for name, prepare := range map[string]func(*rig){
		"before":     func(r *rig) { r.account.paused = held },
		"in between": func(r *rig) { r.account.noRecord = held },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			prepare(r)
			res := r.probe("alice", password).Run(t.Context())
			if res.Outcome != probe.Skipped || res.Reason != probe.ReasonPaused {
				t.Errorf("%s (%s), want skipped (paused)", res.Outcome, res.Reason)
			}
			if n := r.kdc.Requests().Preauth["alice"]; n != 0 {
				t.Errorf("the KDC saw %d tries", n)
			}
			if len(r.results) != 1 || r.results[0].Outcome != probe.OK {
				t.Errorf("the database was not asked: %+v", r.results)
			}
			if s := r.db.Stats(); s.Unfinished != 0 {
				t.Errorf("the database counts %d unfinished", s.Unfinished)
			}
		})
	}
}

// A paused database holds the login back before the account is touched.
func TestPausedDatabase(t *testing.T) {
	r := newRig(t)
	r.shakes.held = &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("too many unfinished")}
	res := r.probe("alice", password).Run(t.Context())
	if res.Outcome != probe.Skipped || r.account.attempts != 0 || r.db.Stats().Connections != 0 {
		t.Errorf("%s, %d attempts, %d connections", res.Outcome, r.account.attempts, r.db.Stats().Connections)
	}
}

// A handshake that a silent server leaves unfinished is counted as one.
func TestUnfinishedIsCounted(t *testing.T) {
	r := newRig(t)
	if err := r.db.SetFaults(mysqltest.Faults{Silent: true}); err != nil {
		t.Fatal(err)
	}
	p := r.probe("alice", password)
	p.Timeout = 200 * time.Millisecond
	res := p.Run(t.Context())
	if res.Reason != probe.ReasonTCPSilent || r.shakes.unfinished != 1 {
		t.Errorf("%s, %d unfinished, want tcp-silent and 1", res.Reason, r.shakes.unfinished)
	}
}

// Canceling ends a run at once, and what it had begun is ended well.
func TestCancel(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{SilentTCP: true})
	ctx, cancel := context.WithCancel(t.Context())
	p := r.probe("alice", password)
	p.Timeout = time.Minute
	onDatabase := p.OnDatabase
	p.OnDatabase = func(res probe.Result) { // the switch is there, the ticket is not
		onDatabase(res)
		cancel()
	}
	res := p.Run(ctx)
	if res.Outcome != probe.Failed || res.Reason != probe.ReasonCanceled {
		t.Errorf("%s (%s) %v", res.Outcome, res.Reason, res.Err)
	}
	r.db.Wait(1)
	if s := r.db.Stats(); s.Unfinished != 0 {
		t.Errorf("the database counts %d unfinished", s.Unfinished)
	}
}

// Programs go to the next address of a database where one does not connect, and
// so does the login; the handshake is one all the same.
func TestTheNextAddressIsTried(t *testing.T) {
	r := newRig(t)
	p := r.probe("alice", password)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := dead.Addr().(*net.TCPAddr).AddrPort()
	dead.Close()
	server, _ := p.Endpoint(t.Context())
	server.Address, server.Others = nobody, []netip.AddrPort{server.Address}
	p.Endpoint = func(context.Context) (database.Server, error) { return server, nil }
	lack := errors.New("no program finds this")
	for _, trail := range []login.Trail{{Wait: time.Second, Passed: []string{"a name server"}}, {Lack: lack, LackRealm: realmName, LackAt: probe.AtAS}} {
		p.Trail = func(login.Heard) login.Trail { return trail }
		res := p.Run(t.Context())
		if trail.Lack != nil {
			if res.Outcome != probe.Failed || !errors.Is(res.Err, lack) || res.Facts[probe.FactFailedRealm] != realmName {
				t.Errorf("a login that no program can do: %s %v %v", res.Outcome, res.Err, res.Facts)
			}
			continue
		}
		if res.Outcome != probe.OK {
			t.Fatal(res.Err)
		}
		if passed := res.Facts[probe.FactPassed]; !strings.Contains(passed, nobody.String()) || !strings.Contains(passed, "a name server") {
			t.Errorf("passed over: %q", passed)
		}
		if res.Samples[probe.SampleProgramWait] != 1 {
			t.Errorf("a program waits %v s", res.Samples[probe.SampleProgramWait])
		}
		if len(r.results) != 1 || r.results[0].ID.Address != nobody {
			t.Errorf("results of the database: %v", r.results)
		}
	}
}

// An address that the guard holds back is passed over; where no other one is left,
// nobody knows how a program's login ends there: it was not tried, for the guard's
// reason. It was a failure without an explanation.
func TestAnAddressThatIsHeldBackIsNoFailure(t *testing.T) {
	r := newRig(t)
	p := r.probe("alice", password)
	server, _ := p.Endpoint(t.Context())
	var nobody []netip.AddrPort
	for range 2 {
		dead, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nobody = append(nobody, dead.Addr().(*net.TCPAddr).AddrPort())
		dead.Close()
	}
	db := server.Address
	paused := &probe.HeldBack{Reason: probe.ReasonPaused, Err: errors.New("too many unfinished handshakes")}
	for _, c := range []struct {
		others  []netip.AddrPort
		held    netip.AddrPort
		outcome probe.Outcome
		reason  probe.Reason
	}{
		{[]netip.AddrPort{db}, db, probe.Skipped, probe.ReasonPaused},
		{[]netip.AddrPort{db, nobody[1]}, db, probe.Skipped, probe.ReasonPaused},
		{[]netip.AddrPort{nobody[1], db}, nobody[1], probe.OK, ""},
	} {
		r.shakes = shakeLog{heldAt: map[netip.AddrPort]error{c.held: paused}}
		server.Address, server.Others = nobody[0], c.others
		p.Endpoint = func(context.Context) (database.Server, error) { return server, nil }
		res := p.Run(t.Context())
		if res.Outcome != c.outcome || res.Reason != c.reason || c.outcome != probe.OK && res.Facts[probe.FactFailedAt] != probe.AtDatabase || r.shakes.unfinished > r.shakes.begun {
			t.Errorf("%v, %v held: %s %s %v", c.others, c.held, res.Outcome, res.Reason, res.Err)
		}
	}
}

// both is a realm's KDCs, the first of which does not answer a proof.
type both []netip.AddrPort

func (b both) KDCs(context.Context, string) ([]netip.AddrPort, error) { return b, nil }

// A second KDC gets a proof of the secret only where the directory has accepted that
// secret before, and the record allows another attempt: else the account could be
// locked by a wrong one and lost answers.
func TestASecondKDCOnlyForAProvenSecret(t *testing.T) {
	for name, c := range map[string]struct {
		unproven bool
		most     int
		proofs   int // that the second KDC gets
		ends     string
	}{
		"proven":                         {false, 0, 1, "unanswered accepted"},
		"not proven":                     {true, 0, 0, "unanswered"},
		"proven, and no attempt is left": {false, 1, 0, "unanswered"},
	} {
		r := newRig(t)
		r.faults.Set(krb5test.Script{SwallowReply: true})
		second, err := r.realm.ServeKDC("127.0.0.1:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer second.Close()
		r.account = accountLog{unproven: c.unproven, most: c.most}
		p := r.probe("alice", password)
		p.Timeout, p.Locator = 500*time.Millisecond, both{r.kdc.Addr(), second.Addr()}
		p.Trail = func(login.Heard) login.Trail { return login.Trail{} }
		res := p.Run(t.Context())
		first, other := r.kdc.Requests().Preauth["alice"], second.Requests().Preauth["alice"]
		if first != 1 || other != c.proofs || strings.Join(r.account.ends, " ") != c.ends && !strings.HasPrefix(strings.Join(r.account.ends, " "), c.ends) || (res.Outcome == probe.OK) != (c.proofs == 1) {
			t.Errorf("%s: %d and %d proofs, %s, %s %v", name, first, other, r.account.ends, res.Outcome, res.Err)
		}
	}
}

// Where programs know KDCs for datagrams alone, they end at the first reply that fits none:
// one with a PAC. A KDC without PACs serves them all the same.
func TestALongReplyNeedsAKDCForTCP(t *testing.T) {
	none := errors.New("no records for TCP")
	for dialect, fails := range map[krb5test.Dialect]bool{krb5test.Samba: true, krb5test.MIT: false} {
		r := newRigOf(t, dialect)
		p := r.probe("alice", password)
		p.Trail = func(login.Heard) login.Trail {
			return login.Trail{NoTCP: map[string]error{realmName: none}}
		}
		if res := p.Run(t.Context()); (res.Outcome == probe.Failed) != fails || errors.Is(res.Err, none) != fails {
			t.Errorf("%v: %s %v", dialect, res.Outcome, res.Err)
		}
	}
}

// slowly reads late from one address.
type slowly struct {
	to  netip.AddrPort
	one time.Duration
}

func (s slowly) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || address != s.to.String() {
		return conn, err
	}
	return lateConn{conn, s.one}, nil
}

type lateConn struct {
	net.Conn
	by time.Duration
}

func (c lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		<-time.After(c.by)
	}
	return n, err
}

// A program waits for each answer of a database anew; a silent one costs a login two timeouts, not five.
func TestASlowDatabaseIsWaitedForAsProgramsDo(t *testing.T) {
	r := newRig(t)
	p := r.probe("alice", password)
	p.Timeout, p.Dialer = 700*time.Millisecond, slowly{r.db.Addr(), 250 * time.Millisecond}
	if res := p.Run(t.Context()); res.Outcome != probe.Failed {
		t.Error("a login to what is configured has one timeout")
	}
	p.Trail = func(login.Heard) login.Trail { return login.Trail{} }
	if res := p.Run(t.Context()); res.Outcome != probe.OK {
		t.Errorf("%s: %v", res.Reason, res.Err)
	}
	setFaults(t, r, mysqltest.Faults{Silent: true})
	p.Dialer = &net.Dialer{}
	if res := p.Run(t.Context()); res.Outcome != probe.Failed || res.Duration > 4*p.Timeout { // and a second for a goodbye
		t.Errorf("%s after %s: %v", res.Reason, res.Duration, res.Err)
	}
}
