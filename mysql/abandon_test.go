package mysql_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// Each plugin of the fake server insists on the form of its packets: an answer
// of another form is ERROR 1043, which counts.
func TestAbandonEveryPlugin(t *testing.T) {
	for _, plugin := range []string{
		mysqltest.Kerberos, mysqltest.GSSAPI, mysqltest.NativePassword, mysqltest.CachingSHA2,
		"sha256_password", "client_ed25519", "mysql_old_password", "mysql_clear_password", "dialog", "parsec", "never_heard_of",
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", plugin, secure), func(t *testing.T) {
				s := serve(t, mysqltest.Config{MaxConnectErrors: 1})
				fault(t, s, mysqltest.Faults{Plugin: plugin})
				c := greeted(t, s)
				if secure {
					if _, err := c.StartTLS(within(t), trust(t, s)); err != nil {
						t.Fatal(err)
					}
				}
				sw, err := c.Respond(within(t), "alice", nil)
				if err != nil {
					t.Fatal(err)
				}
				if sw.Plugin != plugin {
					t.Errorf("switched to %q", sw.Plugin)
				}
				serverError(t, c.Abandon(within(t), sw), 1045)
				if !c.Finished() {
					t.Error("not finished")
				}
				harmless(t, s)
			})
		}
	}
}

// ERROR 1043 is the ERR that the server counts, and so must we.
func TestBadHandshakeIsNotFinished(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	fault(t, s, mysqltest.Faults{Plugin: mysqltest.NativePassword})
	c := greeted(t, s)
	if _, err := c.Respond(within(t), "alice", nil); err != nil {
		t.Fatal(err)
	}
	_, err := c.Answer(within(t), make([]byte, 13))
	serverError(t, err, 1043)
	s.Wait(1)
	if c.Finished() || s.Stats().Errors != 1 {
		t.Errorf("finished: %v; the server counts %+v", c.Finished(), s.Stats())
	}
}

func TestAbandonOpenAccount(t *testing.T) {
	s := serve(t, mysqltest.Config{Users: map[string]mysqltest.User{"alice": {Open: true}}})
	c := greeted(t, s)
	sw, err := c.Respond(within(t), "alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Abandon(within(t), sw); !errors.Is(err, mysql.ErrOpenAccount) {
		t.Errorf("got %v", err)
	}
	harmless(t, s)
}

// A token of ours that the server has taken is no open account, and its AP-REP
// wants no answer.
func TestAbandonAfterToken(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	wire := &counted{Conn: dial(t, s)}
	c := mysql.NewConn(wire)
	if _, err := c.Greeting(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Respond(within(t), "alice", nil); err != nil {
		t.Fatal(err)
	}
	r, err := c.Answer(within(t), []byte("ticket of alice@"+realm))
	if err != nil || r.Kind != mysql.More || string(r.Data) != "`proof" {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := c.Abandon(within(t), nil); err != nil {
		t.Error(err)
	}
	if got := wire.writes.Load(); got != 3 {
		t.Errorf("%d writes, want 3: login packet, token, COM_QUIT", got)
	}
	harmless(t, s)
	if s.Stats().Logins != 1 {
		t.Error("the OK was not waited for")
	}
}

// What the package exists for: whatever happens to logins, the host is never
// blocked, at the lowest limit there is.
func TestNeverBlocked(t *testing.T) {
	s := serve(t, mysqltest.Config{
		MaxConnectErrors: 1,
		Users:            map[string]mysqltest.User{"alice": {}, "pw": {Plugin: mysqltest.CachingSHA2}},
	})
	other := trust(t, serve(t, mysqltest.Config{}))
	for i := range 40 {
		for _, user := range []string{"alice", "pw", "nobody"} {
			p := mysql.Params{User: user, Auth: &ticket{of: "bob"}}
			switch i % 3 {
			case 0:
				p.TLS = trust(t, s)
			case 1:
				p.TLS = other // does not verify
			}
			if _, err := mysql.Login(within(t), dial(t, s), p); err == nil {
				t.Fatal("logged in")
			}
		}
	}
	s.Wait(120)
	if st := s.Stats(); st.Unfinished != 0 || st.Blocked != 0 || st.Refused != 120 {
		t.Errorf("%+v", st)
	}
}
