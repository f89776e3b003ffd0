//go:build lab

package dbuser

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/mysqlfront"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

const primary, password = "kerb_primary", "not-a-secret-1"

// asRoot runs statements on MariaDB itself.
func asRoot(t *testing.T, statements string) string {
	t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "-N", "-S", labtest.State("db", "run", "sock"), "-uroot")
	cmd.Stdin = strings.NewReader(statements)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// cluster is MariaDB behind the front, with a primary user and none of ours.
func cluster(t *testing.T) (*mysqlfront.Front, *DB) {
	t.Helper()
	labtest.Up(t)
	const none = "DROP USER IF EXISTS 'Kerb.New'@'%', 'O''Neil'@'10.%', 'kerb.password'@'%';"
	asRoot(t, none+"CREATE OR REPLACE USER '"+primary+"'@'%' IDENTIFIED BY '"+password+"'; GRANT ALL ON *.* TO '"+primary+"'@'%' WITH GRANT OPTION;"+
		"CREATE USER 'kerb.password'@'%' IDENTIFIED BY 'other'")
	t.Cleanup(func() { asRoot(t, none+"DROP USER '"+primary+"'@'%'") })
	certificate, err := tls.LoadX509KeyPair(labtest.State("db", "tls", "srv.pem"), labtest.State("db", "tls", "srv.key"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := mysqlfront.New(certificate, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", labtest.Database+":3306")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := Open(t.Context(), options(t, front))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return front, db
}

func options(t *testing.T, front *mysqlfront.Front) Options {
	t.Helper()
	ca, err := os.ReadFile(labtest.CA())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return Options{Host: "127.0.0.1", Port: uint16(front.Addr().Port), User: primary, Password: []byte(password),
		TLS: &tls.Config{RootCAs: roots, ServerName: labtest.Endpoint}, Timeout: 10 * time.Second}
}

func TestLabUsersAreMadeOnce(t *testing.T) {
	front, db := cluster(t)
	if active, err := db.PluginActive(t.Context()); !active || err != nil {
		t.Errorf("plugin: %v, %v", active, err)
	}
	for _, c := range []struct {
		user User
		want []string
		twin string // in MariaDB
	}{
		{User{Name: "Kerb.New", Host: "%", Realm: "CORP.EXAMPLE.COM", Grants: grants(t, "SELECT, INSERT ON orders.*", "select ON mysql.user")},
			[]string{"CREATE USER 'Kerb.New'@'%' IDENTIFIED WITH 'authentication_kerberos' BY 'CORP.EXAMPLE.COM'",
				"GRANT SELECT, INSERT ON `orders`.* TO 'Kerb.New'@'%'", "GRANT SELECT ON `mysql`.`user` TO 'Kerb.New'@'%'"},
			"gssapi\tKerb.New@CORP.EXAMPLE.COM"},
		{User{Name: "Kerb.New", Host: "%", Realm: "ONPREM.LOCAL", Grants: grants(t, "SELECT, UPDATE ON orders.*")},
			[]string{"ALTER USER 'Kerb.New'@'%' IDENTIFIED WITH 'authentication_kerberos' BY 'ONPREM.LOCAL'", "GRANT UPDATE ON `orders`.* TO 'Kerb.New'@'%'"},
			"gssapi\tKerb.New@ONPREM.LOCAL"},
		{User{Name: "O'Neil", Host: "10.%", Realm: "CORP.EXAMPLE.COM"},
			[]string{"CREATE USER 'O''Neil'@'10.%' IDENTIFIED WITH 'authentication_kerberos' BY 'CORP.EXAMPLE.COM'"},
			"gssapi\tO'Neil@CORP.EXAMPLE.COM"},
	} {
		got, err := db.Missing(t.Context(), c.user)
		if err != nil || !slices.Equal(got, c.want) {
			t.Fatalf("%s: missing %q, %v", c.user.Name, got, err)
		}
		before := len(front.Statements())
		for _, s := range got {
			if err := db.Run(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		if seen := front.Statements()[before:]; !slices.Equal(seen, c.want) {
			t.Errorf("the server saw %q", seen)
		}
		if again, err := db.Missing(t.Context(), c.user); len(again) > 0 || err != nil {
			t.Errorf("%s: a second time %q is missing, %v", c.user.Name, again, err)
		}
		if twin := asRoot(t, "SELECT plugin, authentication_string FROM mysql.user WHERE User = '"+strings.ReplaceAll(c.user.Name, "'", "''")+"'"); strings.TrimSpace(twin) != c.twin {
			t.Errorf("MariaDB has %q", twin)
		}
	}
}

func TestLabPasswordsAreNotTakenAway(t *testing.T) {
	_, db := cluster(t)
	user := User{Name: "kerb.password", Host: "%", Realm: "CORP.EXAMPLE.COM"}
	if got, err := db.Missing(t.Context(), user); !errors.Is(err, ErrPassword) {
		t.Errorf("%q, %v", got, err)
	}
	user.Convert = true
	want := []string{"ALTER USER 'kerb.password'@'%' IDENTIFIED WITH 'authentication_kerberos' BY 'CORP.EXAMPLE.COM'"}
	if got, err := db.Missing(t.Context(), user); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := db.Missing(t.Context(), User{Name: primary, Host: "%", Realm: "CORP.EXAMPLE.COM", Convert: true}); !errors.Is(err, ErrPrimary) {
		t.Errorf("%q, %v", got, err)
	}
	// Names have case: the guide's own Admin@'%' is not the primary user admin. It
	// used to be refused.
	other := strings.ToUpper(primary)
	if got, err := db.Missing(t.Context(), User{Name: other, Host: "%", Realm: "CORP.EXAMPLE.COM"}); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "CREATE USER '"+other+"'@'%'") {
		t.Errorf("%s: %q, %v", other, got, err)
	}
}

// What the file does not grant any more is revoked, where that is asked for.
func TestLabRevoke(t *testing.T) {
	_, db := cluster(t)
	user := User{Name: "Kerb.New", Host: "%", Realm: "CORP.EXAMPLE.COM", Grants: grants(t, "SELECT, INSERT ON orders.*", "SELECT ON mysql.user")}
	run := func(want ...string) {
		t.Helper()
		got, err := db.Missing(t.Context(), user)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("missing %q, %v", got, err)
		}
		for _, s := range got {
			if err := db.Run(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	run("CREATE USER 'Kerb.New'@'%' IDENTIFIED WITH 'authentication_kerberos' BY 'CORP.EXAMPLE.COM'",
		"GRANT SELECT, INSERT ON `orders`.* TO 'Kerb.New'@'%'", "GRANT SELECT ON `mysql`.`user` TO 'Kerb.New'@'%'")
	user.Grants = grants(t, "SELECT ON orders.*")
	run()
	user.Revoke = true
	run("REVOKE INSERT ON `orders`.* FROM 'Kerb.New'@'%'", "REVOKE SELECT ON `mysql`.`user` FROM 'Kerb.New'@'%'")
	run()
}

func grants(t *testing.T, texts ...string) []config.Grant {
	t.Helper()
	var out []config.Grant
	for _, s := range texts {
		g, err := config.ReadGrant(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

// What is quoted stays quoted, whatever sql_mode the server has.
func TestLabQuotingUnderEverySQLMode(t *testing.T) {
	for _, mode := range []string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"} {
		t.Run(mode, func(t *testing.T) {
			_, db := cluster(t)
			if err := db.Run(t.Context(), "SET SESSION sql_mode = '"+mode+"'"); err != nil {
				t.Fatal(err)
			}
			user := User{Name: "O'Neil", Host: "10.%", Realm: "CORP.EXAMPLE.COM", Grants: grants(t, "SELECT ON `a\"b``c`.*")}
			statements, err := db.Missing(t.Context(), user)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range statements {
				if err := db.Run(t.Context(), s); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
			}
			if again, err := db.Missing(t.Context(), user); len(again) > 0 || err != nil {
				t.Errorf("a second time %q is missing, %v", again, err)
			}
		})
	}
}

func TestLabTheServerMustProveItself(t *testing.T) {
	front, _ := cluster(t)
	o := options(t, front)
	o.TLS.ServerName = "another.example.com"
	if db, err := Open(t.Context(), o); err == nil {
		db.Close()
		t.Error("logged in to a server of another name")
	}
	o.TLS = nil
	if _, err := Open(t.Context(), o); err == nil {
		t.Error("logged in without TLS")
	}
}
