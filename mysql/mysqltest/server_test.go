package mysqltest_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	gomysql "github.com/go-sql-driver/mysql"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

func serve(t *testing.T, cfg mysqltest.Config) *mysqltest.Server {
	t.Helper()
	cfg.Users = map[string]mysqltest.User{
		"alice": {},
		"pw":    {Plugin: mysqltest.NativePassword, Password: "Pw-User1"},
		"open":  {Open: true},
	}
	s, err := mysqltest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// wire is a client without manners: it can stop anywhere.
type wire struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, s *mysqltest.Server) wire {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return wire{c, t}
}

func (w wire) say(seq byte, payload []byte) {
	w.t.Helper()
	if _, err := w.Write(mysql.AppendPacket(nil, seq, payload)); err != nil {
		w.t.Fatal(err)
	}
}

func (w wire) hear() []byte {
	w.t.Helper()
	_, b, err := mysql.ReadPacket(w, 1<<16)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w wire) refused(number uint16) {
	w.t.Helper()
	if b := w.hear(); len(b) < 3 || b[0] != 0xff || uint16(b[1])|uint16(b[2])<<8 != number {
		w.t.Errorf("got %q, want ERR %d", b, number)
	}
}

// login sends the login packet and reads what comes.
func (w wire) login(user string) []byte {
	w.t.Helper()
	w.hear()
	w.say(1, (&mysql.LoginPacket{
		Capabilities: mysql.Protocol41 | mysql.SecureConn | mysql.PluginAuth, User: user, Plugin: mysql.KerberosPlugin,
	}).Marshal())
	return w.hear()
}

// The table of shared/facts/measured-baselines.md: which endings count.
func TestWhichEndingsCount(t *testing.T) {
	for name, c := range map[string]struct {
		talk           func(wire)
		mysql, mariadb int // connection errors
	}{
		"connect and close":      {func(w wire) {}, 1, 1},
		"greeting, then close":   {func(w wire) { w.hear() }, 1, 1},
		"greeting, then quit":    {func(w wire) { w.hear(); w.say(1, []byte{1}) }, 1, 1},
		"greeting, then nothing": {func(w wire) { w.hear(); w.say(1, nil) }, 1, 1},
		"TLS, then close": {func(w wire) {
			w.hear()
			w.say(1, (&mysql.LoginPacket{Capabilities: mysql.SSL}).Marshal()[:32])
			if err := tls.Client(w, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
				w.t.Error(err)
			}
		}, 1, 1},
		"switch read, then close":   {func(w wire) { w.login("alice") }, 1, 0},
		"switch, garbage, ERR read": {func(w wire) { w.login("alice"); w.say(3, []byte("junk")); w.hear() }, 0, 0},
		"unknown user, until ERR":   {func(w wire) { w.login("zoe"); w.say(3, make([]byte, 20)); w.refused(1045) }, 0, 0},
		"13 bytes to native":        {func(w wire) { w.login("pw"); w.say(3, make([]byte, 13)); w.refused(1043) }, 1, 1},
		"wrong sequence number":     {func(w wire) { w.login("pw"); w.say(7, make([]byte, 20)) }, 1, 1},
		"full login":                {func(w wire) { w.login("open"); w.say(3, []byte("x")); w.hear(); w.say(0, []byte{1}) }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for flavour, want := range map[mysqltest.Flavour]int{mysqltest.MySQL: c.mysql, mysqltest.MariaDB: c.mariadb} {
				s := serve(t, mysqltest.Config{Flavour: flavour})
				w := dial(t, s)
				c.talk(w)
				w.Close()
				s.Wait(1)
				if got := s.Stats().Errors; got != want {
					t.Errorf("flavour %d: %d connection errors, want %d", flavour, got, want)
				}
			}
		})
	}
}

