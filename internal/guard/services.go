package guard

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
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
func (s Services) Guess() (service string, announced bool) {
	d, err := s.record()
	if err != nil {
		return "", false
	}
	known, err := d.Service(s.realm)
	if err != nil {
		return "", false
	}
	guess := known.Announced
	if _, err := netip.ParseAddr(s.db.Host); guess == "" && err != nil && slices.Contains(s.db.AllowedServices, "mysql") {
		guess = "mysql/" + s.db.Host + "@" + s.db.Realm
	}
	if guess == known.Refused {
		return "", false
	}
	return guess, known.Announced != ""
}

// Announced keeps the service. Without a record there is no guess the next time.
func (s Services) Announced(service string) {
	if d, err := s.record(); err == nil {
		_ = d.SetService(s.realm, ledger.Service{Announced: service})
	}
}

// Refused keeps that a ticket for the service was refused.
func (s Services) Refused(service string) {
	d, err := s.record()
	if err != nil {
		return
	}
	known, _ := d.Service(s.realm) // one that cannot be read is replaced
	known.Refused = service
	_ = d.SetService(s.realm, known)
}

func (s Services) record() (*ledger.Database, error) {
	l, err := s.guard.record.Ledger()
	if err != nil {
		return nil, err
	}
	return l.Database(s.db.Endpoint(), s.db.MaxConnectErrors), nil
}
