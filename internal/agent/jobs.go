package agent

import (
	"context"
	"crypto/tls"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/keeper"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
	"github.com/kerbagent/kerbagent/probe/login"
)

// setup is what the jobs are made from: one configuration, in the world as it
// was when that was loaded.
type setup struct {
	cfg    *config.Config
	tls    map[string]*tls.Config // by database
	beats  []time.Duration        // of cfg.Logins
	notes  []string
	plan   planner
	found  *discovery
	keeper *keeper.Keeper
}

// newSetup reads what the configuration refers to. Its error is of the
// configuration.
func newSetup(cfg *config.Config, env Env, perHour int) (*setup, error) {
	s := &setup{cfg: cfg, tls: map[string]*tls.Config{}}
	for _, db := range cfg.Databases {
		s.tls[db.Name] = tlsConfig(db)
	}
	s.beats, s.notes = loginBeats(cfg.Logins, perHour)
	s.resolveWith(env)
	return s, nil
}

// resolveWith lets the setup live in env, whose DNS servers may have changed.
func (s *setup) resolveWith(env Env) {
	s.plan = planner{cfg: s.cfg, env: env}
	s.found = newDiscovery(s.cfg, env.Dialer, env.Resolver)
	s.found.ages = true
}

// task is one job with what is known of it.
type task struct {
	key   string
	every time.Duration
	limit time.Duration // of one run
	about []string      // realms and databases: when something changes there, the job is pulled forward
	asks  []probe.Target
	run   func(context.Context, *task)
	state *taskState
}

// taskState outlives a plan.
type taskState struct {
	since time.Time // when it was first planned
	ran   time.Time // when it last ended; zero: never
}

// tasks is a plan: every job, and what they ask.
type tasks struct {
	byKey map[string]*task
	asked map[probe.ID]*task
	gone  map[probe.ID]bool // DNS has let go of the address: a failure there is nobody's trouble
	order []*task
}

func newTasks() *tasks {
	return &tasks{byKey: map[string]*task{}, asked: map[probe.ID]*task{}, gone: map[probe.ID]bool{}}
}

// add puts a task in, but for one whose questions are asked already.
func (p *tasks) add(t *task) {
	if p.byKey[t.key] != nil {
		return
	}
	p.byKey[t.key] = t
	p.order = append(p.order, t)
	for _, target := range t.asks {
		if p.asked[target.ID] == nil {
			p.asked[target.ID] = t
		}
	}
}

func (p *tasks) jobs(d *daemon) []schedule.Job {
	var out []schedule.Job
	for _, t := range p.order {
		out = append(out, schedule.Job{Key: t.key, Interval: t.every, Timeout: min(t.limit, t.every), Run: func(ctx context.Context) {
			defer d.ended(t)
			t.run(ctx, t)
		}})
	}
	return out
}

func (p *tasks) targets() []probe.Target {
	var out []probe.Target
	for _, t := range p.order {
		out = append(out, t.asks...)
	}
	return out
}

// tasks plans all that check asks, at the addresses that are known now. It
// asks nobody.
func (d *daemon) tasks(s *setup) *tasks {
	p := newTasks()
	p.add(d.hostTask(s))
	for _, r := range s.cfg.Realms {
		p.add(d.realmNames(s, r))
		d.questions(p, s, s.plan.aboutDNS(r))
		k := d.known("kdc " + r.Name)
		lost, gone := k.formers()
		if k.asked {
			d.questions(p, s, notAmong(s.plan.aboutKDCs(r, k.servers, k.err), lost))
		}
		d.questions(p, s, without[lacking](s.plan.aboutKDCs(r, lost, nil)))
		d.letGo(p, s, without[lacking](s.plan.aboutKDCs(r, gone, nil)))
		k = d.known("kpasswd " + r.Name)
		lost, gone = k.formers()
		d.questions(p, s, s.plan.aboutKpasswd(r, slices.Concat(k.servers, lost)))
		d.letGo(p, s, s.plan.aboutKpasswd(r, gone))
	}
	for _, db := range s.cfg.Databases {
		p.add(d.databaseNames(s, db))
		d.questions(p, s, s.plan.aboutEndpoint(db))
		k := d.known("database " + db.Name)
		lost, gone := k.formers()
		if k.asked && len(k.servers) == 0 {
			d.questions(p, s, []question{{s.plan.lack(probe.Database, db.Host, databaseFacts(db), k.err)}})
		}
		d.questions(p, s, s.plan.aboutLimits(probe.Database, db.Host, databaseFacts(db), k.servers))
		d.questions(p, s, d.atAddresses(s, db, slices.Concat(k.servers, lost)))
		d.letGo(p, s, d.atAddresses(s, db, gone))
	}
	for i, l := range s.cfg.Logins {
		p.add(d.loginTask(s, l, s.beats[i]))
	}
	if s.cfg.Krb5Conf != nil {
		p.add(d.krb5Task(s))
	}
	return p
}

// atAddresses asks a database at each address, without a login.
func (d *daemon) atAddresses(s *setup, db config.Database, servers []server) []question {
	var out []question
	for _, at := range spots(servers) {
		for _, addr := range s.plan.routable([]netip.Addr{at.addr}) {
			p := s.plan.databaseProbe(db, netip.AddrPortFrom(addr, db.Port), s.tls[db.Name])
			p.Guard = runHandshakes{d: d, db: db, user: p.Guard.(guard).user}
			out = append(out, question{p})
		}
	}
	return out
}

