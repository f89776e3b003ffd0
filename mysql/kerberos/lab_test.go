//go:build lab

package kerberos_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

var update = flag.Bool("update", false, "record the transcripts in testdata anew")

const labDatabase = "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"

func labFile(name string) string {
	state := os.Getenv("LAB_STATE")
	if state == "" {
		state = "/var/tmp/krb-lab"
	}
	return filepath.Join(state, name)
}

func labTLS(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(labFile("db/tls/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// alice is a user of the directory that the database is in, with the KDCs found
// by DNS.
func alice(t *testing.T) kerberos.Config {
	t.Helper()
	return kerberos.Config{
		User: "alice", Realm: "CORP.EXAMPLE.COM", Password: []byte("Alice-Passw0rd1"),
		Addr: labDatabase + ":3306", TLS: labTLS(t), Mutual: kerberos.Require,
	}
}

// carol comes over the forest trust.
func carol(t *testing.T) kerberos.Config {
	t.Helper()
	cfg := alice(t)
	cfg.User, cfg.Realm, cfg.Password = "carol", "ONPREM.LOCAL", []byte("Carol-Passw0rd1")
	cfg.Realms = []string{"CORP.EXAMPLE.COM"}
	return cfg
}

func open(t *testing.T, cfg kerberos.Config) *sql.DB {
	t.Helper()
	connector, err := kerberos.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func currentUser(t *testing.T, db *sql.DB, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got string
	if err := db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("current user %q, want %q", got, want)
	}
}

func TestMariaDB(t *testing.T) {
	for name, cfg := range map[string]func(*testing.T) kerberos.Config{
		"alice":                alice,
		"carol over the trust": carol,
		"alice, keytab": func(t *testing.T) kerberos.Config {
			cfg := alice(t)
			cfg.Password, cfg.Keytab = nil, labFile("keytabs/alice.keytab")
			return cfg
		},
		"alice, no mutual authentication": func(t *testing.T) kerberos.Config {
			cfg := alice(t)
			cfg.Mutual = kerberos.Off
			return cfg
		},
		"alice, in the clear": func(t *testing.T) kerberos.Config {
			cfg := alice(t)
			cfg.TLS, cfg.WithoutTLS = nil, true
			return cfg
		},
		"alice_tls, REQUIRE SSL": func(t *testing.T) kerberos.Config {
			cfg := alice(t)
			cfg.User, cfg.Principal = "alice_tls", "alice"
			return cfg
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := cfg(t)
			currentUser(t, open(t, c), c.User+"@%")
		})
	}
}

func TestMariaDBThroughDatabaseSQL(t *testing.T) {
	cfg := alice(t)
	cfg.Driver = gomysql.NewConfig()
	cfg.Driver.ParseTime = true
	cfg.Driver.MultiStatements = true
	cfg.Driver.DBName = "information_schema"
	cfg.Driver.Collation = "utf8mb4_unicode_ci"
	cfg.Driver.Params = map[string]string{"time_zone": "'+01:00'"}
	db := open(t, cfg)
	ctx := t.Context()
	if err := db.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	stmt, err := db.PrepareContext(ctx, "SELECT ? + 1, CURRENT_USER()")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	var n int
	var user string
	if err := stmt.QueryRowContext(ctx, 41).Scan(&n, &user); err != nil || n != 42 || user != "alice@%" {
		t.Errorf("prepared: %d, %q, %v", n, user, err)
	}
	var database, collation, zone string
	var now time.Time
	err = db.QueryRowContext(ctx, "SELECT DATABASE(), @@collation_connection, @@time_zone, NOW()").Scan(&database, &collation, &zone, &now)
	if err != nil || database != "information_schema" || collation != "utf8mb4_unicode_ci" || zone != "+01:00" || now.IsZero() {
		t.Errorf("%q, %q, %q, %v, %v", database, collation, zone, now, err)
	}
	if _, err := db.ExecContext(ctx, "SELECT 1; SELECT 2"); err != nil {
		t.Errorf("several statements: %v", err)
	}
	var e *gomysql.MySQLError
	if _, err := db.ExecContext(ctx, "SELECT FROM"); !errors.As(err, &e) || e.Number != 1064 {
		t.Errorf("got %v", err)
	}
	var text string // longer than one packet of a careless reader
	if err := db.QueryRowContext(ctx, "SELECT REPEAT('kerberos', 40000)").Scan(&text); err != nil || text != strings.Repeat("kerberos", 40000) {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// A pool costs the KDC one login: 20 connections at once.
func TestMariaDBPool(t *testing.T) {
	db := open(t, alice(t))
	conns := make([]*sql.Conn, 20)
	errs := make(chan error)
	for i := range conns {
		go func() {
			var err error
			conns[i], err = db.Conn(t.Context())
			errs <- err
		}()
	}
	for range conns {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	seen := map[int]bool{}
	for _, c := range conns {
		if c == nil {
			continue
		}
		var id int
		if err := c.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id); err != nil {
			t.Error(err)
		}
		seen[id] = true
		c.Close()
	}
	if len(seen) != 20 {
		t.Errorf("%d connections", len(seen))
	}
}

func TestMariaDBRefusals(t *testing.T) {
	t.Run("REQUIRE SSL in the clear", func(t *testing.T) {
		cfg := alice(t)
		cfg.User, cfg.Principal, cfg.TLS, cfg.WithoutTLS = "alice_tls", "alice", nil, true
		err := open(t, cfg).PingContext(t.Context())
		var refused *mysql.ServerError
		if !errors.As(err, &refused) || refused.Number != 1045 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no account", func(t *testing.T) {
		cfg := alice(t)
		cfg.User, cfg.Principal = "nosuchuser", "alice"
		err := open(t, cfg).PingContext(t.Context())
		// MariaDB gives a user that does not exist any plugin.
		var other *kerberos.NotKerberosError
		var refused *mysql.ServerError
		if !errors.As(err, &other) && !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("SPN not allowed", func(t *testing.T) {
		cfg := carol(t)
		cfg.Realms = nil
		err := open(t, cfg).PingContext(t.Context())
		var spn *kerberos.SPNError
		if !errors.As(err, &spn) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		cfg := alice(t)
		cfg.TLS = nil
		err := open(t, cfg).PingContext(t.Context())
		var cert *tls.CertificateVerificationError
		if !errors.As(err, &cert) {
			t.Errorf("got %v", err)
		}
	})
}

// recording is a Dialer that records the conversation with the database.
type recording struct {
	net.Dialer
	last *mysqltest.Recording
}

func (r *recording) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := r.Dialer.DialContext(ctx, network, addr)
	if err != nil || !strings.HasPrefix(addr, labDatabase) {
		return c, err
	}
	r.last = mysqltest.Record(c)
	return r.last, nil
}

// The conversations that TestTranscripts plays: in the clear, one statement.
func TestRecord(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.file, func(t *testing.T) {
			cfg := alice(t)
			if c.principal == "carol" {
				cfg = carol(t)
			}
			wire := &recording{}
			cfg.User, cfg.Principal, cfg.Addr = c.user, c.principal, labDatabase+c.port
			cfg.Dialer, cfg.TLS, cfg.WithoutTLS = wire, nil, true
			cfg.Driver = gomysql.NewConfig()
			cfg.Driver.ConnectionAttributes = "_pid:1,program_name:kerbagent"
			db := open(t, cfg)
			var got string
			err := db.QueryRowContext(t.Context(), "SELECT CURRENT_USER()").Scan(&got)
			var refused *mysql.ServerError
			switch {
			case c.number != 0 && (!errors.As(err, &refused) || refused.Number != c.number):
				t.Errorf("got %v, want the server's %d", err, c.number)
			case c.number == 0 && (err != nil || got != c.user+"@%"):
				t.Errorf("got %q, %v", got, err)
			}
			db.Close()
			if *update {
				if err := os.WriteFile("testdata/"+c.file, wire.last.Transcript(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The lab's fake server has MIT's GSSAPI check the ticket.
func TestFakeMySQL(t *testing.T) {
	for name, mutual := range map[string]kerberos.Mutual{"mutual": kerberos.Require, "not mutual": kerberos.Off} {
		t.Run(name, func(t *testing.T) {
			cfg := alice(t)
			cfg.Addr, cfg.TLS, cfg.WithoutTLS, cfg.Mutual = labDatabase+":3307", nil, true, mutual
			currentUser(t, open(t, cfg), "alice@%")
		})
	}
}
