// Package login logs a Kerberos user in to a database, once, as an application
// would, and records every stage: AS with password, keytab or an existing
// ticket; the database's greeting, TLS and auth switch beside it; TGS for the
// service principal that the server announced, over referrals; the token, the
// server's proof, and SELECT CURRENT_USER(), which asks for the server's time as well.
//
// A password or keytab is tried at most once, and only after an Account has
// recorded the attempt. Where none may be made, the database's stages still run
// and are ended well. It must not import config or anything above probe.
package login

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// The stages after those of probe/database and of the client's walk.
const (
	StageToken = "db-token" // until the server has said OK or ERR
	StageQuery = "query"
)

// Probe is one login of one user to one database.
type Probe struct {
	User      client.Principal
	Database  string // its name in the configuration
	Instance  string // the instance of its cluster that is logged in to; empty: the one that its endpoint leads to
	Host      string // the database's host, for the ID of the database's own result
	HomeRealm string // the directory that the database is joined to
	Endpoint  func(context.Context) (database.Server, error)
	Material  func() (Material, error)
	Locator   client.Locator
	AllowSPN  func(client.Principal) bool
	// ServiceRealm returns the realm of a service that the database announces
	// without one; nil: the user's.
	ServiceRealm func(host string) string
	SPNHosts     kerberos.Hosts // the hosts that the announced service may have
	// Services remembers what the database announces; nil: no ticket is asked for ahead of the
	// announcement. Way is the realms that the configuration leads through from the user's to the database's,
	// without the user's own.
	Services Services
	Way      []string
	Dialer   probe.Dialer
	Timeout  time.Duration // how long each half may take: until TGT and switch are there, and from then on
	Now      func() time.Time
	Facts    probe.Facts
	Account  Account
	// AllowRC4 and Salted are the client's: which proofs of a password are made.
	AllowRC4, Salted bool
	Handshakes       database.Guard // the guard of the logins' handshakes
	// Trail says how the login's servers were found; nil where they are as configured.
	Trail func(Heard) Trail
	// TimeSync is the client's, whether the KDC's time is taken; nil: it is, as by libkrb5's default.
	TimeSync func() bool
	// UDPLimit returns the client's; nil where requests go over TCP alone. SameHost is the client's.
	UDPLimit func() int
	// ETypes returns the client's Permitted; nil where all are.
	ETypes   func() []int32
	SameHost func(a, b netip.AddrPort) bool
	// Path is the guard of handshakes that are no login, for when the login
	// cannot be tried; OnDatabase gets the result of the database's stages, as
	// soon as there is one. It may be nil.
	Path       database.Guard
	OnDatabase func(probe.Result)
	// OnTicket gets the ticket that the login got, for others to use; nil where it got
	// none. It may be nil.
	OnTicket func(*client.Shared)
	// OnInstances gets what a database that let the user in says of its cluster. nil:
	// it is not asked. IsInstance decides whether a name that it says may be an instance's;
	// nil: there is no cluster to ask for.
	OnInstances func(probe.Topology)
	IsInstance  func(id string) bool
}

// ID is login and user@REALM@database, and the instance.
func (p Probe) ID() probe.ID {
	return probe.ID{Kind: probe.Login, Target: p.User.String() + "@" + p.Database, Variant: p.Instance}
}

// attempt is one run.
type attempt struct {
	p      Probe
	rec    *probe.Recorder
	shake  database.Handshake
	dialer probe.Dialer  // to the database
	tgt    chan struct{} // closed when session or tgtErr is there
	mat    Material

	session  *client.Session
	tgtErr   error
	known    bool             // guess was announced before
	guess    client.Principal // the service that a ticket is asked for ahead; zero for none
	service  client.Principal // the announced one, once there is a ticket for it
	lastKDC  netip.AddrPort
	kdcs     map[string]netip.AddrPort // who answered last, by realm
	datagram netip.AddrPort            // who answered over UDP
	told     map[netip.AddrPort]bool   // KDCs that failed at once: they cost a program nothing
	passed   []string                  // addresses of the database that did not connect, in words
	passedAt []netip.AddrPort
	waited   time.Duration
	again    bool           // the database is asked a second time, with the ticket in hand
	largest  map[string]int // of the replies of a realm's KDCs, in bytes
}