// letGo plans questions at addresses that DNS has let go of.
func (d *daemon) letGo(p *tasks, s *setup, questions []question) {
	for _, q := range questions {
		for _, one := range q {
			if p.asked[one.ID()] == nil {
				p.gone[one.ID()] = true
			}
		}
	}
	d.questions(p, s, questions)
}

// questions plans a job for each question.
func (d *daemon) questions(p *tasks, s *setup, questions []question) {
	for _, q := range questions {
		t := &task{key: q[0].ID().String(), every: s.cfg.Probes.Interval, limit: time.Duration(len(q))*s.cfg.Probes.Timeout + time.Second}
		for _, one := range q {
			t.asks = append(t.asks, probe.Target{ID: one.ID(), Facts: factsOf(one)})
		}
		facts := t.asks[0].Facts
		interval := t.every
		switch one := q[0].(type) {
		case database.Probe:
			interval = max(interval, deliberate) // its guard sees to it
		case kdc.Probe:
			t.about = about(facts)
			if one.User.Name == stranger {
				interval, t.about = max(interval, deliberate), nil
			}
		default:
			t.about = about(facts)
		}
		t.run = func(ctx context.Context, t *task) { d.ask(ctx, s, q, interval) }
		p.add(t)
	}
}

// ask runs the probes of one question and keeps what they saw.
func (d *daemon) ask(ctx context.Context, s *setup, q question, interval time.Duration) {
	id := q[0].ID()
	if db, ok := q[0].(database.Probe); ok {
		of, _ := s.cfg.Database(db.Facts[probe.FactDatabase])
		if d.loginIsDue(s, of) {
			return // it is asked all that this would ask, without a failure
		}
		defer d.countUnfinished(ctx, s, of)
	}
	if id.Kind == probe.KDC && (d.overload.spares(id.Address) || interval > s.cfg.Probes.Interval && !d.pace.take(id.String(), interval)) {
		return
	}
	odd := factsOf(q[0])[probe.FactOddPort] != ""
	if odd && !d.ports.take(id.Address, time.Now()) {
		return
	}
	q.ask(d.o.Now, func(p probe.Probe) probe.Result {
		res := askAgain(ctx, p, s.cfg.Probes.Timeout)
		if odd && res.Outcome == probe.OK {
			d.ports.answered(id.Address)
		}
		if id.Kind == probe.KDC {
			d.overload.heard(res, s.cfg.Probes.Interval)
			if s.keeper.Observe(res) {
				d.sched.Soon(krb5Key)
			}
		}
		d.put(ctx, res, interval)
		return res
	}, func(res probe.Result) { d.put(ctx, res, interval) })
}

// realmNames is the job that finds a realm's servers, when the TTL of what it
// found is over.
func (d *daemon) realmNames(s *setup, r config.Realm) *task {
	return d.namesTask(s, realmNamesKey(r.Name), r.Name, func(ctx context.Context) bool {
		kdcs, kdcErr := s.found.kdcsOf(ctx, r.Name)
		kpasswd, kpasswdErr := s.found.kpasswdOf(ctx, r.Name)
		if ctx.Err() != nil {
			return false
		}
		a := d.learn("kdc "+r.Name, kdcs, kdcErr, s.found.share(mostKDCs))
		b := d.learn("kpasswd "+r.Name, kpasswd, kpasswdErr, s.found.share(mostKpasswd))
		return a || b
	})
}

// databaseNames is the job that finds a database's addresses likewise.
func (d *daemon) databaseNames(s *setup, db config.Database) *task {
	return d.namesTask(s, databaseNamesKey(db.Name), db.Name, func(ctx context.Context) bool {
		at, err := s.found.endpoint(ctx, db)
		if ctx.Err() != nil {
			return false
		}
		return d.learn("database "+db.Name, at, err, 2*mostAddresses)
	})
}

func realmNamesKey(realm string) string { return "names of realm " + realm }

func databaseNamesKey(database string) string { return "names of database " + database }

func (d *daemon) namesTask(s *setup, key, about string, find func(context.Context) (changed bool)) *task {
	return &task{key: key, every: min(s.cfg.Probes.Interval, longestTTL), limit: 2*s.cfg.Probes.Timeout + time.Second, about: []string{about},
		run: func(ctx context.Context, _ *task) {
			if find(ctx) {
				d.replan()
			}
		}}
}

// about gives the names under which a job is pulled forward.
func about(f probe.Facts) []string {
	var out []string
	for _, k := range []probe.Fact{probe.FactRealm, probe.FactDatabase} {
		if f[k] != "" {
			out = append(out, f[k])
		}
	}
	return out
}

// factsOf gives the facts that the plan gave to a probe.
func factsOf(p probe.Probe) probe.Facts {
	switch p := p.(type) {
	case dns.Probe:
		return p.Facts
	case kdc.Probe:
		return p.Facts
	case kpasswd.Probe:
		return p.Facts
	case database.Probe:
		return p.Facts
	case login.Probe:
		return p.Facts
	case lacking:
		return p.facts
	case limits:
		return p.facts
	}
	return nil
}

// notAmong leaves out what is asked at one of the servers' addresses anyway.
func notAmong(questions []question, servers []server) []question {
	asked := map[netip.AddrPort]bool{}
	for _, s := range spots(servers) {
		asked[netip.AddrPortFrom(s.addr, s.port)] = true
	}
	return slices.DeleteFunc(questions, func(q question) bool { return asked[q[0].ID().Address] })
}

// without leaves out the questions of one type.
func without[T probe.Probe](questions []question) []question {
	return slices.DeleteFunc(questions, func(q question) bool { _, is := q[0].(T); return is })
}
