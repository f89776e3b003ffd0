// Package check runs a plan once: it plans, runs what is new, learns, and plans
// again, until nothing is new. There are no rounds that wait for each other, and
// logins start at once: a check takes as many round trips as its longest login.
package check

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/locate"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/secrets"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Env is the world that a check is run in.
type Env struct {
	Dialer   probe.Dialer
	Now      func() time.Time
	Resolver []netip.AddrPort // this host's DNS servers
	// HostClock says whether something keeps this host's clock; nil: it is not known.
	HostClock func() string
	// Root is the directory whose files say how programs resolve names and find
	// KDCs; empty for this host's own.
	Root string
	// Ledger is the record of attempts; where it could not be opened, LedgerErr
	// says why, and nothing that needs a record is asked.
	Ledger    *ledger.Ledger
	LedgerErr error
	// Prompted returns the password of a login whose secret is asked for on the
	// terminal; nil where no login needs it.
	Prompted func(config.Login) ([]byte, error)
	// Krb5 is the krb5.conf that logins go by, as an application's library reads it; nil
	// for this host's, as MIT's reads it.
	Krb5 *reader.Reading
	// Material returns the secret of a login; nil for what the configuration names.
	Material func(config.Login) (login.Material, error)
	// Instances: the users log in at each instance of their databases' clusters too.
	Instances bool
	// Only has the rungs that are asked; empty for all.
	Only []probe.Kind
	// Progress hears of every probe; nil for nobody. Its methods are called
	// from several goroutines and must be quick.
	Progress Progress
}

// Progress shows how far a check is.
type Progress interface {
	Started(probe.ID)
	Finished(probe.ID)
}

// Run asks every question at every address once, side by side, and returns what
// each one saw in the ladder's order. It ends when all have ended, or soon after
// ctx does.
func Run(ctx context.Context, cfg *config.Config, env Env) []probe.Result {
	r := newRun(cfg, env)
	r.plan(ctx)
	r.wg.Wait()
	r.confirm(ctx)
	r.tellClusters(ctx)
	slices.SortStableFunc(r.results, func(a, b probe.Result) int { return probe.Compare(&a, &b) })
	return r.results
}

// Explain returns the meaning of a check's results, with the limits of its
// configuration.
func Explain(cfg *config.Config, results []probe.Result, now time.Time) diagnose.Report {
	return diagnose.Explain(diagnose.Snapshot{Results: results, Now: now,
		Limits: diagnose.Limits{PasswordExpiry: cfg.Warn.PasswordExpiry, CertificateExpiry: cfg.Warn.CertificateExpiry}})
}

// run is one check.
type run struct {
	env     Env
	cfg     *config.Config
	finder  *discover.Finder
	planner *plan.Planner
	memory  discover.Memory
	store   *secrets.Store
	wg      sync.WaitGroup
	single  bool // one login is made, and nothing else asked

	mu       sync.Mutex
	planning bool            // somebody plans
	news     bool            // what is known has grown since that began
	started  map[string]bool // jobs and searches, by key
	results  []probe.Result
	harmless map[probe.ID]plan.Job          // questions that may be asked again
	turns    map[string]*sync.Mutex         // a lock per user@REALM: one login at a time
	ended    map[config.Login]chan struct{} // closed when the login by the database's endpoint has ended
}

func newRun(cfg *config.Config, env Env) *run {
	r := &run{env: env, cfg: cfg, finder: discover.New(cfg, env.Dialer, env.Resolver, false), started: map[string]bool{}, harmless: map[probe.ID]plan.Job{},
		turns: map[string]*sync.Mutex{}, ended: map[config.Login]chan struct{}{}}
	for _, l := range cfg.Logins {
		r.ended[l] = make(chan struct{})
	}
	store := &secrets.Store{Prompted: env.Prompted}
	r.store = store
	host := locate.Host{Root: env.Root, Dialer: env.Dialer, Resolver: env.Resolver, Krb5: env.Krb5}
	r.finder.Else = host.Addresses
	routable := remembered(discover.Routable(env.Dialer))
	w := plan.World{Programs: host.Programs(cfg, r.finder, routable), Dialer: env.Dialer, Now: env.Now, HostClock: env.HostClock,
		Routable: routable, Names: r.finder,
		Guard: guard.New(guard.Opened(env.Ledger, env.LedgerErr), guard.Options{Now: env.Now}), Material: store.Material}
	if env.Material != nil {
		w.Material = env.Material
	}
	if env.Krb5 != nil {
		w.ServiceRealm = func(host string) string { return env.Krb5.HostRealm(host).Realm }
	}
	if env.Instances {
		w.Tickets = store
	}
	if cfg.Krb5Conf != nil {
		w.Krb5Conf = krb5file.Probe{Config: cfg, Now: env.Now}
	}
	r.planner = plan.New(cfg, w)
	return r
}

