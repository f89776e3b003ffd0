package plan

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Names is where a login finds the servers that it goes to.
type Names interface {
	client.Locator
	// Addresses returns the addresses of a database's host, in the order in
	// which they are to be tried.
	Addresses(ctx context.Context, host string) ([]netip.Addr, error)
}

// Programs finds a login's servers as programs on this host do.
type Programs interface {
	Names
	// Trail says how a program found what a login went to.
	Trail(host string, heard login.Heard) login.Trail
	// TimeSync reports whether libkrb5 takes the KDC's time where this host's differs.
	TimeSync() bool
	// UDPLimit returns the size in bytes up to which requests go over UDP first.
	UDPLimit() int
	// SameHost reports whether two addresses are of one KDC.
	SameHost(a, b netip.AddrPort) bool
}

// aboutDatabase asks a database at each of its addresses, without a login.
func (p *Planner) aboutDatabase(at place, servers []discover.Server) (jobs []Job) {
	db, after := at.db, ""
	if i := p.firstLogin(db); i >= 0 && (at.instance.ID == "" || p.world.Tickets != nil) {
		after = p.loginProbe(p.cfg.Logins[i], at).ID().String()
	}
	for _, spot := range discover.Spots(servers) {
		if !p.world.Routable(spot.Addr) {
			continue
		}
		j := p.job(p.databaseProbe(at, netip.AddrPortFrom(spot.Addr, spot.Port)))
		j.Database, j.Instance, j.After, j.First = db, at.instance.ID, after, len(jobs) == 0
		jobs = append(jobs, j)
	}
	return jobs
}

// firstLogin returns which login is the first that goes to a database; -1 for none.
func (p *Planner) firstLogin(db config.Database) int {
	return slices.IndexFunc(p.cfg.Logins, func(l config.Login) bool { return l.Database == db.Name })
}

// databaseProbe asks a database at one address that no login covers.
func (p *Planner) databaseProbe(at place, addr netip.AddrPort) database.Probe {
	db := at.db
	user, realm, known := probe.Stranger, db.Realm, false
	if i := p.firstLogin(db); i >= 0 {
		user, realm, known = p.cfg.Logins[i].User, p.cfg.Logins[i].Realm, true
	}
	facts := at.facts()
	facts[probe.FactRealm] = realm
	record := user // by which the ledger knows the user: as a login's
	if known {
		record = user + "@" + realm
		facts[probe.FactUser] = record
	}
	return database.Probe{Host: db.Host, Server: database.Server{Address: addr, TLS: p.tlsOf(at)}, User: user, Known: known,
		Dialer: p.world.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.world.Now, Facts: facts, Guard: p.world.Guard.Handshakes(db, record)}
}

// aboutLogin logs a user in.
func (p *Planner) aboutLogin(l config.Login, beat time.Duration) Job {
	db, _ := p.cfg.Database(l.Database)
	j := p.job(p.loginProbe(l, here(db)))
	j.Beat, j.Every, j.Limit, j.Prompt = beat, beat, min(3*p.cfg.Probes.LoginTimeout(), beat), false
	j.Login, j.Database = l, db
	i := p.firstLogin(db)
	j.Tells = i >= 0 && p.cfg.Logins[i].Principal() == l.Principal() // one connection is enough to tell of the database
	return j
}

func (p *Planner) loginProbe(l config.Login, at place) login.Probe {
	db, facts := at.db, at.facts()
	realm, _ := p.cfg.Realm(l.Realm)
	for k, v := range realmFacts(realm) {
		facts[k] = v
	}
	facts[probe.FactUser] = l.Principal()
	if path, err := l.Secret.Path(); err == nil && path != "" {
		facts[probe.FactSecretFile] = path
	}
	if realm.AllowRC4 {
		facts[probe.FactRC4] = "true"
	}
	out := login.Probe{
		User: client.Principal{Name: l.User, Realm: l.Realm}, Database: db.Name, Instance: at.instance.ID, Host: db.Host, HomeRealm: db.Realm,
		Endpoint: p.endpoint(l, at), Material: p.material(l, at), Locator: p.namesOf(l),
		AllowSPN: p.allowSPN(db), Dialer: p.world.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.world.Now, Facts: facts,
		Account:    p.world.Guard.Account(l.Principal()),
		Handshakes: p.world.Guard.Logins(db, l.Principal()), Path: p.world.Guard.Handshakes(db, l.Principal()),
		SPNHosts: p.spnHosts(at), Services: p.world.Guard.Services(db, l.Realm), Way: p.way(l.Realm, db.Realm), AllowRC4: realm.AllowRC4,
		Salted: isAD(realm.Kind),
	}
	cluster := db
	cluster.Host = at.endpoint
	if cluster.DiscoversInstances() {
		out.IsInstance = func(id string) bool { _, ok := cluster.InstanceHost(id); return ok }
	}
	if p.world.Tickets != nil && at.instance.ID == "" {
		out.OnTicket = func(t *client.Shared) { p.world.Tickets.KeepTicket(l, t) }
	}
	if p.world.ServiceRealm != nil {
		out.ServiceRealm = func(host string) string { return cmp.Or(p.world.ServiceRealm(host), l.Realm) }
	}
	if p.asPrograms(l) {
		out.Trail = func(heard login.Heard) login.Trail { return p.world.Programs.Trail(db.Host, heard) }
		out.UDPLimit, out.SameHost, out.TimeSync = p.world.Programs.UDPLimit, p.world.Programs.SameHost, p.world.Programs.TimeSync
	}
	return out
}

