package kerberos

import (
	"context"
	"database/sql/driver"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	gomysql "github.com/go-sql-driver/mysql"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
)

// NewConnector makes a connector for sql.OpenDB. It does no I/O: the first
// connection does. The error names everything that is wrong with cfg.
//
// Errors of a connection are a *RefusedError, a *SecretError, a
// *client.StepError where a KDC was asked; a *NotKerberosError, *SPNError,
// *RealmError or ErrNoProof where the database is not what it should be; a
// *mysql.ServerError of package mysql here where it refused; a
// *tls.CertificateVerificationError; or one of package net.
func NewConnector(cfg Config) (driver.Connector, error) {
	c, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	user := client.Principal{Name: c.Principal, Realm: c.Realm}
	l := &logins{cfg: &c, tickets: tickets{
		cfg:  &c,
		user: user,
		client: &client.Client{
			Dialer: c.Dialer, Locator: c.Locator, Now: c.Now,
		},
	}}
	c.Driver.DialFunc = l.dial
	return gomysql.NewConnector(c.Driver)
}

// logins makes logged-in connections.
type logins struct {
	cfg     *Config
	tickets tickets
}

// dial is the driver's DialFunc: it logs in and hands over a connection that
// lets the driver believe that it did.
func (l *logins) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	// The ticket comes first: the server waits ten seconds after its switch,
	// and a dead KDC can take as long.
	session, err := l.tickets.session(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	raw, err := l.cfg.Dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	auth := NewAuthenticator(Options{
		User:         l.tickets.user,
		Session:      func(context.Context) (*client.Session, error) { return session, nil },
		AllowSPN:     l.cfg.AllowSPN,
		ServiceRealm: l.cfg.ServiceRealm,
		Mutual:       l.cfg.Mutual,
		Now:          l.cfg.Now,
	})
	conn, err := mysql.Login(ctx, raw, mysql.Params{
		User: l.cfg.User, TLS: l.cfg.TLS, Auth: auth, Attrs: l.attrs(), Capabilities: l.capabilities(),
	})
	if err != nil {
		return nil, err
	}
	err = auth.Err()
	if err == nil && l.cfg.Driver.DBName != "" {
		err = conn.UseDatabase(ctx, l.cfg.Driver.DBName)
	}
	if err != nil {
		conn.Quit(ctx)
		return nil, err
	}
	return newReplay(conn.Session(), raw), nil
}

// capabilities are those that the driver wants for its settings.
func (l *logins) capabilities() mysql.Capability {
	var c mysql.Capability
	if l.cfg.Driver.ClientFoundRows {
		c |= mysql.FoundRows
	}
	if l.cfg.Driver.MultiStatements {
		c |= mysql.MultiStatements
	}
	return c
}

// attrs are the connection attributes: the driver's own never reach the server.
func (l *logins) attrs() map[string]string {
	attrs := map[string]string{
		"_client_name": "kerbagent mysql/kerberos",
		"_pid":         strconv.Itoa(os.Getpid()),
		"program_name": filepath.Base(os.Args[0]),
	}
	for pair := range strings.SplitSeq(l.cfg.Driver.ConnectionAttributes, ",") {
		if k, v, ok := strings.Cut(pair, ":"); ok {
			attrs[k] = v
		}
	}
	return attrs
}
