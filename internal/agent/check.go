// Package agent turns configuration into probes and runs them. It is the only
// code that knows both: what is probed, with which secrets, guarded by which
// records. Check is the whole ladder once.
package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// Check climbs the whole ladder once: every question at every address, side by
// side, and returns what each one saw in the ladder's order. It ends when all
// have ended, or soon after ctx does.
func Check(ctx context.Context, cfg *config.Config, env Env) ([]probe.Result, error) {
	r := &round{cfg: cfg, env: env, plan: planner{cfg: cfg, env: env}, found: newDiscovery(cfg, env.Dialer, env.Resolver)}
	for _, realm := range cfg.Realms {
		r.wg.Go(func() { r.realm(ctx, realm) })
	}
	for _, db := range cfg.Databases {
		r.wg.Go(func() { r.database(ctx, db, tlsConfig(db)) })
	}
	if cfg.Krb5Conf != nil {
		r.krb5Conf(ctx)
	}
	r.wg.Wait()
	slices.SortStableFunc(r.results, func(a, b probe.Result) int { return probe.Compare(&a, &b) })
	return r.results, nil
}

// Explain gives the meaning of a round's results, with the limits of its configuration.
func Explain(cfg *config.Config, results []probe.Result, now time.Time) diagnose.Report {
	return diagnose.Explain(diagnose.Snapshot{Results: results, Now: now,
		Limits: diagnose.Limits{PasswordExpiry: cfg.Warn.PasswordExpiry, CertificateExpiry: cfg.Warn.CertificateExpiry}})
}

// round is one run of the ladder.
type round struct {
	cfg   *config.Config
	env   Env
	plan  planner
	found *discovery
	wg    sync.WaitGroup

	mu      sync.Mutex
	results []probe.Result
	turns   map[string]*sync.Mutex // by user@REALM: one login at a time
}

// realm asks about one realm: its DNS at once, its servers as they are found.
func (r *round) realm(ctx context.Context, realm config.Realm) {
	r.put(ctx, r.plan.aboutDNS(realm)...)
	r.wg.Go(func() {
		servers, err := r.found.kdcsOf(ctx, realm.Name)
		if ctx.Err() != nil {
			servers, err = nil, ctx.Err() // half of an answer names other servers than the whole
		}
		r.put(ctx, r.plan.aboutKDCs(realm, servers, err)...)
	})
	r.wg.Go(func() {
		servers, _ := r.found.kpasswdOf(ctx, realm.Name) // that there is none, the DNS probes say
		if ctx.Err() != nil {
			r.put(ctx, question{r.plan.lack(probe.Kpasswd, realm.Domain(), realmFacts(realm), ctx.Err())})
			return
		}
		r.put(ctx, r.plan.aboutKpasswd(realm, servers)...)
	})
}

// database asks one database at each of its addresses, the first one by way of
// the logins.
func (r *round) database(ctx context.Context, db config.Database, tlsConfig *tls.Config) {
	r.put(ctx, r.plan.aboutEndpoint(db)...)
	endpoint := r.endpoint(db, tlsConfig)
	logins := 0
	for _, l := range r.cfg.Logins {
		if l.Database != db.Name {
			continue
		}
		p := r.plan.loginProbe(l, db, endpoint, r.found)
		if logins == 0 { // one connection is enough to tell of the database
			p.OnDatabase = func(res probe.Result) { r.add(whole(ctx, res)) }
		}
		logins++
		r.wg.Go(func() {
			turn := r.turn(l.Principal())
			turn.Lock() // the record has room for one attempt of an account at a time
			defer turn.Unlock()
			r.ask(ctx, p)
		})
	}
	at, err := r.found.endpoint(ctx, db)
	if err != nil {
		r.put(ctx, question{r.plan.lack(probe.Database, db.Host, databaseFacts(db), err)})
		return
	}
	r.put(ctx, r.plan.aboutLimits(probe.Database, db.Host, databaseFacts(db), at)...)
	addrs := r.plan.routable(at[0].addrs)
	for _, addr := range addrs[min(logins, 1, len(addrs)):] { // the login covers the first
		r.put(ctx, question{r.plan.databaseProbe(db, netip.AddrPortFrom(addr, db.Port), tlsConfig)})
	}
}

// turn returns the lock that an account's logins take one after another.
func (r *round) turn(user string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turns == nil {
		r.turns = map[string]*sync.Mutex{}
	}
	if r.turns[user] == nil {
		r.turns[user] = &sync.Mutex{}
	}
	return r.turns[user]
}

// endpoint is where a database's logins go: the first of its addresses.
func (r *round) endpoint(db config.Database, tlsConfig *tls.Config) func(context.Context) (database.Server, error) {
	return func(ctx context.Context) (database.Server, error) {
		addrs, err := r.found.addresses(ctx, r.env.Resolver, db.Host)
		if err != nil {
			return database.Server{}, err
		}
		return database.Server{Address: netip.AddrPortFrom(addrs[0], db.Port), TLS: tlsConfig}, nil
	}
}

// put asks questions side by side.
func (r *round) put(ctx context.Context, questions ...question) {
	for _, q := range questions {
		r.wg.Go(func() { q.ask(r.env.Now, func(p probe.Probe) probe.Result { return r.ask(ctx, p) }, r.add) })
	}
}

// ask runs one probe and keeps its result.
func (r *round) ask(ctx context.Context, p probe.Probe) probe.Result {
	if r.env.Progress != nil {
		r.env.Progress.Started(p.ID())
	}
	res := recall(whole(ctx, askAgain(ctx, p, r.cfg.Probes.Timeout)), nil)
	r.add(res)
	if r.env.Progress != nil {
		r.env.Progress.Finished(res.ID)
	}
	return res
}

// whole returns a result as it is, or that it was cut short: a probe that fails
// when its round has been ended under it has seen nothing.
func whole(ctx context.Context, res probe.Result) probe.Result {
	if ctx.Err() != nil && res.Outcome == probe.Failed {
		res.Outcome, res.Reason, res.Err = probe.Skipped, probe.ReasonCanceled, fmt.Errorf("not finished: %w", context.Cause(ctx))
	}
	return res
}

func (r *round) add(res probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, res)
}
