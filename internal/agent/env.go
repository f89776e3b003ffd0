package agent

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

// Env is the world that the ladder is climbed in.
type Env struct {
	Dialer   probe.Dialer
	Now      func() time.Time
	Resolver []netip.AddrPort // this host's DNS servers
	// Ledger is the memory of attempts; where it could not be opened, LedgerErr
	// says why, and nothing that needs a record is asked.
	Ledger    *ledger.Ledger
	LedgerErr error
	// Prompted gives the password of a login whose secret is asked for on the
	// terminal; nil where no login needs it.
	Prompted func(config.Login) ([]byte, error)
	// Progress hears of every probe; nil for nobody. Its methods are called
	// from several goroutines and must be quick.
	Progress Progress
}

// Progress shows how far a round is.
type Progress interface {
	Started(probe.ID)
	Finished(probe.ID)
}

// handshakes guards a database that no login is tried on.
func (e Env) handshakes(db config.Database, user string) database.Guard {
	return guard{env: e, db: db, user: user}
}

// logins guards a database that user logs in to.
func (e Env) logins(db config.Database, user string) database.Guard {
	return guard{env: e, db: db, user: user, login: true}
}

// account guards a user's password.
func (e Env) account(user string) login.Account { return account{env: e, user: user} }

type guard struct {
	env   Env
	db    config.Database
	user  string
	login bool
}

// Begin records the handshake in the ledger.
func (g guard) Begin(at netip.AddrPort) (database.Handshake, error) {
	if g.env.Ledger == nil {
		return nil, &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: g.env.LedgerErr}
	}
	record := g.env.Ledger.Database(g.db.Endpoint(), g.db.MaxConnectErrors).At(at.String())
	begin := func() (*ledger.Handshake, error) { return record.BeginLogin(g.user) }
	if !g.login {
		if err := record.UserPaused(g.user); err != nil {
			return nil, heldBack(err)
		}
		begin = record.Begin
	}
	h, err := begin()
	if err != nil {
		return nil, heldBack(err)
	}
	return h, nil
}

// PauseUser records that the user's probes end here.
func (g guard) PauseUser(why string) error {
	return g.env.Ledger.Database(g.db.Endpoint(), g.db.MaxConnectErrors).PauseUser(g.user, why)
}

type account struct {
	env  Env
	user string
}

// Begin records the attempt in the ledger.
func (a account) Begin(secret []byte) (login.Attempt, error) {
	if a.env.Ledger == nil {
		return nil, &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: a.env.LedgerErr}
	}
	attempt, err := a.env.Ledger.Account(a.user).Begin(secret)
	if err != nil {
		return nil, heldBack(err)
	}
	return attempt, nil
}

// Paused says whether an attempt would be held back.
func (a account) Paused(secret []byte) error {
	if a.env.Ledger == nil {
		return &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: a.env.LedgerErr}
	}
	if err := a.env.Ledger.Account(a.user).Paused(secret); err != nil {
		return heldBack(err)
	}
	return nil
}

// heldBack puts the ledger's refusals into the probes' words.
func heldBack(err error) error {
	var paused *ledger.PausedError
	var busy *ledger.BusyError
	reason := probe.ReasonNoRecord
	switch {
	case errors.As(err, &paused) && !paused.Waits():
		reason = probe.ReasonPaused
	case paused != nil:
		reason = probe.ReasonNotAsked
	case errors.As(err, &busy):
		reason = probe.ReasonNotAsked
	}
	return &probe.HeldBack{Reason: reason, Err: err}
}
