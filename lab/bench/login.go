package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

// logIn logs alice in again and again: a new ticket, a new connection, TLS, who
// am I, and the end. With keep, the key that the password was stretched to is
// kept from one login to the next, as a daemon does it; without, each login
// begins from nothing, as a program that is started for it does.
func logIn(b bench, keep bool) error {
	ca, err := os.ReadFile(filepath.Join(b.state, "db", "tls", "ca.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return fmt.Errorf("no certificate in the database's CA file")
	}
	pw, err := os.ReadFile(filepath.Join(b.state, "secrets", "user"))
	if err != nil {
		return err
	}
	secret := client.Password(pw)
	for range b.logins {
		if !keep {
			secret = client.Password(pw)
		}
		if err := once(context.Background(), secret, roots); err != nil {
			return err
		}
	}
	return nil
}

func once(ctx context.Context, secret client.Secret, roots *x509.CertPool) error {
	user := client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}
	session, err := (&client.Client{Beside: true}).TGT(ctx, user, secret)
	if err != nil {
		return err
	}
	defer session.Close()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(endpoint, "3306"))
	if err != nil {
		return err
	}
	auth := kerberos.NewAuthenticator(kerberos.Options{User: user, Session: func(context.Context) (*client.Session, error) { return session, nil }})
	conn, err := mysql.Login(ctx, nc, mysql.Params{User: "alice", TLS: &tls.Config{RootCAs: roots, ServerName: endpoint}, Auth: auth})
	if err != nil {
		return err
	}
	who, err := conn.Query(ctx, "SELECT CURRENT_USER()")
	if err != nil {
		return err
	}
	if who != "alice@%" || !auth.Proven {
		return fmt.Errorf("logged in as %q, server proven: %v", who, auth.Proven)
	}
	return conn.Quit(ctx)
}
