// Package plan turns the configuration, and what is known of its names, into
// jobs: what is asked, where, and how often. It is the only code that knows
// configuration and probes. It asks nobody, and the same configuration and
// knowledge give the same jobs.
package plan

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
)

// Planner makes jobs for one configuration.
type Planner struct {
	maker
	tls   map[string]*tls.Config // the TLS settings, by database
	beats []time.Duration        // the interval of each login, in the order of cfg.Logins
	// Notes say what is asked less often than the configuration has it.
	Notes []string
}

// New reads the CA bundles that a configuration names.
func New(cfg *config.Config, world World) *Planner {
	p := &Planner{maker: maker{cfg, world}, tls: map[string]*tls.Config{}}
	for _, db := range cfg.Databases {
		p.tls[db.Name] = tlsConfig(db)
	}
	perHour := world.PerHour
	if perHour == 0 {
		perHour = config.MaxLoginsAnHour
	}
	p.beats, p.Notes = loginBeats(cfg.Logins, perHour)
	return p
}

// In returns a planner of the same configuration in another world.
func (p *Planner) In(world World) *Planner {
	next := *p
	next.world = world
	return &next
}

// Jobs returns all that is to be asked, at the addresses that are known. Each
// question is there once.
func (p *Planner) Jobs(known discover.Known) []Job {
	l := &list{keys: map[string]bool{}, asked: map[probe.ID]bool{}}
	for _, r := range p.cfg.Realms {
		l.add(realmJobs{p.maker}.aboutDNS(r, known.Resolver)...)
		kdcs := known.Of(probe.KDC, r.Name)
		at := realmJobs{p.ways(kdcs)}
		if kdcs.Asked {
			l.add(notAmong(at.aboutKDCs(r, known.Resolver, kdcs.Now, kdcs.Err), kdcs.Lost)...)
		}
		l.add(withAddress(at.aboutKDCs(r, known.Resolver, kdcs.Lost, nil))...)
		l.addGone(withAddress(at.aboutKDCs(r, known.Resolver, kdcs.Gone, nil)))
		kpasswd := known.Of(probe.Kpasswd, r.Name)
		at = realmJobs{p.ways(kpasswd)}
		l.add(at.aboutKpasswd(r, slices.Concat(kpasswd.Now, kpasswd.Lost), kpasswd.Err)...)
		l.addGone(at.aboutKpasswd(r, kpasswd.Gone, nil))
	}
	databases := databaseJobs{p.maker, p.tls}
	for _, db := range p.cfg.Databases {
		l.add(realmJobs{p.maker}.aboutEndpoint(db, known.Resolver)...)
		at := known.Of(probe.Database, db.Name)
		if at.Asked && len(at.Now) == 0 {
			l.add(p.job(p.lack(probe.Database, db.Host, databaseFacts(db), at.Err)))
		}
		l.add(p.aboutLimits(probe.Database, db.Host, databaseFacts(db), at.Now)...)
		l.add(databases.along(at).aboutDatabase(here(db), slices.Concat(at.Now, at.Lost))...)
		l.addGone(databases.along(at).aboutDatabase(here(db), at.Gone))
		jobs, gone := databases.aboutInstances(db, known)
		l.add(jobs...)
		l.addGone(gone)
	}
	for i, login := range p.cfg.Logins {
		l.add(databases.aboutLogin(login, p.beats[i]))
	}
	for i, login := range p.cfg.Logins {
		l.add(databases.aboutInstanceLogins(login, p.beats[i], known)...)
	}
	if p.world.Krb5Conf != nil {
		l.add(p.job(p.world.Krb5Conf))
	}
	if p.world.Applications != nil {
		l.add(p.job(p.world.Applications))
	}
	if p.world.AWS != nil {
		l.add(p.aboutAWS())
	}
	pace(p.cfg.Probes, l.jobs)
	return l.jobs
}

// list is jobs of which none asks what another asks already.
type list struct {
	jobs  []Job
	keys  map[string]bool
	asked map[probe.ID]bool
}

func (l *list) add(jobs ...Job) {
	for _, j := range jobs {
		if l.keys[j.Key] {
			continue
		}
		l.keys[j.Key] = true
		for _, t := range j.Targets {
			l.asked[t.ID] = true
		}
		l.jobs = append(l.jobs, j)
	}
}

// addGone adds jobs at addresses that DNS has let go of, where nothing else asks
// them: a failure there is nobody's trouble.
func (l *list) addGone(jobs []Job) {
	for _, j := range jobs {
		j.Gone = !slices.ContainsFunc(j.Targets, func(t probe.Target) bool { return l.asked[t.ID] })
		l.add(j)
	}
}

// notAmong leaves out what is asked at one of the servers' addresses anyway.
func notAmong(jobs []Job, servers []discover.Server) []Job {
	asked := map[netip.AddrPort]bool{}
	for _, s := range discover.Spots(servers) {
		asked[netip.AddrPortFrom(s.Addr, s.Port)] = true
	}
	return slices.DeleteFunc(jobs, func(j Job) bool { return asked[j.Targets[0].ID.Address] })
}

// withAddress leaves out the names that have no address.
func withAddress(jobs []Job) []Job {
	return slices.DeleteFunc(jobs, func(j Job) bool { _, is := j.Probes[0].(lacking); return is })
}
