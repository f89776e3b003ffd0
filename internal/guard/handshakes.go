package guard

import (
	"errors"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// deliberate is the time between two handshakes at one place that are meant to
// fail.
const deliberate = 5 * time.Minute

// ErrNotYet is why a place is not asked: it was, a short while ago. It makes no
// result.
var ErrNotYet = errors.New("asked a short while ago")

// Handshakes guards a database's patience: it counts unfinished handshakes
// against this host, and locks it out when there are too many.
type Handshakes struct {
	guard *Guard
	db    config.Database
	user  string
	login bool
}

var _ database.Guard = Handshakes{}

// place is where a database's deliberate failures are kept apart.
func (h Handshakes) place(at netip.AddrPort) string {
	return "database " + h.db.Endpoint() + " " + at.String()
}

// Begin records a handshake, if it may be.
func (h Handshakes) Begin(at netip.AddrPort) (database.Handshake, error) {
	repeats := h.guard.o.Repeats
	if repeats && !h.login && !h.guard.pace.Take(h.place(at), deliberate) {
		return nil, &probe.HeldBack{Reason: probe.ReasonNotAsked, Err: ErrNotYet}
	}
	l, err := h.guard.record.Ledger()
	if err != nil {
		return nil, &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: err}
	}
	record := l.Database(h.db.Endpoint(), h.db.MaxConnectErrors).At(at.String())
	if repeats || !h.login {
		// A user whom the server asks for a password would have one failed login
		// more each time.
		if err := record.UserPaused(h.user); err != nil {
			return nil, held(err)
		}
	}
	begin := record.Begin
	if h.login {
		begin = func() (*ledger.Handshake, error) { return record.BeginLogin(h.user) }
	}
	shake, err := begin()
	if err != nil {
		return nil, held(err)
	}
	if h.login {
		h.guard.pace.Asked(h.place(at))
	}
	return shake, nil
}

// PauseUser records that the user's probes end here.
func (h Handshakes) PauseUser(why string) error {
	l, err := h.guard.record.Ledger()
	if err != nil {
		return err
	}
	return l.Database(h.db.Endpoint(), h.db.MaxConnectErrors).PauseUser(h.user, why)
}
