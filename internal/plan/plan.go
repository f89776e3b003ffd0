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
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Guard decides what may be done to accounts and databases.
type Guard interface {
	// Account guards a user's password.
	Account(user string) login.Account
	// Logins guards a database that a user logs in to.
	Logins(db config.Database, user string) database.Guard
	// Handshakes guards a database that is asked without a login.
	Handshakes(db config.Database, user string) database.Guard
	// FirstHost returns the host that a database first announced a service of:
	// this one, where there was none before.
	FirstHost(db config.Database, host string) (string, error)
	// Services remembers which service a database announces to users of a realm.
	Services(db config.Database, realm string) login.Services
}

// Tickets keeps the tickets that logins get. The logins at a cluster's instances use
// the one that the login by its name got, and make no attempt of their own.
type Tickets interface {
	KeepTicket(config.Login, *client.Shared)
	Ticket(config.Login) *client.Shared
}

// World is what jobs need beside the configuration.
type World struct {
	Dialer       probe.Dialer
	Now          func() time.Time
	HostClock    func() string         // says whether something keeps this host's clock; nil: it is not known
	Routable     func(netip.Addr) bool // whether this host has a way to an address at all
	Names        Names                 // of logins that go to what is configured
	Programs     Programs              // of all others; nil: Names
	Guard        Guard
	Material     func(config.Login) (login.Material, error) // returns the secret with which a user proves its identity
	ServiceRealm func(host string) string                   // the realm of a service that is announced without one; nil: the database's
	Turn         func(l config.Login, instance string) int  // which address of the database, or of an instance of its cluster, is next; nil: always the first
	Tickets      Tickets                                    // of logins, for those at the instances of their databases; nil: none is made there
	Krb5Conf     probe.Probe                                // the probe of this host's krb5.conf; nil where it is not checked
	Applications probe.Probe                                // of the report on this host's applications; nil where none is configured
	AWS          probe.Probe                                // of what AWS reports; nil where it is not asked
	PerHour      int                                        // attempts an hour and account; 0: config.MaxLoginsAnHour
}

// Planner makes jobs for one configuration.
type Planner struct {
	cfg   *config.Config
	world World
	tls   map[string]*tls.Config // the TLS settings, by database
	beats []time.Duration        // the interval of each login, in the order of cfg.Logins
	// Notes say what is asked less often than the configuration has it.
	Notes []string
}

// New reads the CA bundles that a configuration names.
func New(cfg *config.Config, world World) *Planner {
	p := &Planner{cfg: cfg, world: world, tls: map[string]*tls.Config{}}
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
		l.add(p.aboutDNS(r, known.Resolver)...)
		kdcs := known.Of(probe.KDC, r.Name)
		at := p.ways(kdcs)
		if kdcs.Asked {
			l.add(notAmong(at.aboutKDCs(r, known.Resolver, kdcs.Now, kdcs.Err), kdcs.Lost)...)
		}
		l.add(withAddress(at.aboutKDCs(r, known.Resolver, kdcs.Lost, nil))...)
		l.addGone(withAddress(at.aboutKDCs(r, known.Resolver, kdcs.Gone, nil)))
		kpasswd := known.Of(probe.Kpasswd, r.Name)
		at = p.ways(kpasswd)
		l.add(at.aboutKpasswd(r, slices.Concat(kpasswd.Now, kpasswd.Lost), kpasswd.Err)...)
		l.addGone(at.aboutKpasswd(r, kpasswd.Gone, nil))
	}
	for _, db := range p.cfg.Databases {
		l.add(p.aboutEndpoint(db, known.Resolver)...)
		at := known.Of(probe.Database, db.Name)
		if at.Asked && len(at.Now) == 0 {
			l.add(p.job(p.lack(probe.Database, db.Host, databaseFacts(db), at.Err)))
		}
		l.add(p.aboutLimits(probe.Database, db.Host, databaseFacts(db), at.Now)...)
		l.add(p.ways(at).aboutDatabase(here(db), slices.Concat(at.Now, at.Lost))...)
		l.addGone(p.ways(at).aboutDatabase(here(db), at.Gone))
		jobs, gone := p.aboutInstances(db, known)
		l.add(jobs...)
		l.addGone(gone)
	}
	for i, login := range p.cfg.Logins {
		l.add(p.aboutLogin(login, p.beats[i]))
	}
	for i, login := range p.cfg.Logins {
		l.add(p.aboutInstanceLogins(login, p.beats[i], known)...)
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
	p.pace(l.jobs)
	return l.jobs
}

// ways returns p for what a search has found. Where this host has a way to none of
// the addresses, all are asked: that they cannot be reached is what has to be said.
func (p *Planner) ways(found discover.Servers) *Planner {
	spots := discover.Spots(slices.Concat(found.Now, found.Lost))
	if slices.ContainsFunc(spots, func(s discover.Spot) bool { return p.world.Routable(s.Addr) }) {
		return p
	}
	next := *p
	next.world.Routable = func(netip.Addr) bool { return true }
	return &next
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
