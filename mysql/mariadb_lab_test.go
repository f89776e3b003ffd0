//go:build lab

package mysql_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

var update = flag.Bool("update", false, "record the transcripts in testdata anew")

const labDatabase = "mycluster.cluster-abc123.us-east-1.rds.amazonaws.com"

func labDial(t *testing.T) *mysqltest.Recording {
	t.Helper()
	c, err := net.Dial("tcp", net.JoinHostPort(labDatabase, "3306"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return mysqltest.Record(c)
}

func labTLS(t *testing.T) *tls.Config {
	t.Helper()
	state := os.Getenv("LAB_STATE")
	if state == "" {
		state = "/var/tmp/krb-lab"
	}
	ca, err := os.ReadFile(filepath.Join(state, "db/tls/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &tls.Config{RootCAs: pool, ServerName: labDatabase, MinVersion: tls.VersionTLS13}
}

// The real server's words for users that a probe meets, plain and over TLS.
func TestMariaDBSwitches(t *testing.T) {
	for _, c := range switches {
		t.Run(c.name, func(t *testing.T) {
			wire := labDial(t)
			c.run(t, mysql.NewConn(wire), nil, true)
			if *update {
				if err := os.WriteFile("testdata/"+c.file, wire.Transcript(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			c.run(t, mysql.NewConn(labDial(t)), labTLS(t), true)
		})
	}
}

func TestMariaDBCertificate(t *testing.T) {
	var ca x509.UnknownAuthorityError
	var name x509.HostnameError
	wrongName := labTLS(t)
	wrongName.ServerName = "db.example.com"
	for label, c := range map[string]struct {
		cfg  *tls.Config
		want any
	}{
		"the system's CAs": {&tls.Config{ServerName: labDatabase}, &ca},
		"another name":     {wrongName, &name},
	} {
		t.Run(label, func(t *testing.T) {
			conn := mysql.NewConn(labDial(t))
			if _, err := conn.Greeting(within(t)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.StartTLS(within(t), c.cfg); !errors.As(err, c.want) {
				t.Errorf("got %v", err)
			}
			// MariaDB gives a user that does not exist any plugin, and so either
			// 1045 or gssapi's 1105.
			var refused *mysql.ServerError
			if err := conn.Abandon(within(t), nil); !errors.As(err, &refused) || !conn.Finished() {
				t.Errorf("ended in %v", err)
			}
		})
	}
}
