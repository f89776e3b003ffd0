package plan

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
)

// Load is what one address gets of one host.
type Load struct {
	Addr   netip.Addr
	Hosts  []string // the names under which it is asked
	Probes float64  // exchanges a second: KDC, DNS and kpasswd probes
	Names  float64  // questions a second: look-ups of what is to be probed
	Logins float64  // exchanges a second with a KDC, where all logins go to this one
}

// Sum is all of it.
func (l Load) Sum() float64 { return l.Probes + l.Names + l.Logins }

// DatabaseLoad is what a database gets of one host in a day.
type DatabaseLoad struct {
	Name                string
	Connections, Logins float64 // a day; each login is a connection too
}

const day = 24 * time.Hour

// Load returns what the servers that are known get of this host, as long as nothing fails.
func (p *Planner) Load(known discover.Known) (servers []Load, databases []DatabaseLoad) {
	jobs := p.Jobs(known)
	at := map[netip.Addr]*Load{}
	of := func(a netip.Addr) *Load {
		if at[a] == nil {
			at[a] = &Load{Addr: a}
		}
		return at[a]
	}
	for _, j := range jobs {
		for i, t := range j.Targets {
			if !t.ID.Address.IsValid() || t.ID.Kind != probe.DNS && t.ID.Kind != probe.KDC && t.ID.Kind != probe.Kpasswd {
				continue
			}
			l := of(t.ID.Address.Addr())
			l.Probes += 1 / j.EveryOf(i).Seconds()
			if host := t.ID.Target; t.ID.Kind != probe.DNS && !slices.Contains(l.Hosts, host) {
				l.Hosts = append(l.Hosts, host)
			}
		}
	}
	for _, c := range discover.Costs(p.cfg, known.Resolver) {
		for _, a := range c.At {
			of(a.Addr()).Names += float64(c.Requests) / c.Every.Seconds()
		}
	}
	p.loginLoad(known, of)
	for _, a := range slices.SortedFunc(maps.Keys(at), netip.Addr.Compare) {
		servers = append(servers, *at[a])
	}
	return servers, p.databaseLoad(jobs)
}

// loginLoad adds what logins ask of KDCs, once for every KDC that may be the first one:
// two AS exchanges and a TGS exchange with the user's realm, and one TGS exchange with
// that of the database.
func (p *Planner) loginLoad(known discover.Known, of func(netip.Addr) *Load) {
	for i, l := range p.cfg.Logins {
		db, _ := p.cfg.Database(l.Database)
		exchanges := map[string]float64{l.Realm: 3}
		if db.Realm != l.Realm {
			exchanges[db.Realm]++
		}
		for realm, n := range exchanges {
			if l.SecretKind == config.CCache && realm == l.Realm {
				n--
			}
			for _, s := range known.Of(probe.KDC, realm).Now {
				for _, a := range s.Addrs {
					of(a).Logins += n / p.beats[i].Seconds()
				}
			}
		}
	}
}

func (p *Planner) databaseLoad(jobs []Job) (out []DatabaseLoad) {
	for _, db := range p.cfg.Databases {
		l := DatabaseLoad{Name: db.Name}
		for _, j := range jobs {
			switch id := j.Targets[0].ID; {
			case !strings.EqualFold(j.Database.Name, db.Name):
			case id.Kind == probe.Login:
				l.Logins += day.Seconds() / j.Every.Seconds()
				l.Connections += day.Seconds() / j.Every.Seconds()
			case id.Kind == probe.Database:
				l.Connections += day.Seconds() / j.Every.Seconds()
			}
		}
		out = append(out, l)
	}
	return out
}
