// Package login logs a Kerberos user in to a database, once, as an application
// would, and records every stage: AS with password, keytab or an existing
// ticket; the database's greeting, TLS and auth switch beside it; TGS for the
// service principal that the server announced, over referrals; the token, the
// server's proof, and SELECT CURRENT_USER().
//
// A password or keytab is tried at most once, and only after an Account has
// recorded the attempt. Where none may be made, the database's stages still run
// and are ended well. It must not import config or anything above probe.
package login

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// The stages after those of probe/database and of the client's walk.
const (
	StageToken = "db-token" // until the server has said OK or ERR
	StageQuery = "query"
)

// Account keeps account of attempts that could lock an account.
type Account interface {
	// Paused reports whether Begin would be refused now.
	Paused(secret []byte) error
	// Begin records an attempt before it is sent. An error, best a
	// *probe.HeldBack, means that it must not be sent.
	Begin(secret []byte) (Attempt, error)
}

// Attempt is one that was recorded. Its first end counts.
type Attempt interface {
	Accepted() error
	Refused(reason string) error // the secret or the account is refused: not again
	Unanswered() error
	Withdrawn() error // never sent, or answered in a way that is no word on the secret
}

// Material is what a user proves itself with: a Secret, or a TGT from a cache.
type Material struct {
	Kind     string        // password, keytab or ccache
	Secret   client.Secret // nil where there is a TGT
	Identity []byte        // what an Account knows the secret by
	TGT      *client.Ticket
	KVNO     string // of a keytab's newest key
}

// MaterialError is a secret that cannot be used. Problem says in a word why.
type MaterialError struct {
	Problem string
	Err     error
}

// Error is the whole of what is wrong.
func (e *MaterialError) Error() string { return e.Err.Error() }

// Unwrap returns the error of reading the secret.
func (e *MaterialError) Unwrap() error { return e.Err }

// Probe is one login of one user to one database.
type Probe struct {
	User      client.Principal
	Database  string // its name in the configuration
	Host      string // of the database, for the ID of its own result
	HomeRealm string // the directory that the database is joined to
	Endpoint  func(context.Context) (database.Server, error)
	Material  func() (Material, error)
	Locator   client.Locator
	AllowSPN  func(client.Principal) bool
	SPNHosts  kerberos.Hosts // of which hosts the announced service may be
	Dialer    probe.Dialer
	Timeout   time.Duration // of each half: until TGT and switch are there, and from then on
	Now       func() time.Time
	Facts     probe.Facts
	Account   Account
	// AllowRC4 and Salted are the client's: which proofs of a password are made.
	AllowRC4, Salted bool
	Handshakes       database.Guard // of logins
	// Trail says how the login's servers were found; nil where they are as configured.
	Trail func(realms []string, kdc netip.AddrPort) Trail
	// Path is the guard of handshakes that are no login, for when the login
	// cannot be tried; OnDatabase gets the result of the database's stages, as
	// soon as there is one. It may be nil.
	Path       database.Guard
	OnDatabase func(probe.Result)
}

// Trail is how a program on this host finds the servers that a login went to.
type Trail struct {
	Wait      time.Duration // that a program spends on what it passes over
	Passed    []string      // what that is, in words
	Lack      error         // a program does not find a server that the login found otherwise
	LackRealm string        // whose KDCs those are; empty: the database
}

// ID is login and user@REALM@database.
func (p Probe) ID() probe.ID {
	return probe.ID{Kind: probe.Login, Target: p.User.String() + "@" + p.Database}
}

// attempt is one run.
type attempt struct {
	p     Probe
	rec   *probe.Recorder
	shake database.Handshake
	tgt   chan struct{} // closed when session or tgtErr is there
	mat   Material

	session *client.Session
	tgtErr  error
	lastKDC netip.AddrPort
	passed  []string // addresses of the database that did not connect
	waited  time.Duration
}

// failure is how a run ends: the first of the two halves to be told.
type failure struct {
	at     string
	reason probe.Reason
	err    error
}

