package agent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

// loginState is what is known of a login from one beat to the next.
type loginState struct {
	login     config.Login // as it was configured when materials was made
	materials func() (login.Material, error)
	turn      int                 // which of the database's addresses is next
	tried     time.Time           // when it last ran and was not held back
	failure   *probe.Result       // the last result, where the secret or the account was refused; nil otherwise
	waits     *ledger.PausedError // why it was not tried at its last turn although nothing was refused; nil where it was
}

// loginTask is the job of one login. It goes to another address of the
// database each time, so that each has a full login in turn.
func (d *daemon) loginTask(s *setup, l config.Login, beat time.Duration) *task {
	db, _ := s.cfg.Database(l.Database)
	p := s.plan.loginProbe(l, db, nil, s.found)
	tells := slices.IndexFunc(s.cfg.Logins, func(o config.Login) bool { return o.Database == l.Database && o.Principal() == l.Principal() }) ==
		slices.IndexFunc(s.cfg.Logins, func(o config.Login) bool { return o.Database == l.Database })
	return &task{key: p.ID().String(), every: beat, limit: min(2*s.cfg.Probes.LoginTimeout(), beat), asks: []probe.Target{{ID: p.ID(), Facts: p.Facts}},
		run: func(ctx context.Context, t *task) { d.logIn(ctx, s, t, l, db, tells) }}
}

// logIn tries one login. Where tells is set, it is by this one that the
// database itself is known.
func (d *daemon) logIn(ctx context.Context, s *setup, t *task, l config.Login, db config.Database, tells bool) {
	st := d.stateOf(s, l)
	if time.Since(st.tried) < t.every/2 {
		return // it was pulled forward when the daemon began, and this is its beat
	}
	account := d.account(l.Principal())
	select {
	case account <- struct{}{}: // one at a time, of this process; the ledger sees to the others
		defer func() { <-account }()
	case <-ctx.Done():
		return
	}
	p := s.plan.loginProbe(l, db, func(ctx context.Context) (database.Server, error) { return d.endpoint(ctx, s, db, st.turn) }, s.found)
	p.Material = st.materials
	p.Account = runAccount{d: d, user: l.Principal(), delayed: func(wait time.Duration) { time.AfterFunc(wait, func() { d.sched.Soon(t.key) }) }}
	p.Handshakes = runHandshakes{d: d, db: db, user: l.Principal(), login: true}
	p.Path = runHandshakes{d: d, db: db, user: l.Principal()}
	if tells {
		p.OnDatabase = func(res probe.Result) { d.put(ctx, res, max(s.cfg.Probes.Interval, deliberate)) }
	}
	began := time.Now()
	res := probe.Safely(ctx, p)
	if res.Reason == probe.ReasonCanceled && ctx.Err() != nil {
		return
	}
	if res.Outcome != probe.Skipped {
		st.tried = began
		st.turn++
	}
	d.loggedIn(ctx, st, res, t.every)
	d.countUnfinished(ctx, s, db)
}

// loggedIn takes in how a login ended.
func (d *daemon) loggedIn(ctx context.Context, st *loginState, res probe.Result, every time.Duration) {
	var busy *ledger.BusyError
	if errors.As(res.Err, &busy) && d.has(res.ID) {
		return // another process is logging in; the next beat is ours
	}
	var paused *ledger.PausedError
	errors.As(res.Err, &paused)
	atDatabase := res.Facts[probe.FactFailedAt] == probe.AtDatabase
	otherPlugin := res.Outcome == probe.Failed && res.Reason == probe.ReasonDBOtherPlugin && atDatabase
	held := res
	d.mu.Lock()
	st.waits = nil
	switch {
	case held.Outcome != probe.Skipped:
		st.failure = nil
		if held.Outcome == probe.Failed && refused(held.Reason) || otherPlugin {
			st.failure = &held
		}
	case paused != nil && paused.Waits():
		st.waits = paused
	case paused != nil:
		res = recall(held, st.failure)
	}
	d.mu.Unlock()
	if st.waits != nil && d.has(res.ID) {
		return // the latest result stands, with its age
	}
	d.put(ctx, res, every)
	switch user := st.login.Principal(); {
	case held.Reason == probe.ReasonPaused && !atDatabase:
		d.metrics.Breaker(user, refused(probe.Reason(paused.Reason)) || paused.Reason == ledger.ReasonUnanswered)
	case held.Outcome != probe.Skipped:
		d.metrics.Breaker(user, refused(held.Reason) && held.Facts[probe.FactFailedAt] == probe.AtPreauth)
	}
	if otherPlugin {
		d.pauseUser(st.login, res)
	}
}