// remembered asks once about each address: a check plans after each search, and no way comes or goes meanwhile.
func remembered(routable func(netip.Addr) bool) func(netip.Addr) bool {
	var mu sync.Mutex
	known := map[netip.Addr]bool{}
	return func(a netip.Addr) bool {
		mu.Lock()
		defer mu.Unlock()
		is, asked := known[a]
		if !asked {
			is = routable(a)
			known[a] = is
		}
		return is
	}
}

// search looks something up, and plans anew with what it has found.
func (r *run) search(ctx context.Context, s discover.Search) {
	servers, err := r.finder.Find(ctx, s)
	r.memory.Learn(s, servers, err, r.finder.Most(s))
	r.plan(ctx)
}

// plan starts what was not planned, or looked up, before. While somebody plans, others
// leave word that more is known: a plan for each search of hundreds of realms would cost minutes.
func (r *run) plan(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.news = true
	if r.planning {
		return
	}
	r.planning = true
	for r.news {
		r.news = false
		r.mu.Unlock()
		r.start(ctx)
		r.mu.Lock()
	}
	r.planning = false
}

// start plans once. One goroutine at a time calls it.
func (r *run) start(ctx context.Context) {
	known := r.memory.Known(r.env.Resolver)
	for _, s := range known.Searches(r.cfg) {
		if r.first(s.Key()) {
			r.wg.Go(func() { r.search(ctx, s) })
		}
	}
	for _, j := range r.fresh(r.planner.Jobs(known)) {
		r.wg.Go(func() { r.do(ctx, j) })
	}
}

// tellClusters adds what is known of the databases' clusters in the end.
func (r *run) tellClusters(ctx context.Context) {
	for _, j := range r.planner.Jobs(r.memory.Known(r.env.Resolver)) {
		if j.AsksNobody() {
			r.do(ctx, j)
		}
	}
}

// first reports whether something is to be done that was not begun yet.
func (r *run) first(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.started[key]
	r.started[key] = true
	return !was
}

// fresh returns the jobs that were not started yet, and takes note that they are.
func (r *run) fresh(jobs []plan.Job) []plan.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(jobs, func(j plan.Job) bool {
		was := r.started[j.Key]
		r.started[j.Key] = true
		told := j.First && j.After != "" && r.asks(probe.Login) // the login asks the same there
		return was || told || !r.asks(j.Targets[0].ID.Kind) || j.AsksNobody()
	})
}

// do runs one job. A panic costs this job alone.
func (r *run) do(ctx context.Context, j plan.Job) {
	defer func() {
		if v := recover(); v != nil {
			rec := probe.Begin(j.Targets[0].ID, r.env.Now)
			rec.Facts(j.Targets[0].Facts)
			r.add(rec.Fail(probe.ReasonInternal, fmt.Errorf("a job panicked: %v\n%s", v, debug.Stack())))
		}
	}()
	switch p := j.Probes[0].(type) {
	case login.Probe:
		defer r.before(ctx, j)()
		j.Probes = []probe.Probe{r.heard(ctx, j, p)}
	case krb5file.Probe:
		p.Issues = r.addAll
		j.Probes = []probe.Probe{p}
	}
	r.keepHarmless(j)
	asked := map[probe.ID]bool{}
	begins := func(id probe.ID) {
		asked[id] = true
		if r.env.Progress != nil {
			r.env.Progress.Started(id)
		}
	}
	tell := func(res probe.Result) {
		r.add(guard.Recall(whole(ctx, res), nil))
		if r.env.Progress != nil && asked[res.ID] {
			r.env.Progress.Finished(res.ID)
		}
	}
	j.Ask(ctx, r.env.Now, nil, begins, func(res probe.Result) {
		if p, is := r.fetchedAgain(ctx, j, res); is {
			res = probe.Safely(ctx, p)
		}
		tell(res)
	})
}

// turn returns the lock that an account's logins take one after another.
func (r *run) turn(user string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.turns[user] == nil {
		r.turns[user] = &sync.Mutex{}
	}
	return r.turns[user]
}

// whole returns a result as it is, or that it was cut short: a probe that fails
// when its check has been ended under it has seen nothing. A file needs no time.
func whole(ctx context.Context, res probe.Result) probe.Result {
	if ctx.Err() != nil && res.Outcome == probe.Failed && res.ID.Kind != probe.Krb5Conf {
		res.Outcome, res.Reason, res.Err = probe.Skipped, probe.ReasonCanceled, fmt.Errorf("not finished: %w", context.Cause(ctx))
	}
	return res
}

// asks says whether a rung is asked.
func (r *run) asks(k probe.Kind) bool { return len(r.env.Only) == 0 || slices.Contains(r.env.Only, k) }

func (r *run) add(res probe.Result) { r.addAll([]probe.Result{res}) }

func (r *run) addAll(all []probe.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, res := range all {
		if r.asks(res.ID.Kind) { // a login tells of its database as well
			r.results = append(r.results, res)
		}
	}
}
