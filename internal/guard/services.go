package guard

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Services remembers which service a database announces to users of a realm, in the
// record on disk: a fleet that guessed anew after each start would fill the directory's audit log.
type Services struct {
	guard *Guard
	db    config.Database
	realm string // the users'
}

// Services returns the memory of the service that a database announces to users of a realm.
func (g *Guard) Services(db config.Database, realm string) login.Services {
	return Services{g, db, realm}
}

// Guess returns the service that was announced last or, where none was, the one of the
// endpoint's own name; none where a KDC refused that, and where there is no record.
func (s Services) Guess() client.Principal {
	d, err := s.record()
	if err != nil {
		return client.Principal{}
	}
	known, err := d.Service(s.realm)
	if err != nil {
		return client.Principal{}
	}
	name := known.Announced
	if _, err := netip.ParseAddr(s.db.Host); name == "" && err != nil && slices.Contains(s.db.AllowedServices, "mysql") {
		name = client.Principal{Name: "mysql/" + s.db.Host, Realm: s.db.Realm}.String()
	}
	guess, err := client.ParsePrincipal(name)
	if err != nil || name == known.Refused {
		return client.Principal{}
	}
	return guess
}

// Announced keeps the service. Without a record there is no guess the next time.
func (s Services) Announced(service client.Principal) {
	if d, err := s.record(); err == nil {
		_ = d.SetService(s.realm, ledger.Service{Announced: service.String()})
	}
}

// Refused keeps that a ticket for the service was refused.
func (s Services) Refused(service client.Principal) {
	d, err := s.record()
	if err != nil {
		return
	}
	known, _ := d.Service(s.realm) // one that cannot be read is replaced
	known.Refused = service.String()
	_ = d.SetService(s.realm, known)
}

func (s Services) record() (*ledger.Database, error) {
	l, err := s.guard.record.Ledger()
	if err != nil {
		return nil, err
	}
	return l.Database(s.db.Endpoint(), s.db.MaxConnectErrors), nil
}
