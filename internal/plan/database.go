package plan

import (
	"cmp"
	"context"
	"crypto/tls"
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

// databaseJobs makes the jobs about databases, logins among them.
type databaseJobs struct {
	maker
	tls map[string]*tls.Config // the TLS settings, by database
}

// along returns d for the ways to what a search has found.
func (d databaseJobs) along(found discover.Servers) databaseJobs {
	d.maker = d.ways(found)
	return d
}

// aboutDatabase asks a database at each of its addresses, without a login.
func (d databaseJobs) aboutDatabase(at place, servers []discover.Server) (jobs []Job) {
	db, after := at.db, ""
	if i := d.firstLogin(db); i >= 0 && (at.instance.ID == "" || d.world.Tickets != nil) {
		after = d.loginProbe(d.cfg.Logins[i], at).ID().String()
	}
	for _, spot := range discover.Spots(servers) {
		if !d.world.Routable(spot.Addr) {
			continue
		}
		j := d.job(d.databaseProbe(at, netip.AddrPortFrom(spot.Addr, spot.Port)))
		j.Database, j.Instance, j.After, j.First = db, at.instance.ID, after, len(jobs) == 0
		jobs = append(jobs, j)
	}
	return jobs
}

// firstLogin returns which login is the first that goes to a database; -1 for none.
func (d databaseJobs) firstLogin(db config.Database) int {
	return slices.IndexFunc(d.cfg.Logins, func(l config.Login) bool { return l.Database == db.Name })
}

// databaseProbe asks a database at one address that no login covers.
func (d databaseJobs) databaseProbe(at place, addr netip.AddrPort) database.Probe {
	db := at.db
	user, realm, known := probe.Stranger, db.Realm, false
	if i := d.firstLogin(db); i >= 0 {
		user, realm, known = d.cfg.Logins[i].User, d.cfg.Logins[i].Realm, true
	}
	facts := at.facts()
	facts[probe.FactRealm] = realm
	record := user // by which the ledger knows the user: as a login's
	if known {
		record = user + "@" + realm
		facts[probe.FactUser] = record
	}
	return database.Probe{Host: db.Host, Server: database.Server{Address: addr, TLS: d.tlsOf(at)}, User: user, Known: known,
		Dialer: d.world.Dialer, Timeout: d.cfg.Probes.Timeout, Now: d.world.Now, Facts: facts, Guard: d.world.Guard.Handshakes(db, record)}
}

// aboutLogin logs a user in.
func (d databaseJobs) aboutLogin(l config.Login, beat time.Duration) Job {
	db, _ := d.cfg.Database(l.Database)
	j := d.job(d.loginProbe(l, here(db)))
	j.Beat, j.Every, j.Limit, j.Prompt = beat, beat, min(3*d.cfg.Probes.LoginTimeout(), beat), false
	j.Login, j.Database = l, db
	i := d.firstLogin(db)
	j.Tells = i >= 0 && d.cfg.Logins[i].Principal() == l.Principal() // one connection is enough to tell of the database
	return j
}

func (d databaseJobs) loginProbe(l config.Login, at place) login.Probe {
	db, facts := at.db, at.facts()
	realm, _ := d.cfg.Realm(l.Realm)
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
		Endpoint: d.endpoint(l, at), Material: d.material(l, at), Locator: d.namesOf(l),
		AllowSPN: d.allowSPN(db), Dialer: d.world.Dialer, Timeout: d.cfg.Probes.Timeout, Now: d.world.Now, Facts: facts,
		Account:    d.world.Guard.Account(l.Principal()),
		Handshakes: d.world.Guard.Logins(db, l.Principal()), Path: d.world.Guard.Handshakes(db, l.Principal()),
		SPNHosts: d.spnHosts(at), Services: d.world.Guard.Services(db, l.Realm), Way: d.way(l.Realm, db.Realm), AllowRC4: realm.AllowRC4,
		Salted: isAD(realm.Kind),
	}
	cluster := db
	cluster.Host = at.endpoint
	if cluster.DiscoversInstances() {
		out.IsInstance = func(id string) bool { _, ok := cluster.InstanceHost(id); return ok }
	}
	if d.world.Tickets != nil && at.instance.ID == "" {
		out.OnTicket = func(t *client.Shared) { d.world.Tickets.KeepTicket(l, t) }
	}
	if d.world.ServiceRealm != nil {
		out.ServiceRealm = func(host string) string { return cmp.Or(d.world.ServiceRealm(host), l.Realm) }
	}
	if d.asPrograms(l) {
		out.Trail = func(heard login.Heard) login.Trail { return d.world.Programs.Trail(db.Host, heard) }
		out.ETypes = d.world.Programs.ETypes
		out.UDPLimit, out.SameHost, out.TimeSync = d.world.Programs.UDPLimit, d.world.Programs.SameHost, d.world.Programs.TimeSync
	}
	return out
}

func (d databaseJobs) asPrograms(l config.Login) bool {
	return d.world.Programs != nil && !l.Configured
}

func (d databaseJobs) namesOf(l config.Login) Names {
	if d.asPrograms(l) {
		return d.world.Programs
	}
	return d.world.Names
}

// endpoint returns what finds the addresses that a login goes to: of those that
// this host has a way to, first the one whose turn it is. A login as programs
// do it goes on to the next where one does not connect.
func (d databaseJobs) endpoint(l config.Login, at place) func(context.Context) (database.Server, error) {
	db := at.db
	return func(ctx context.Context) (database.Server, error) {
		addrs, err := d.namesOf(l).Addresses(ctx, db.Host)
		if err != nil {
			return database.Server{}, err
		}
		if usable := d.routable(addrs); len(usable) > 0 {
			addrs = usable
		}
		turn := 0
		if d.world.Turn != nil {
			turn = d.world.Turn(l, at.instance.ID) % len(addrs)
		}
		s := database.Server{Address: netip.AddrPortFrom(addrs[turn], db.Port), TLS: d.tlsOf(at), Turned: turn > 0}
		if d.asPrograms(l) {
			for i := 1; i < len(addrs); i++ {
				s.Others = append(s.Others, netip.AddrPortFrom(addrs[(turn+i)%len(addrs)], db.Port))
			}
		}
		return s, nil
	}
}

// allowSPN allows the database's services in the configured realms: a ticket
// is asked for nothing else, whatever a server announces.
func (d databaseJobs) allowSPN(db config.Database) func(client.Principal) bool {
	return func(spn client.Principal) bool {
		service, host, ok := strings.Cut(spn.Name, "/")
		_, ours := d.cfg.Realm(spn.Realm)
		return ok && host != "" && ours && slices.ContainsFunc(db.AllowedServices, func(s string) bool { return strings.EqualFold(s, service) })
	}
}

// way returns the realms that trusts lead through from one realm to another, without the
// first: the shortest way of the configuration. nil where it has none.
func (d databaseJobs) way(from, to string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		realm, _ := d.cfg.Realm(queue[0])
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
func (d databaseJobs) spnHosts(at place) kerberos.Hosts {
	db := at.db
	h := kerberos.Hosts{Endpoint: db.Host, Also: append(slices.Clip(db.SPNHosts), at.endpoint), Strict: db.StrictSPN,
		Remember: func(host string) (string, error) { return d.world.Guard.FirstHost(db, host) }}
	for _, o := range d.cfg.Databases {
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