func TestBlockAndReset(t *testing.T) {
	s := serve(t, mysqltest.Config{MaxConnectErrors: 3})
	drop := func() { dial(t, s).Close() }
	drop()
	drop()
	s.Wait(2)
	w := dial(t, s)
	w.login("pw")
	w.say(3, make([]byte, 20))
	w.refused(1045)
	s.Wait(3)
	if got := s.Stats().Errors; got != 2 {
		t.Errorf("an ERR changed the counter to %d", got)
	}
	w = dial(t, s)
	w.login("open")
	w.say(3, []byte("x"))
	w.hear()
	if got := s.Stats().Errors; got != 0 {
		t.Errorf("a full login left the counter at %d", got)
	}
	w.Close()
	drop()
	drop()
	drop()
	s.Wait(7)
	dial(t, s).refused(1129)
	s.Wait(8)
	if st := s.Stats(); st.Blocked != 1 || st.Errors != 3 || st.Unfinished != 5 {
		t.Errorf("%+v", st)
	}
	s.FlushHosts()
	dial(t, s).login("pw")
}

// The server waits, and then closes with a plain end and no ERR.
func TestConnectTimeout(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	if err := s.SetFaults(mysqltest.Faults{ConnectTimeout: 300 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	w := dial(t, s)
	w.login("alice")
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsWhatIsOpen(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	if err := s.SetFaults(mysqltest.Faults{Silent: true}); err != nil {
		t.Fatal(err)
	}
	w := dial(t, s)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Read(make([]byte, 1)); err == nil {
		t.Error("still open")
	}
}

func TestOnlyLoopback(t *testing.T) {
	if _, err := mysqltest.New(mysqltest.Config{Addr: netip.MustParseAddrPort("0.0.0.0:0")}); err == nil {
		t.Error("listens on every address")
	}
}

// A client that is not ours: the unmodified driver, with its own login.
func TestDriver(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    mysqltest.Config
		faults mysqltest.Faults
		user   string
		secure bool
		number uint16
	}{
		"MySQL":                       {user: "pw"},
		"MySQL, TLS":                  {user: "pw", secure: true},
		"MySQL without DEPRECATE_EOF": {cfg: mysqltest.Config{WithoutEOF: true}, user: "pw"},
		"MariaDB":                     {cfg: mysqltest.Config{Flavour: mysqltest.MariaDB}, user: "pw"},
		"MariaDB, TLS":                {cfg: mysqltest.Config{Flavour: mysqltest.MariaDB}, user: "pw", secure: true},
		"unknown user":                {user: "zoe", number: 1045},
		"unknown user, caching_sha2":  {cfg: mysqltest.Config{Decoy: mysqltest.CachingSHA2}, user: "zoe", number: 1045},
		"caching_sha2 over TLS":       {cfg: mysqltest.Config{Decoy: mysqltest.CachingSHA2}, user: "zoe", secure: true, number: 1045},
		"sha256":                      {cfg: mysqltest.Config{Decoy: "sha256_password"}, user: "zoe", number: 1045},
		"ed25519":                     {cfg: mysqltest.Config{Decoy: "client_ed25519"}, user: "zoe", number: 1045},
		"blocked":                     {faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129, Message: "blocked"}}, user: "pw", number: 1129},
		"plugin missing":              {faults: mysqltest.Faults{PluginMissing: true}, user: "pw", number: 1524},
		"TLS required":                {faults: mysqltest.Faults{RequireTLS: true}, user: "pw", number: 3159},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.cfg)
			if err := s.SetFaults(c.faults); err != nil {
				t.Fatal(err)
			}
			cfg := gomysql.NewConfig()
			cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = c.user, "Pw-User1", "tcp", s.Addr().String()
			cfg.Logger = &gomysql.NopLogger{}
			if c.secure {
				pool := x509.NewCertPool()
				pool.AppendCertsFromPEM(s.CA())
				cfg.TLS = &tls.Config{RootCAs: pool, ServerName: mysqltest.DefaultName}
			}
			connector, err := gomysql.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			var user string
			err = db.QueryRowContext(t.Context(), "SELECT CURRENT_USER()").Scan(&user)
			var refused *gomysql.MySQLError
			switch {
			case c.number != 0 && (!errors.As(err, &refused) || refused.Number != c.number):
				t.Errorf("got %v, want %d", err, c.number)
			case c.number == 0 && (err != nil || user != "pw@%"):
				t.Errorf("got %q, %v", user, err)
			}
			if err := db.PingContext(t.Context()); (err == nil) != (c.number == 0) {
				t.Errorf("ping: %v", err)
			}
			db.Close()
			s.Wait(1)
			if n := s.Stats().Unfinished; n != 0 {
				t.Errorf("%d unfinished", n)
			}
		})
	}
}
