package kerberos

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
)

const (
	// maxLogins is how many logins of a connector are under way at a time. A server
	// blocks this host after max_connect_errors (100 by default) that were broken, and
	// a process can end in the middle of all of them.
	maxLogins = 4
	// goodbye is how long a server may take to hear that a login is of no use any more.
	goodbye = 2 * time.Second
	// moment is how much longer a connect may take than the login that it is for: a
	// connection that the kernel makes just then would count if nobody took it.
	moment = 50 * time.Millisecond
)

// logins makes logged-in connections.
type logins struct {
	cfg     *Config
	tickets tickets
	turns   chan struct{} // holds one for each login under way
}

// login is how one ended: with a connection or an error.
type login struct {
	conn *mysql.Conn
	raw  net.Conn // below conn
	err  error
}

// dial is the driver's DialFunc: it logs in and hands over a connection that
// makes the driver believe that it did. The caller may go at any time. The login
// does not go with it: broken in the middle it would count against this host, and
// a pool whose queries end early would have this host blocked (ERROR 1129).
func (l *logins) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	before, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	// The ticket comes first: the server waits ten seconds after its switch,
	// and a dead KDC can take as long.
	session, err := l.tickets.session(before)
	if err != nil {
		return nil, err
	}
	select {
	case l.turns <- struct{}{}:
	case <-before.Done():
		session.Close()
		return nil, fmt.Errorf("waiting for one of %d logins under way to end: %w", maxLogins, before.Err())
	}
	if err := ctx.Err(); err != nil { // both were ready
		<-l.turns
		session.Close()
		return nil, fmt.Errorf("logging in: %w", err)
	}
	done := make(chan login)
	go func() {
		defer func() { <-l.turns }()
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Timeout)
		defer cancel()
		in := l.logIn(own, session, network, addr)
		select {
		case done <- in:
		case <-ctx.Done():
			in.leave(ctx)
		}
	}()
	select {
	case in := <-done:
		if in.err != nil {
			return nil, in.err
		}
		return newReplay(in.conn.Session(), in.raw), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("logging in: %w", ctx.Err())
	}
}

// leave ends a login that nobody waits for any more.
func (in login) leave(ctx context.Context) {
	if in.err != nil {
		return // it has ended by itself
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	in.conn.Quit(ctx)
}

// logIn is one login, at the end of which the session is closed. A panic in it, in
// the program's own Dialer for example, is its error: nobody else is there to
// recover from it.
func (l *logins) logIn(ctx context.Context, session *client.Session, network, addr string) (in login) {
	defer session.Close()
	var raw net.Conn
	defer func() {
		if v := recover(); v != nil {
			if raw != nil {
				_ = raw.Close()
			}
			in = login{err: panicked(v)}
		}
	}()
	deadline, _ := ctx.Deadline()
	longer, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(moment))
	defer cancel()
	var err error
	raw, err = l.cfg.Dialer.DialContext(longer, network, addr)
	if err != nil {
		return login{err: err}
	}
	conn := mysql.NewConn(raw)
	auth := NewAuthenticator(Options{
		AllowHost: func(host string) error {
			_, err := l.cfg.hosts.Check(host, conn.Certificate())
			return err
		},
		User:         l.tickets.user,
		Session:      func(context.Context) (*client.Session, error) { return session, nil },
		AllowSPN:     l.cfg.AllowSPN,
		ServiceRealm: l.cfg.ServiceRealm,
		Mutual:       l.cfg.Mutual,
		Now:          l.cfg.Now,
	})
	err = conn.LogIn(ctx, mysql.Params{
		User: l.cfg.User, TLS: l.cfg.TLS, Auth: auth, Attrs: l.attrs(), Capabilities: l.capabilities(),
	})
	if err != nil {
		return login{err: explained(err, l.cfg.secretKind(), auth.Proven)}
	}
	err = auth.Err()
	if err == nil && l.cfg.Driver.DBName != "" {
		err = conn.UseDatabase(ctx, l.cfg.Driver.DBName)
	}
	if err != nil {
		login{conn: conn}.leave(ctx)
		return login{err: err}
	}
	return login{conn: conn, raw: raw}
}
