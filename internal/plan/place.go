package plan

import (
	"crypto/tls"
	"errors"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// place is where a database is asked: at its endpoint, or at an instance of its cluster.
type place struct {
	db       config.Database // of an instance: with the instance's host in the place of the endpoint's
	endpoint string          // the endpoint's host
	instance discover.Instance
	leads    bool // the endpoint can lead to the instance
}

// here returns a database's endpoint.
func here(db config.Database) place { return place{db: db, endpoint: db.Host} }

// instanceOf returns an instance of a database's cluster.
func instanceOf(db config.Database, i discover.Instance, known discover.Known) place {
	at := place{db: db, endpoint: db.Host, instance: i, leads: leads(db, i, known)}
	at.db.Host = i.Host
	return at
}

// leads reports whether the logins by a database's endpoint may get to an instance. By
// a writer's endpoint they get to one instance, and the login by it shows how that ends.
func leads(db config.Database, i discover.Instance, known discover.Known) bool {
	switch db.Kind() {
	case config.WriterEndpoint:
		return false
	case config.ReaderEndpoint:
		return i.Role != probe.RoleWriter || len(known.InstancesOf(db)) == 1
	}
	name, own := known.Of(probe.Database, db.Name), known.At(db, i)
	ours := discover.Spots(slices.Concat(own.Now, own.Lost))
	return slices.ContainsFunc(discover.Spots(slices.Concat(name.Now, name.Lost, name.Gone)), func(s discover.Spot) bool {
		return slices.ContainsFunc(ours, func(o discover.Spot) bool { return o.Addr == s.Addr })
	})
}

// facts are what the plan knows of the place.
func (at place) facts() probe.Facts {
	facts := databaseFacts(at.db)
	if at.instance.ID == "" {
		return facts
	}
	facts[probe.FactInstance], facts[probe.FactDBRole] = at.instance.ID, at.instance.Role
	if at.leads {
		facts[probe.FactLeadsTo] = "true"
	}
	if at.instance.Vouched {
		facts[probe.FactVouched] = "true"
	}
	return facts
}

// tlsOf returns the TLS settings of a place: the database's, with its own name.
func (d databaseJobs) tlsOf(at place) *tls.Config {
	cfg := d.tls[at.db.Name]
	if cfg == nil || at.instance.ID == "" {
		return cfg
	}
	own := cfg.Clone()
	own.ServerName = at.db.Host
	return own
}

// errNoTicket is why an instance is not logged in to.
var errNoTicket = errors.New("the login by the database's endpoint has got no ticket")

// material returns what a login at a place proves its user with. At an instance that
// is the ticket that the login by the endpoint got, so that it costs the account nothing.
func (d databaseJobs) material(l config.Login, at place) func() (login.Material, error) {
	return func() (login.Material, error) {
		if at.instance.ID == "" || l.SecretKind == config.CCache {
			return d.world.Material(l)
		}
		if t := d.world.Tickets.Ticket(l); t != nil {
			return login.Material{Kind: string(l.SecretKind), Shared: t}, nil
		}
		return login.Material{}, &probe.HeldBack{Reason: probe.ReasonNotAsked, Err: errNoTicket}
	}
}