func (p *Planner) asPrograms(l config.Login) bool { return p.world.Programs != nil && !l.Configured }

func (p *Planner) namesOf(l config.Login) Names {
	if p.asPrograms(l) {
		return p.world.Programs
	}
	return p.world.Names
}

// endpoint returns what finds the addresses that a login goes to: of those that
// this host has a way to, first the one whose turn it is. A login as programs
// do it goes on to the next where one does not connect.
func (p *Planner) endpoint(l config.Login, at place) func(context.Context) (database.Server, error) {
	db := at.db
	return func(ctx context.Context) (database.Server, error) {
		addrs, err := p.namesOf(l).Addresses(ctx, db.Host)
		if err != nil {
			return database.Server{}, err
		}
		if usable := p.routable(addrs); len(usable) > 0 {
			addrs = usable
		}
		turn := 0
		if p.world.Turn != nil {
			turn = p.world.Turn(l, at.instance.ID) % len(addrs)
		}
		s := database.Server{Address: netip.AddrPortFrom(addrs[turn], db.Port), TLS: p.tlsOf(at), Turned: turn > 0}
		if p.asPrograms(l) {
			for i := 1; i < len(addrs); i++ {
				s.Others = append(s.Others, netip.AddrPortFrom(addrs[(turn+i)%len(addrs)], db.Port))
			}
		}
		return s, nil
	}
}

// allowSPN allows the database's services in the configured realms: a ticket
// is asked for nothing else, whatever a server announces.
func (p *Planner) allowSPN(db config.Database) func(client.Principal) bool {
	return func(spn client.Principal) bool {
		service, host, ok := strings.Cut(spn.Name, "/")
		_, ours := p.cfg.Realm(spn.Realm)
		return ok && host != "" && ours && slices.ContainsFunc(db.AllowedServices, func(s string) bool { return strings.EqualFold(s, service) })
	}
}

// way returns the realms that trusts lead through from one realm to another, without the
// first: the shortest way of the configuration. nil where it has none.
func (p *Planner) way(from, to string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		realm, _ := p.cfg.Realm(queue[0])
		for _, next := range realm.TrustedBy {
			if _, seen := before[next]; !seen {
				before[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	var way []string
	for at := to; at != from; at = before[at] {
		if _, reached := before[at]; !reached {
			return nil
		}
		way = append(way, at)
	}
	slices.Reverse(way)
	return way
}

// spnHosts reports of which hosts a database's announced service may be.
func (p *Planner) spnHosts(at place) kerberos.Hosts {
	db := at.db
	h := kerberos.Hosts{Endpoint: db.Host, Also: append(slices.Clip(db.SPNHosts), at.endpoint), Strict: db.StrictSPN,
		Remember: func(host string) (string, error) { return p.world.Guard.FirstHost(db, host) }}
	for _, o := range p.cfg.Databases {
		if o.Name != db.Name && !strings.EqualFold(o.Host, db.Host) {
			h.Others = append(append(h.Others, o.Host), o.SPNHosts...)
		}
	}
	return h
}

// loginBeats returns the interval of each login: as configured, or longer where
// the attempts of an account would be more than an hour may have. A ticket
// from a cache is no attempt.
func loginBeats(logins []config.Login, perHour int) (beats []time.Duration, notes []string) {
	hourly := map[string]float64{}
	for _, l := range logins {
		if l.SecretKind != config.CCache {
			hourly[l.Principal()] += float64(time.Hour) / float64(l.Interval)
		}
	}
	most := float64(perHour - 1) // in any hour, wherever it begins
	for _, l := range logins {
		beat := l.Interval
		if n := hourly[l.Principal()]; n > most && l.SecretKind != config.CCache {
			beat = time.Duration(float64(beat)*n/most).Truncate(time.Second) + time.Second
			notes = append(notes, fmt.Sprintf("%s logs in to %s every %s, not every %s: an account has at most %d attempts an hour",
				l.Principal(), l.Database, schedule.Brief(beat), schedule.Brief(l.Interval), perHour))
		}
		beats = append(beats, beat)
	}
	return beats, notes
}