// failure is how a run ends: the first of the two halves to be told.
type failure struct {
	at     string
	stage  string // of the database's conversation, beyond those that are recorded as they begin; may be empty
	reason probe.Reason
	err    error
	late   bool  // the server ended the connection while it waited for the ticket
	held   error // why another address was not tried, where a program would have: nobody knows how the login would have ended
}

// Run tries once. A login that only kerbagent's own knowledge made possible has failed:
// no program gets as far.
func (p Probe) Run(ctx context.Context) probe.Result {
	a := &attempt{p: p, rec: probe.Begin(p.ID(), p.Now), tgt: make(chan struct{}), told: map[netip.AddrPort]bool{}, kdcs: map[string]netip.AddrPort{}, largest: map[string]int{}}
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
	t := p.Trail(Heard{Realms: realms, KDCs: a.kdcs, Datagram: a.datagram,
		Told: func(kdc netip.AddrPort) bool { return a.told[kdc] }, Largest: a.largest})
	t.withoutTCP(realms, a.largest)
	if passed := append(a.passed, t.Passed...); len(passed) > 0 {
		res.Facts[probe.FactPassed] = strings.Join(passed, "; ")
	}
	if written := t.written(realms); written != "" {
		res.Facts[probe.FactFileKDCs] = written
	}
	var routes []string
	for _, r := range t.Routes {
		routes = append(routes, r.String())
	}
	if len(routes) > 0 {
		res.Facts[probe.FactRoute] = strings.Join(routes, "; ")
	}
	var at []string
	for _, s := range append(a.passedAt, t.At...) {
		at = append(at, s.String())
	}
	if len(at) > 0 {
		res.Facts[probe.FactPassedAt] = strings.Join(at, " ")
	}
	if t.Wait += a.waited; t.Wait > 0 {
		res.Samples[probe.SampleProgramWait] = t.Wait.Seconds()
	}
	if t.Lack != nil && t.comesFirst(p.User.Realm, res) {
		res.Outcome, res.Reason, res.Err = probe.Failed, cmp.Or(t.LackOf, probe.WhyUnresolved(t.Lack)), t.Lack
		res.Facts[probe.FactFailedAt], res.Facts[probe.FactFailedRealm] = t.LackAt, t.LackRealm
		delete(res.Facts, probe.FactKRBCode)
		if t.ForNow[t.LackRealm] && t.LackHost == "" {
			res.Facts[probe.FactForNow] = "true"
		}
		if t.LackHost != "" {
			res.Facts[probe.FactLacksHost] = t.LackHost
		}
		if t.LackRealm == "" {
			res.Facts[probe.FactFailedAt] = probe.AtDatabase
		}
	}
	return res
}

func (a *attempt) run(ctx context.Context) probe.Result {
	p := a.p
	var err error
	a.mat, err = p.Material()
	a.p.Facts = a.mat.Handed.in(p.Facts) // also for the database's part
	a.rec.Facts(a.p.Facts)
	if err != nil {
		if held := (*probe.HeldBack)(nil); errors.As(err, &held) {
			return a.rec.Held(err)
		}
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
	a.lookAhead(ctx)
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
	a.endSession()
	var held *probe.HeldBack
	switch {
	case errors.As(a.tgtErr, &held): // between Paused and Begin another process was faster
		return a.rec.Held(a.tgtErr)
	case errors.Is(a.tgtErr, client.ErrWeakKey): // nothing was proved, and programs may: neither good nor bad
		return a.notProved(probe.ReasonWeakKey)
	case errors.Is(a.tgtErr, client.ErrRC4):
		return a.notProved(probe.ReasonRC4Only)
	case a.tgtErr != nil:
		return a.failTicket(a.tgtErr)
	case f == nil:
		return a.rec.OK()
	case f.at == probe.AtTGS:
		return a.failTicket(f.err)
	}
	a.rec.Fact(probe.FactFailedAt, f.at)
	a.rec.Fact(probe.FactDBStage, f.stage)
	if f.held != nil {
		return a.rec.Held(f.held)
	}
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
