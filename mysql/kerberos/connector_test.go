package kerberos_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

func TestLogin(t *testing.T) {
	for _, flavour := range []mysqltest.Flavour{mysqltest.MySQL, mysqltest.MariaDB} {
		for _, mutual := range []kerberos.Mutual{kerberos.Prefer, kerberos.Require, kerberos.Off} {
			for _, clear := range []bool{false, true} {
				t.Run(fmt.Sprintf("flavour %d, mutual %d, in the clear %v", flavour, mutual, clear), func(t *testing.T) {
					w := newWorld(t, mysqltest.Config{Flavour: flavour, WithoutEOF: clear})
					cfg := w.config(t)
					cfg.Mutual = mutual
					if clear {
						cfg.TLS, cfg.WithoutTLS = nil, true
					}
					db, err := connect(t, cfg)
					if err != nil {
						t.Fatal(err)
					}
					wantUser(t, db, "alice@%")
					w.harmless(t, db)
				})
			}
		}
	}
}

func TestLoginOverTrust(t *testing.T) {
	w := newWorld(t, mysqltest.Config{Flavour: mysqltest.MariaDB})
	cfg := w.config(t)
	cfg.User, cfg.Realm, cfg.Password, cfg.Realms = "carol", onprem, []byte("Carol-Passw0rd1"), []string{corp}
	db, err := connect(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, db, "carol@%")
	w.harmless(t, db)
}

func TestKeytab(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	keytab, err := w.corp.Keytab("alice")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password, cfg.Keytab = nil, write(t, "alice.keytab", keytab)
	db, err := connect(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, db, "alice@%")
}

// A realm that the server does not name is the user's, unless the caller knows
// better.
func TestSPNWithoutRealm(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.fault(t, mysqltest.Faults{SPN: "mysql/DB1.corp.example.com:3306"})
	w.corp.AddService("mysql/DB1.corp.example.com:3306")
	var asked string
	cfg := w.config(t)
	cfg.ServiceRealm = func(host string) string {
		asked = host
		return "ELSEWHERE.TEST"
	}
	_, err := connect(t, cfg)
	var e *kerberos.SPNError
	if !errors.As(err, &e) || e.SPN.String() != "mysql/DB1.corp.example.com:3306@ELSEWHERE.TEST" || asked != "db1.corp.example.com" {
		t.Errorf("asked for the realm of %q: %v", asked, err)
	}
	cfg.ServiceRealm = nil
	connect(t, cfg)
	if names := w.kdc.Requests().Services; len(names) != 1 || names[0] != "mysql/DB1.corp.example.com:3306@"+corp {
		t.Errorf("asked for %q", names)
	}
}

// What a hostile or wrong server announces costs the KDC nothing.
func TestNoTicketIsAskedFor(t *testing.T) {
	for name, c := range map[string]struct {
		faults mysqltest.Faults
		as     any
	}{
		"another service": {mysqltest.Faults{SPN: "cifs/dc1.corp.example.com@" + corp}, new(*kerberos.SPNError)},
		"the KDC itself":  {mysqltest.Faults{SPN: "krbtgt/CORP.EXAMPLE.COM@" + corp}, new(*kerberos.SPNError)},
		"another realm":   {mysqltest.Faults{SPN: spn + "@EVIL.TEST"}, new(*kerberos.SPNError)},
		"account's realm": {mysqltest.Faults{Realm: onprem}, new(*kerberos.RealmError)},
		"other plugin":    {mysqltest.Faults{Plugin: mysqltest.CachingSHA2}, new(*kerberos.NotKerberosError)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			w.fault(t, c.faults)
			db, err := connect(t, w.config(t))
			if !errors.As(err, c.as) {
				t.Errorf("got %v", err)
			}
			if n := w.kdc.Requests().TGS; n != 0 {
				t.Errorf("%d tickets were asked for", n)
			}
			w.harmless(t, db)
		})
	}
}

func TestAllowSPN(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	cfg.AllowSPN = func(p client.Principal) bool { return p.Name == "mysql/db2.corp.example.com" }
	_, err := connect(t, cfg)
	var e *kerberos.SPNError
	if !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

func TestServerSays(t *testing.T) {
	for name, c := range map[string]struct {
		faults mysqltest.Faults
		mutual kerberos.Mutual
		is     error
		number uint16
	}{
		"token rejected":       {mysqltest.Faults{RejectToken: true}, kerberos.Prefer, nil, 1045},
		"denied":               {mysqltest.Faults{DenyAfterProof: mysqltest.Denied("alice")}, kerberos.Prefer, nil, 1045},
		"plugin missing":       {mysqltest.Faults{PluginMissing: true}, kerberos.Prefer, nil, 1524},
		"blocked":              {mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129, Message: "blocked"}}, kerberos.Prefer, nil, 1129},
		"no TLS":               {mysqltest.Faults{NoTLS: true}, kerberos.Prefer, mysql.ErrNoTLS, 0},
		"no proof, required":   {mysqltest.Faults{NoProof: true}, kerberos.Require, kerberos.ErrNoProof, 0},
		"no proof, preferred":  {mysqltest.Faults{NoProof: true}, kerberos.Prefer, nil, 0},
		"bad proof, preferred": {mysqltest.Faults{BadProof: true}, kerberos.Prefer, client.ErrUnproven, 0},
		"bad proof, required":  {mysqltest.Faults{BadProof: true}, kerberos.Require, client.ErrUnproven, 0},
		"second factor":        {mysqltest.Faults{SecondFactor: true}, kerberos.Prefer, mysql.ErrSecondSwitch, 0},
		"switch cut short":     {mysqltest.Faults{SwitchData: []byte{200, 0, 'm'}}, kerberos.Prefer, mysql.ErrMalformed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			w.fault(t, c.faults)
			cfg := w.config(t)
			cfg.Mutual = c.mutual
			db, err := connect(t, cfg)
			var refused *mysql.ServerError
			switch {
			case c.number != 0:
				if !errors.As(err, &refused) || refused.Number != c.number {
					t.Errorf("got %v, want the server's %d", err, c.number)
				}
			case !errors.Is(err, c.is):
				t.Errorf("got %v, want %v", err, c.is)
			}
			w.harmless(t, db)
		})
	}
}

