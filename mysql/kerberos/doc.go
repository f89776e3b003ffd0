// Package kerberos logs in to MySQL, Aurora MySQL and MariaDB with Kerberos,
// through database/sql and the unmodified github.com/go-sql-driver/mysql.
//
//	connector, err := kerberos.NewConnector(kerberos.Config{
//		User:         "alice",
//		Realm:        "CORP.EXAMPLE.COM",
//		PasswordFile: "/run/secrets/alice",
//		Addr:         "orders.cluster-abc123.us-east-1.rds.amazonaws.com:3306",
//		TLS:          &tls.Config{RootCAs: rdsBundle},
//	})
//	if err != nil { … }
//	db := sql.OpenDB(connector)
//
// No cgo, no libkrb5, no krb5.conf, no credential cache is needed, and no ticket
// is written anywhere. Accounts are those of authentication_kerberos (MySQL,
// Aurora) and of gssapi (MariaDB).
//
// # How a login goes
//
// The first connection gets a ticket granting ticket from a KDC of the user's
// realm, over TCP. Each connection then learns from the database itself which
// service principal to ask for, gets a ticket for it (over a trust, where the
// database lives in another realm), and proves the user with it. The password
// never leaves the process. The ticket granting ticket is kept in memory until
// shortly before it expires, so that a pool of connections costs the KDC one
// login; service tickets are not kept, because a database whose keytab is
// rotated accepts new ones only.
//
// # Who the server is
//
// The service principal comes from the server, so a ticket alone proves little
// about it: TLS does. It is on unless Config.WithoutTLS is set, and verifies the
// certificate against Config.Addr's host. Before a ticket is asked for,
// Config.AllowSPN is asked whether the announced principal is one of ours; by
// default its service must be mysql or mariadb and its realm the user's or one
// of Config.Realms. Config.Mutual says whether the server must prove that it
// holds the principal's key.
//
// # A wrong password
//
// Directories lock an account after a few wrong passwords, and a connection pool
// retries forever. So a refusal of a proof with the secret (wrong password, account
// locked, disabled or expired, password expired) is final for a connector: every
// further connection gets the same *RefusedError without a packet being sent, until
// the secret has changed. A proof that gets no answer may have counted against the
// account: after two of them in 30 minutes, connections get a *WaitError. Any other
// answer, which a forger can send as well as a KDC, holds for a minute.
// [Connector.Forget] ends all of these.
//
// # Contexts that end
//
// A server blocks this host, every program on it, after max_connect_errors logins
// that broke off in the middle. So the end of a caller's context ends the caller's
// wait and not the login: that goes on in the background within Config.Timeout, and
// its connection is closed in good order. At most four logins of a connector are
// under way at a time; further callers wait for their turn before anything is dialled.
//
// # The driver's settings
//
// Config.Driver takes a *mysql.Config for what happens after the login: DBName,
// ParseTime, Loc, Params, MultiStatements and so on. What this package decides
// itself (User, Passwd, Addr, TLS, DialFunc) must be left alone there.
// Compression and LOAD DATA LOCAL INFILE are off.
//
// # The parts
//
// [Authenticator] is the login's Kerberos half by itself, for programs that drive
// package mysql step by step, and [ParseSwitch] reads what a server announces.
//
// The package joins mysql and krb5/client. It must not import gokrb5, probe or
// config, and does not log.
package kerberos
