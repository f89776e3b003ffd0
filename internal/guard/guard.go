// Package guard says what may be asked now, so that kerbagent does no harm: to
// accounts (Breaker), to databases (Handshakes), to KDCs that cannot serve
// (Overload), and to whoever is asked what is meant to fail (Pace). What must
// outlive the process stands in the record on disk, internal/ledger. check and
// the daemon have the same guard.
package guard

import (
	"errors"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Options of New.
type Options struct {
	// Repeats is true where this process asks forever: what is meant to fail is kept
	// apart, users whom a database asks for a password are left alone, and the
	// first try of a changed secret waits for its turn in a fleet.
	Repeats bool
	Host    string           // this host's place in a fleet
	Now     func() time.Time // nil: time.Now
	Clock   func() time.Time // of what is kept apart by minutes; nil: time.Now, whose monotonic reading no step of the clock moves
	// Delayed hears of how long a user's first try with a changed secret is to
	// wait; it may be nil.
	Delayed func(user string, wait time.Duration)
}

// Guard is all guards of one process. It may be used by several goroutines.
type Guard struct {
	o        Options
	record   *Record
	pace     Pace
	overload Overload
	ports    newPorts
}

// New returns the guard of a process that keeps this record.
func New(record *Record, o Options) *Guard {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Guard{o: o, record: record, pace: Pace{now: o.Clock}}
}

// Account guards a user's password.
func (g *Guard) Account(user string) login.Account { return Breaker{guard: g, user: user} }

// Logins guards a database that a user logs in to.
func (g *Guard) Logins(db config.Database, user string) database.Guard {
	return Handshakes{guard: g, db: db, user: user, login: true}
}

// Handshakes guards a database that is asked without a login.
func (g *Guard) Handshakes(db config.Database, user string) database.Guard {
	return Handshakes{guard: g, db: db, user: user}
}

// FirstHost returns the host that a database first announced a service of: this
// one, where there was none before.
func (g *Guard) FirstHost(db config.Database, host string) (string, error) {
	l, err := g.record.Ledger()
	if err != nil {
		return "", err
	}
	return l.Database(db.Endpoint(), db.MaxConnectErrors).FirstHost(host)
}

// MayAsk reports whether a question may be asked at its beat. every is the time
// that is to pass between two of them; oddPort says that only an SRV record
// names the port.
func (g *Guard) MayAsk(id probe.ID, beat, every time.Duration, oddPort bool) bool {
	if !g.o.Repeats {
		return true
	}
	if id.Kind == probe.KDC && (g.overload.Spares(id.Address) || every > beat && !g.pace.Take(id.String(), every)) {
		return false
	}
	return !oddPort || g.ports.take(id.Address, time.Now())
}

// Heard takes in what was answered to a question that is asked at each beat.
func (g *Guard) Heard(res probe.Result, beat time.Duration, oddPort bool) {
	if oddPort && res.Outcome == probe.OK {
		g.ports.answered(res.ID.Address)
	}
	if res.ID.Kind == probe.KDC {
		g.overload.Heard(res, beat)
	}
}

// Retain forgets what was noted of KDCs that are no longer asked.
func (g *Guard) Retain(asked map[netip.AddrPort]bool) { g.overload.Retain(asked) }

// Forget drops what is too long ago to hold anything back.
func (g *Guard) Forget() { g.pace.Forget() }

// Notes reports which KDCs are asked less often, and why.
func (g *Guard) Notes() []string { return g.overload.Notes() }

// ForgetDatabases forgets what is kept of databases that are gone, by their endpoints. The
// error says that there is no record.
func (g *Guard) ForgetDatabases(gone func(endpoint string) bool) error {
	l, err := g.record.Ledger()
	if err != nil {
		return err
	}
	return l.Forget(gone)
}

// Unfinished returns how many handshakes with a database at these addresses, each
// there once, are held against this host. The error says that there is no record.
func (g *Guard) Unfinished(db config.Database, addrs []netip.Addr) (sum int, err error) {
	l, err := g.record.Ledger()
	if err != nil {
		return 0, err
	}
	for _, a := range addrs {
		n, err := l.Database(db.Endpoint(), db.MaxConnectErrors).At(netip.AddrPortFrom(a, db.Port).String()).Unfinished()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// held puts the ledger's refusals into the probes' words.
func held(err error) error {
	var paused *ledger.PausedError
	var busy *ledger.BusyError
	reason := probe.ReasonNoRecord
	switch {
	case errors.As(err, &paused) && !paused.Waits():
		reason = probe.ReasonPaused
	case paused != nil, errors.As(err, &busy):
		reason = probe.ReasonNotAsked
	}
	return &probe.HeldBack{Reason: reason, Err: err}
}
