package login

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// logIn is the database's half. nil means logged in, and asked who.
//
// A server that waited for the ticket no longer than its connect_timeout is asked once more with the ticket in hand: so
// do programs that find it in their cache.
func (a *attempt) logIn(ctx context.Context, server database.Server, unresolved error) *failure {
	if unresolved != nil {
		return &failure{at: probe.AtDatabase, reason: probe.WhyUnresolved(unresolved), err: unresolved}
	}
	f := a.present(ctx, &server)
	if f == nil || !f.late {
		return f
	}
	shake, refused := a.p.Handshakes.Begin(server.Address)
	if refused != nil {
		return f
	}
	a.shake, a.again, server.Others = shake, true, nil
	again := a.present(ctx, &server)
	switch {
	case again == nil:
		a.rec.Fact(probe.FactHungUp, "true")
	case ctx.Err() != nil || again.late:
		return f
	}
	return again
}

// present connects to the database and presents a ticket. It sets the address that server was reached at.
func (a *attempt) present(ctx context.Context, server *database.Server) *failure {
	finished, loggedIn := false, false
	defer func() { a.shake.End(finished, loggedIn) }() // a record that cannot be ended stays, and counts

	half := a.half(server)
	conn, sw, done, f := a.connect(ctx, server, half)
	finished = done
	if f != nil {
		return f
	}
	auth := a.authenticator(conn)
	switched := time.Now()
	token, err := auth.Start(ctx, sw.Plugin, sw.Data)
	waited := time.Since(switched)
	gaveUp := waited >= patience && !conn.Quiet()
	a.recordTicket(auth)
	if err != nil {
		f := a.noTicket(ctx, auth, err)
		finished = database.Leave(ctx, a.rec, conn, sw)
		return f
	}
	second, cancel := probe.Limit(ctx, half)
	defer cancel()
	if f := a.authenticate(second, conn, auth, token); f != nil {
		f.late = f.reason == probe.ReasonDBCut && !auth.Proven && (gaveUp || waited >= leastTimeout)
		if f.late && gaveUp {
			f.reason = probe.ReasonDBAuthTimeout
		}
		finished = conn.Finished()
		if !finished {
			finished = database.Leave(ctx, a.rec, conn, nil)
		}
		conn.Close()
		return f
	}
	finished, loggedIn = true, true
	return a.query(second, conn)
}

// connect takes the first address that connects, and runs the database's stages there.
func (a *attempt) connect(ctx context.Context, server *database.Server, half time.Duration) (*mysql.Conn, *mysql.Switch, bool, *failure) {
	first, cancel := probe.Limit(ctx, half+time.Duration(len(server.Others))*connectPatience)
	defer cancel()
	conn, sw, done, err := a.open(first, *server)
	var held error // by the guard, of an address that a program would have gone to
	for i, next := range server.Others {
		if !connectFailed(err) || first.Err() != nil {
			break // one handshake a login
		}
		shake, refused := a.p.Handshakes.Begin(next)
		if refused != nil {
			held = cmp.Or(held, refused)
			continue
		}
		a.pass(*server, err)
		a.shake.End(done, false)
		a.shake, server.Address = shake, next
		if i == len(server.Others)-1 {
			server.Patience = a.p.Timeout
		}
		conn, sw, done, err = a.open(first, *server)
	}
	switch {
	case held != nil && connectFailed(err):
		return nil, nil, done, &failure{at: probe.AtDatabase, err: err, held: fmt.Errorf("%w; and the next address is not tried: %w", err, held)}
	case err != nil:
		return nil, nil, done, &failure{at: probe.AtDatabase, reason: database.WhyFailed(err), err: err}
	}
	return conn, sw, done, nil
}

// authenticator answers for the user on a connection.
func (a *attempt) authenticator(conn *mysql.Conn) *kerberos.Authenticator {
	p := a.p
	return kerberos.NewAuthenticator(kerberos.Options{User: p.User, Session: a.waitTGT, AllowSPN: p.AllowSPN, ServiceRealm: p.ServiceRealm, Now: p.Now,
		AllowHost: func(host string) error {
			unusual, err := p.SPNHosts.Check(host, conn.Certificate())
			if unusual {
				a.rec.Fact(probe.FactSPNUnusual, "true")
			}
			return err
		}})
}

// query asks a database that has let the user in, and says goodbye.
func (a *attempt) query(ctx context.Context, conn *mysql.Conn) *failure {
	var cluster *probe.Topology
	err := a.rec.Stage(StageQuery, func() (err error) {
		cluster, err = a.askWho(ctx, conn)
		return err
	})
	if err == nil && cluster != nil {
		a.ofCluster(*cluster)
	}
	conn.Quit(ctx) // logged in: however the goodbye goes, nothing counts
	if err != nil {
		return &failure{at: probe.AtDatabase, stage: StageQuery, reason: cutOr(database.ReasonOf(err)), err: err}
	}
	return nil
}
