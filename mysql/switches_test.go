package mysql_test

import (
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// switchCase is what a server says to a user, and to the junk after it. The
// cases run against transcripts of MariaDB 10.11, and in the lab against itself.
type switchCase struct {
	name, file string
	user       string
	plugin     string
	data       string // the switch's begins with this
	number     uint16 // of the ERR in the end
}

var switches = []switchCase{
	{"a gssapi user", "mariadb-gssapi.txt", "alice", "auth_gssapi_client", "mysql/mycluster.cluster-abc123.us-east-1.rds.amazonaws.com@CORP.EXAMPLE.COM\x00", 1105},
	{"a password user", "mariadb-native.txt", "pwuser", "mysql_native_password", "", 1045},
	{"an unknown user", "mariadb-unknown.txt", "nosuchuser", "mysql_native_password", "", 1045},
}

// run goes as far as the switch, and leaves. live: a real server, not a transcript.
func (s switchCase) run(t *testing.T, c *mysql.Conn, secure *tls.Config, live bool) {
	t.Helper()
	g, err := c.Greeting(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(g.Version, "MariaDB") || g.Capabilities.Has(mysql.LongPassword) {
		t.Errorf("greeting %+v", g)
	}
	if secure != nil {
		if _, err := c.StartTLS(within(t), secure); err != nil {
			t.Fatal(err)
		}
	}
	sw, err := c.Respond(within(t), s.user, map[string]string{"program_name": "kerbagent"})
	if err != nil {
		t.Fatal(err)
	}
	if live && s.user == "nosuchuser" && sw.Plugin == switches[0].plugin {
		// MariaDB plays the plugin of any account that it has to a user that it
		// has not; which one depends on the accounts.
		s.plugin, s.data, s.number = switches[0].plugin, switches[0].data, switches[0].number
	}
	if sw.Plugin != s.plugin || !strings.HasPrefix(string(sw.Data), s.data) {
		t.Errorf("switch to %q with %q", sw.Plugin, sw.Data)
	}
	serverError(t, c.Abandon(within(t), sw), s.number)
	if !c.Finished() {
		t.Error("not finished")
	}
}

func TestTranscripts(t *testing.T) {
	for _, c := range switches {
		t.Run(c.name, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			p := mysqltest.Play(b)
			c.run(t, mysql.NewConn(p), nil, false)
			if p.Left() != 0 {
				t.Errorf("%d packets were not said", p.Left())
			}
		})
	}
}
