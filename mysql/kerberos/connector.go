package kerberos

import (
	"context"
	"database/sql/driver"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	gomysql "github.com/go-sql-driver/mysql"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
)

// NewConnector makes a connector for sql.OpenDB. It does no I/O: the first
// connection does. The error names everything that is wrong with cfg.
//
// Every error of a connection is an *Error, with the stage, the reason and the code as
// kerbagent reports them, unless the caller's context ended. What it wraps is a *RefusedError, a *WaitError, a *SecretError, a
// *client.StepError where a KDC was asked; a *NotKerberosError, *SPNError,
// *RealmError or ErrNoProof where the database is not what it should be; a
// *mysql.ServerError of package mysql here where it refused; a
// *tls.CertificateVerificationError; or one of package net.
func NewConnector(cfg Config) (*Connector, error) {
	c, err := cfg.checked()
	if err != nil {
		return nil, err
	}
	user := client.Principal{Name: c.Principal, Realm: c.Realm}
	c.hosts.Remember = rememberFirst()
	l := &logins{cfg: &c, turns: make(chan struct{}, maxLogins), tickets: tickets{
		cfg:  &c,
		user: user,
		client: &client.Client{
			Dialer: c.Dialer, Locator: c.Locator, Now: c.Now, AllowRC4: c.AllowRC4, Salted: true,
		},
	}}
	c.Driver.DialFunc = l.dial
	base, err := gomysql.NewConnector(c.Driver)
	if err != nil {
		return nil, err
	}
	return &Connector{Connector: base, logins: l}, nil
}

// Connector makes connections for sql.OpenDB.
type Connector struct {
	driver.Connector
	logins *logins
}

// rememberFirst keeps, for one connector, the first host that it is given.
func rememberFirst() func(string) (string, error) {
	var mu sync.Mutex
	first := ""
	return func(host string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if first == "" {
			first = host
		}
		return first, nil
	}
}

// Connect logs in. Its error is an *Error, or ctx's own.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, explained(err, c.logins.cfg.secretKind(), false)
	}
	return conn, err
}

// Forget lets the next connection try the secret again, whatever the KDC said to it
// before: for a program that knows better, such as one whose operator has unlocked
// the account. A secret that is wrong all the same costs the account another try.
func (c *Connector) Forget() { c.logins.tickets.forget() }

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
