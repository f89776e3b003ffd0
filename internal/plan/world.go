package plan

import (
	"context"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
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
	// ETypes returns the encryption types that a login may ask for; nil: all.
	ETypes() []int32
	// SameHost reports whether two addresses are of one KDC.
	SameHost(a, b netip.AddrPort) bool
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