func TestCertificate(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.fault(t, mysqltest.Faults{Certificate: mysqltest.OtherCA})
	db, err := connect(t, w.config(t))
	var cert *tls.CertificateVerificationError
	if !errors.As(err, &cert) {
		t.Errorf("got %v", err)
	}
	if n := w.kdc.Requests().TGS; n != 0 {
		t.Errorf("%d tickets were asked for", n)
	}
	w.harmless(t, db)
}

func TestUnknownService(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.corp.Remove(spn)
	db, err := connect(t, w.config(t))
	var k *kdcwire.KRBError
	if !errors.As(err, &k) || k.Code != 7 {
		t.Errorf("got %v", err)
	}
	w.harmless(t, db)
}

// The settings of the driver that its login packet would have carried.
func TestDriverSettings(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	cfg.Driver = gomysql.NewConfig()
	cfg.Driver.DBName = "orders"
	cfg.Driver.ClientFoundRows = true
	cfg.Driver.MultiStatements = true
	cfg.Driver.Collation = "utf8mb4_bin"
	cfg.Driver.Params = map[string]string{"sql_mode": "'ANSI'"}
	cfg.Driver.ConnectionAttributes = "program_name:orders,tier:web"
	db, err := connect(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"USE orders", "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET sql_mode = 'ANSI'"}
	if diff := cmp.Diff(want, w.db.Statements()); diff != "" {
		t.Error(diff)
	}
	login := w.db.LastLogin()
	if !login.Capabilities.Has(mysql.FoundRows | mysql.MultiStatements) {
		t.Errorf("capabilities %#x", uint32(login.Capabilities))
	}
	if login.Capabilities&(mysql.LocalFiles|mysql.ConnectWithDB|mysql.Compress) != 0 || len(login.Response) != 0 {
		t.Errorf("asked for too much: %+v", login)
	}
	if login.Attrs["program_name"] != "orders" || login.Attrs["tier"] != "web" || login.Attrs["_pid"] == "" {
		t.Errorf("attributes %v", login.Attrs)
	}
	wantUser(t, db, "alice@%")
	w.harmless(t, db)
}

// A connection that died in the pool is noticed before it is used.
func TestDeadConnection(t *testing.T) {
	for _, clear := range []bool{false, true} {
		w := newWorld(t, mysqltest.Config{})
		cfg := w.config(t)
		if clear {
			cfg.TLS, cfg.WithoutTLS = nil, true
		}
		db, err := connect(t, cfg)
		if err != nil {
			t.Fatal(err)
		}
		w.db.Hangup()
		// Not by QueryRow: database/sql would try a query again by itself.
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.PingContext(t.Context()); err != nil {
			t.Errorf("in the clear %v: got a dead connection: %v", clear, err)
		}
		c.Close()
	}
}

func TestCancelQuery(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	db, err := connect(t, w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "SELECT SLEEP(1000)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	wantUser(t, db, "alice@%")
}

// Many connections at once are many tickets for the service, and one login.
func TestPoolIsOneLogin(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	db := pool(t, w.config(t))
	const n = 12
	conns := make(chan *sql.Conn)
	for range n {
		go func() {
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Error(err)
			}
			conns <- c
		}()
	}
	var all []*sql.Conn
	for range n {
		if c := <-conns; c != nil {
			all = append(all, c)
		}
	}
	for _, c := range all {
		c.Close()
	}
	r := w.kdc.Requests()
	if r.Preauth["alice"] != 1 || r.AS != 1 || r.TGS != n {
		t.Errorf("%+v", r)
	}
	w.harmless(t, db)
}

func TestTicketIsReplacedInTime(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	db := pool(t, cfg)
	db.SetMaxIdleConns(-1) // a new connection for each ping
	for _, c := range []struct {
		later  time.Duration
		logins int
	}{
		{0, 1}, {9 * time.Hour, 1}, {50 * time.Minute, 1}, {6 * time.Minute, 2}, {time.Hour, 2},
	} {
		w.clock.advance(c.later)
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.kdc.Requests().Preauth["alice"]; got != c.logins {
			t.Errorf("%v later: %d logins, want %d", c.later, got, c.logins)
		}
	}
}

func TestKDCComesBack(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.faults.Set(krb5test.Script{CloseTCP: true})
	db, err := connect(t, w.config(t))
	var step *client.StepError
	var refused *kerberos.RefusedError
	if !errors.As(err, &step) || errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
	if n := w.db.Stats().Connections; n != 0 {
		t.Errorf("%d connections to the database without a ticket", n)
	}
	w.faults.Set(krb5test.Script{})
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}