// Run tries once. A login that only kerbagent's own knowledge made possible has failed:
// no program gets as far.
func (p Probe) Run(ctx context.Context) probe.Result {
	a := &attempt{p: p, rec: probe.Begin(p.ID(), p.Now), tgt: make(chan struct{})}
	res := a.run(ctx)
	if p.Trail == nil || res.Outcome == probe.Skipped {
		return res
	}
	realms := []string{p.User.Realm}
	for _, r := range res.Facts.List(probe.FactHops) {
		if !slices.Contains(realms, r) {
			realms = append(realms, r)
		}
	}
	t := p.Trail(realms, a.lastKDC)
	passed := append(a.passed, t.Passed...)
	if len(passed) > 0 {
		res.Facts[probe.FactPassed] = strings.Join(passed, "; ")
	}
	if t.Wait += a.waited; t.Wait > 0 {
		res.Samples[probe.SampleProgramWait] = t.Wait.Seconds()
	}
	if t.Lack != nil && res.Outcome == probe.OK {
		res.Outcome, res.Reason, res.Err = probe.Failed, probe.ReasonUnresolvable, t.Lack
		res.Facts[probe.FactFailedAt], res.Facts[probe.FactFailedRealm] = probe.AtAS, t.LackRealm
		if t.LackRealm == "" {
			res.Facts[probe.FactFailedAt] = probe.AtDatabase
		}
	}
	return res
}

func (a *attempt) run(ctx context.Context) probe.Result {
	p := a.p
	a.rec.Facts(p.Facts)
	var err error
	if a.mat, err = p.Material(); err != nil {
		a.rec.Fact(probe.FactSecretType, a.mat.Kind)
		var unusable *MaterialError
		if errors.As(err, &unusable) {
			a.rec.Fact(probe.FactSecretProblem, unusable.Problem)
		}
		a.walkPath(ctx)
		return a.rec.Fail(probe.ReasonSecretMalformed, err)
	}
	a.rec.Fact(probe.FactSecretType, a.mat.Kind)
	a.rec.Fact(probe.FactSecretKVNO, a.mat.KVNO)
	if a.mat.Secret != nil {
		if err := p.Account.Paused(a.mat.Identity); err != nil {
			a.walkPath(ctx)
			return a.rec.Held(err)
		}
	}
	server, unresolved := p.Endpoint(ctx)
	if unresolved == nil {
		a.shake, err = p.Handshakes.Begin(server.Address)
	}
	if err != nil { // before anything is tried: an attempt that leads nowhere is a waste of the account's patience
		a.rec.Fact(probe.FactFailedAt, probe.AtDatabase)
		return a.rec.Held(err)
	}
	go a.getTGT(ctx)
	f := a.logIn(ctx, server, unresolved)
	<-a.tgt
	if a.session != nil {
		a.session.Close()
	}
	var held *probe.HeldBack
	switch {
	case errors.As(a.tgtErr, &held): // between Paused and Begin another process was faster
		return a.rec.Held(a.tgtErr)
	case errors.Is(a.tgtErr, client.ErrWeakKey): // nothing was proved, and programs may: neither good nor bad
		return a.rec.Skip(probe.ReasonWeakKey, a.tgtErr)
	case errors.Is(a.tgtErr, client.ErrRC4):
		return a.rec.Skip(probe.ReasonRC4Only, a.tgtErr)
	case a.tgtErr != nil:
		return a.failTicket(a.tgtErr)
	case f == nil:
		return a.rec.OK()
	case f.at == probe.AtTGS:
		return a.failTicket(f.err)
	}
	a.rec.Fact(probe.FactFailedAt, f.at)
	database.RecordServerError(a.rec, f.err)
	return a.rec.Fail(f.reason, f.err)
}

// walkPath asks the database how it would log the user in, without a login.
func (a *attempt) walkPath(ctx context.Context) {
	server, err := a.p.Endpoint(ctx)
	if err != nil || a.p.OnDatabase == nil {
		return // the plan reports a name without an address
	}
	a.p.OnDatabase(database.Probe{Host: a.p.Host, Server: server, User: a.p.User.Name, Known: true, Dialer: a.p.Dialer,
		Timeout: a.p.Timeout, Now: a.p.Now, Facts: a.p.Facts, Guard: a.p.Path}.Run(ctx))
}

