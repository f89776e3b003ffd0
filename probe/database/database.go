// Package database asks a MySQL-compatible server how a user would log in: TCP,
// greeting, TLS, login packet, auth switch with the SPN and the realm that the
// server announces. It never logs in, and it never just closes: every packet is
// answered until the server has said OK or ERR, so that the server does not
// count the connection against this host.
//
// Its stages are also the first ones of probe/login, on the same connection.
// It must not import config or anything above probe.
package database

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
)

// Guard keeps account of handshakes, so that one that stays unfinished (a
// timeout, a kill) is known after a restart, too.
type Guard interface {
	// Begin records a handshake before this address is dialled. An error, best a
	// *probe.HeldBack, means that it must not be dialled now.
	Begin(at netip.AddrPort) (Handshake, error)
	// PauseUser holds the user's next probes back: the server asked a
	// configured user for a password, and another wrong answer might lock a
	// password account.
	PauseUser(why string) error
}

// Handshake is one that was begun.
type Handshake interface {
	// End: finished says that the server has nothing to count against this
	// host, loggedIn that it has set its counter back.
	End(finished, loggedIn bool) error
}

// Probe is one deliberate failure at one address of one database. It serves
// what no login covers.
type Probe struct {
	Host    string // the name that was resolved, for the ID
	Server  Server
	User    string // the database user: the part before the @
	Known   bool   // the user is configured, so the server should ask for Kerberos
	Dialer  probe.Dialer
	Timeout time.Duration
	Now     func() time.Time
	Facts   probe.Facts
	Guard   Guard
}

// ID is database, the host and the address.
func (p Probe) ID() probe.ID {
	return probe.ID{Kind: probe.Database, Target: p.Host, Address: p.Server.Address, Transport: probe.TCP}
}

// Run asks once.
func (p Probe) Run(ctx context.Context) probe.Result {
	ctx, cancel := probe.Limit(ctx, p.Timeout)
	defer cancel()
	rec := probe.Begin(p.ID(), p.Now)
	rec.Facts(p.Facts)
	shake, err := p.Guard.Begin(p.Server.Address)
	if err != nil {
		return rec.Held(err)
	}
	finished := false
	defer func() { shake.End(finished, false) }() // a record that cannot be ended stays, and counts
	conn, sw, done, err := Open(ctx, rec, p.Dialer, p.Server, p.User)
	finished = done
	if err != nil {
		RecordServerError(rec, err)
		return rec.Fail(WhyFailed(err), err)
	}
	finished = Leave(ctx, rec, conn, sw)
	announced, err := kerberos.ParseSwitch(sw.Plugin, sw.Data)
	if err != nil {
		r := ReasonOf(err)
		if !p.Known && r == probe.ReasonDBOtherPlugin {
			return rec.OK() // an invented user has no account, and any plugin is right
		}
		if r == probe.ReasonDBOtherPlugin {
			err = errors.Join(err, p.Guard.PauseUser("the server asked for "+sw.Plugin))
		}
		return rec.Fail(r, err)
	}
	rec.Fact(probe.FactSPN, announced.Raw)
	rec.Fact(probe.FactSPNRealm, announced.UserRealm)
	return rec.OK()
}