// pauseUser ends a user's logins to a database that asks for a password: each
// would be one failed login more.
func (d *daemon) pauseUser(l config.Login, res probe.Result) {
	s := d.current()
	db, ok := s.cfg.Database(l.Database)
	if !ok {
		return
	}
	g := runHandshakes{d: d, db: db, user: l.Principal()}
	if err := g.PauseUser("the server asked for " + res.Facts[probe.FactPlugin]); err != nil {
		d.o.Log.Error("a user's logins cannot be paused", "database", db.Name, "error", err)
	}
}

// endpoint is the address of a database whose turn it is.
func (d *daemon) endpoint(ctx context.Context, s *setup, db config.Database, turn int) (database.Server, error) {
	addrs, err := s.found.addresses(ctx, s.plan.env.Resolver, db.Host)
	if err != nil {
		return database.Server{}, err
	}
	if usable := s.plan.routable(addrs); len(usable) > 0 {
		addrs = usable
	}
	return database.Server{Address: netip.AddrPortFrom(addrs[turn%len(addrs)], db.Port), TLS: s.tls[db.Name]}, nil
}

// loginIsDue says whether the first login of a database is still to come since
// the daemon began, or since it was configured.
func (d *daemon) loginIsDue(s *setup, db config.Database) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range s.cfg.Logins {
		if l.Database != db.Name {
			continue
		}
		t := d.plan.byKey[login.Probe{User: client.Principal{Name: l.User, Realm: l.Realm}, Database: db.Name}.ID().String()]
		return t != nil && t.state.ran.IsZero()
	}
	return false
}

// countUnfinished shows how many handshakes with a database are held against this host.
func (d *daemon) countUnfinished(ctx context.Context, s *setup, db config.Database) {
	l, err := d.memory.ledger()
	if err != nil {
		return // shown by what it holds back
	}
	addrs, err := s.found.addresses(ctx, s.plan.env.Resolver, db.Host)
	if err != nil {
		return
	}
	sum := 0
	for _, a := range addrs {
		n, err := l.Database(db.Endpoint(), db.MaxConnectErrors).At(netip.AddrPortFrom(a, db.Port).String()).Unfinished()
		if err != nil {
			return
		}
		sum += n
	}
	d.metrics.Unfinished(db.Name, sum)
}

// stateOf gives a login's state, with the secret of this configuration.
func (d *daemon) stateOf(s *setup, l config.Login) *loginState {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := l.Principal() + "@" + l.Database
	st := d.logins[key]
	if st == nil || st.login != l {
		st = &loginState{login: l, materials: s.plan.materials(l)}
		d.logins[key] = st
	}
	return st
}

// account gives the turnstile of a user's logins.
func (d *daemon) account(user string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.accounts[user] == nil {
		d.accounts[user] = make(chan struct{}, 1)
	}
	return d.accounts[user]
}

// startLogins pulls forward the logins that are new, each within one interval
// of the other probes, so that the first round is over soon. The place in it is
// the host's own, as at every beat.
func (d *daemon) startLogins(before *tasks) {
	for _, t := range d.plan.order {
		if before.byKey[t.key] == nil && len(t.asks) > 0 && t.asks[0].ID.Kind == probe.Login {
			h := sha256.Sum256([]byte(d.o.Host + "\x00" + t.key))
			place := time.Duration(binary.BigEndian.Uint64(h[:8]) % uint64(d.setup.cfg.Probes.Interval))
			time.AfterFunc(place, func() { d.sched.Soon(t.key) })
		}
	}
}

// loginNotes says which logins are paused or wait; under d.mu.
func (d *daemon) loginNotes(results []probe.Result) []string {
	var out []string
	for _, r := range results {
		if st := d.logins[r.ID.Target]; r.ID.Kind == probe.Login && st != nil && st.waits != nil {
			out = append(out, fmt.Sprintf("login of %s to %s waits: %v; what is shown is its latest result", r.Facts[probe.FactUser], r.Facts[probe.FactDatabase], st.waits))
			continue
		}
		if at := r.Facts[probe.FactRefusedAt]; r.ID.Kind == probe.Login && at != "" {
			out = append(out, fmt.Sprintf("login of %s to %s is paused: %s", r.Facts[probe.FactUser], r.Facts[probe.FactDatabase], text(r.Err)))
		}
		if r.ID.Kind == probe.Login && r.Outcome == probe.Skipped {
			out = append(out, fmt.Sprintf("login of %s to %s is held back: %s", r.Facts[probe.FactUser], r.Facts[probe.FactDatabase], text(r.Err)))
		}
	}
	return out
}
