package kerberos_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

const rdsSPN = "mysql/mycluster.cluster-abc123.us-east-1.rds.amazonaws.com@CORP.EXAMPLE.COM"

// transcripts are logins to MariaDB 10.11 and to the lab's fake server, whose
// tickets MIT krb5 checked. The lab test records them.
var transcripts = []struct {
	file            string
	port            string
	user, principal string
	realm           string // announced
	number          uint16 // of the ERR, or 0
}{
	{"mariadb-login.txt", ":3306", "alice", "alice", "", 0},
	{"mariadb-login-over-trust.txt", ":3306", "carol", "carol", "", 0},
	{"mariadb-name-mismatch.txt", ":3306", "carol", "alice", "", 1045},
	{"mariadb-require-ssl.txt", ":3306", "alice_tls", "alice", "", 1045},
	{"authentication_kerberos-login.txt", ":3307", "alice", "alice", "CORP.EXAMPLE.COM", 0},
}

// recorded answers with the tokens of the recording.
type recorded struct {
	play         *mysqltest.Playback
	announcement kerberos.Announcement
	proof        []byte
}

func (r *recorded) Start(_ context.Context, plugin string, data []byte) (token []byte, err error) {
	r.announcement, err = kerberos.ParseSwitch(plugin, data)
	return r.play.Expected(), err
}

func (r *recorded) Next(_ context.Context, data []byte) ([]byte, error) {
	r.proof = data
	return nil, nil
}

func TestTranscripts(t *testing.T) {
	for _, c := range transcripts {
		t.Run(c.file, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			play := mysqltest.Play(b)
			auth := &recorded{play: play}
			conn, err := mysql.Login(t.Context(), play, mysql.Params{
				User: c.user, Auth: auth,
				Attrs: map[string]string{"_client_name": "kerbagent mysql/kerberos", "_pid": "1", "program_name": "kerbagent"},
			})
			if a := auth.announcement; a.Raw != rdsSPN || a.UserRealm != c.realm || a.Trailing != 0 {
				t.Errorf("announced %+v", a)
			}
			if c.number != 0 {
				var refused *mysql.ServerError
				if !errors.As(err, &refused) || refused.Number != c.number {
					t.Errorf("got %v, want the server's %d", err, c.number)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(auth.proof) < 100 || auth.proof[0] != 0x60 {
				t.Errorf("proof %x", auth.proof)
			}
			user, err := conn.Query(t.Context(), "SELECT CURRENT_USER()")
			if err != nil || user != c.user+"@%" {
				t.Errorf("current user %q, %v", user, err)
			}
			if err := conn.Quit(t.Context()); err != nil {
				t.Error(err)
			}
			if play.Left() != 0 {
				t.Errorf("%d packets were not said", play.Left())
			}
		})
	}
}