// logIn is the database's half. nil means logged in, and asked who.
func (a *attempt) logIn(ctx context.Context, server database.Server, unresolved error) *failure {
	if unresolved != nil {
		return &failure{probe.AtDatabase, probe.ReasonUnresolvable, unresolved}
	}
	finished, loggedIn := false, false
	defer func() { a.shake.End(finished, loggedIn) }() // a record that cannot be ended stays, and counts

	first, cancel := probe.Limit(ctx, a.p.Timeout)
	defer cancel()
	if len(server.Others) > 0 {
		server.Patience = connectPatience
	}
	conn, sw, done, err := a.open(first, server)
	for i, next := range server.Others {
		if !connectFailed(err) || first.Err() != nil {
			break // one handshake a login
		}
		a.pass(server, err)
		a.shake.End(done, false)
		server.Address = next
		if i == len(server.Others)-1 {
			server.Patience = 0
		}
		if a.shake, err = a.p.Handshakes.Begin(next); err != nil {
			a.shake = ended{}
			return &failure{probe.AtDatabase, probe.ReasonNotAsked, err}
		}
		conn, sw, done, err = a.open(first, server)
	}
	finished = done
	if err != nil {
		return &failure{probe.AtDatabase, database.WhyFailed(err), err}
	}
	auth := kerberos.NewAuthenticator(kerberos.Options{User: a.p.User, Session: a.waitTGT, AllowSPN: a.p.AllowSPN, Now: a.p.Now,
		AllowHost: func(host string) error {
			unusual, err := a.p.SPNHosts.Check(host, conn.Certificate())
			if unusual {
				a.rec.Fact(probe.FactSPNUnusual, "true")
			}
			return err
		}})
	switched := time.Now()
	token, err := auth.Start(ctx, sw.Plugin, sw.Data)
	slow := time.Since(switched) >= patience
	a.recordTicket(auth)
	if err != nil {
		f := a.noTicket(ctx, auth, err)
		finished = database.Leave(ctx, a.rec, conn, sw)
		return f
	}
	second, cancel := probe.Limit(ctx, a.p.Timeout)
	defer cancel()
	if f := a.authenticate(second, conn, auth, token); f != nil {
		if f.reason == probe.ReasonDBCut && slow && !auth.Proven {
			f.reason = probe.ReasonDBAuthTimeout
		}
		finished = conn.Finished()
		if !finished {
			finished = database.Leave(ctx, a.rec, conn, nil)
		}
		conn.Close()
		return f
	}
	finished, loggedIn = true, true
	err = a.rec.Stage(StageQuery, func() error {
		name, err := conn.Query(second, "SELECT CURRENT_USER()")
		a.rec.Fact(probe.FactCurrentUser, name)
		return err
	})
	conn.Quit(second) // logged in: however the goodbye goes, nothing counts
	if err != nil {
		a.rec.Fact(probe.FactDBStage, StageQuery)
		return &failure{probe.AtDatabase, cutOr(database.ReasonOf(err)), err}
	}
	return nil
}

// patience is how long a ticket must have taken for the end of the connection to be
// the server's connect_timeout, which is two seconds at the least (MySQL) and ten by
// default. A server that restarts or is cut off ends it at any moment.
const patience = 500 * time.Millisecond

// cutOr: a conversation that had begun and was ended by the server's side was cut.
func cutOr(r probe.Reason) probe.Reason {
	if r == probe.ReasonClosed {
		return probe.ReasonDBCut
	}
	return r
}

// kernelGivesUp is how long a program without a limit of its own waits for an
// address that does not answer: Linux sends a SYN seven times (tcp_syn_retries, tcp(7)).
const kernelGivesUp = 127 * time.Second

// pass takes note of an address of the database that did not connect.
func (a *attempt) pass(server database.Server, err error) {
	a.passed = append(a.passed, fmt.Sprintf("database %s: %v", server.Address, err))
	if database.WhyFailed(err) == probe.ReasonConnectTimeout && !server.Turned {
		a.waited += kernelGivesUp
	}
}

// ended is the handshake that was not begun.
type ended struct{}

func (ended) End(bool, bool) error { return nil }

// connectFailed says that a server was not reached at all: a program then goes to the next address.
func connectFailed(err error) bool {
	var f *database.Failure
	return errors.As(err, &f) && f.Stage == database.StageConnect
}

// connectPatience is how long one address has to connect while there are others: a
// program would wait until the kernel gives up.
const connectPatience = 2 * time.Second

// open runs the database's stages and reports them as a result of their own.
func (a *attempt) open(ctx context.Context, server database.Server) (*mysql.Conn, *mysql.Switch, bool, error) {
	id := database.Probe{Host: a.p.Host, Server: server}.ID()
	rec := probe.Begin(id, a.p.Now)
	rec.Facts(a.p.Facts)
	conn, sw, finished, err := database.Open(ctx, rec, a.p.Dialer, server, a.p.User.Name)
	database.RecordServerError(rec, err)
	var res probe.Result
	if err != nil {
		res = rec.Fail(database.WhyFailed(err), err)
	} else {
		if announced, err := kerberos.ParseSwitch(sw.Plugin, sw.Data); err != nil {
			res = rec.Fail(database.ReasonOf(err), err)
		} else {
			rec.Fact(probe.FactSPN, announced.Raw)
			rec.Fact(probe.FactSPNRealm, announced.UserRealm)
			res = rec.OK()
		}
	}
	a.rec.Adopt(res)
	if a.p.OnDatabase != nil && len(a.passed) == 0 { // the others are asked by probes of their own
		a.p.OnDatabase(res)
	}
	return conn, sw, finished, err
}

// authenticate sends the token and sees to it that the server says OK.
func (a *attempt) authenticate(ctx context.Context, conn *mysql.Conn, auth *kerberos.Authenticator, token []byte) *failure {
	err := a.rec.Stage(StageToken, func() error {
		for {
			r, err := conn.Answer(ctx, token)
			if err != nil {
				return err
			}
			switch r.Kind {
			case mysql.OK:
				return nil
			case mysql.Another:
				return fmt.Errorf("%w: %q", mysql.ErrSecondSwitch, r.Switch.Plugin)
			}
			if token, err = auth.Next(ctx, r.Data); err != nil {
				return err
			}
		}
	})
	a.rec.Fact(probe.FactProven, fmt.Sprint(auth.Proven))
	if err == nil {
		return nil
	}
	a.rec.Fact(probe.FactDBStage, StageToken)
	return &failure{probe.AtDatabase, tokenReason(err, auth.Proven), err}
}

// tokenReason reports what an end in the middle of the authentication means: it
// depends on whether the server had proved itself by then.
func tokenReason(err error, proven bool) probe.Reason {
	r := cutOr(database.ReasonOf(err))
	switch {
	case errors.Is(err, client.ErrUnproven):
		return probe.ReasonDBUnproven
	case r == probe.ReasonDBError && proven:
		return probe.ReasonDBAccessDenied
	case r == probe.ReasonDBError && mentionsName(err):
		return probe.ReasonDBAccessDenied
	case r == probe.ReasonDBError:
		return probe.ReasonDBTicketRejected
	}
	return r
}

// mentionsName: MariaDB compares names after it has accepted the ticket, and
// says so in its own 1045, which comes before any AP-REP when no proof was due.
func mentionsName(err error) bool {
	var server *mysql.ServerError
	return errors.As(err, &server) && server.Number == 1045 && strings.Contains(server.Message, "GSSAPI name mismatch")
}

func (a *attempt) recordTicket(auth *kerberos.Authenticator) {
	a.rec.Fact(probe.FactSPN, auth.Announcement.Raw)
	a.rec.Fact(probe.FactSPNRealm, auth.Announcement.UserRealm)
	if t := auth.Ticket; t != nil {
		a.rec.Fact(probe.FactTicketType, fmt.Sprint(t.EType))
		a.rec.Fact(probe.FactTicketKVNO, fmt.Sprint(t.KVNO))
		a.rec.Sample(probe.SampleTicketEnd, float64(t.EndTime.Unix()))
	}
	var realms []string
	for _, h := range auth.Hops {
		realms = append(realms, h.Realm)
	}
	a.rec.Fact(probe.FactHops, strings.Join(realms, " "))
}
