package mysql_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

const realm = "CORP.EXAMPLE.COM"

// paper stands for Kerberos: a token is the client's name, the proof "proof".
type paper struct{}

func (paper) Accept(token []byte) (string, []byte, error) {
	name, ok := strings.CutPrefix(string(token), "ticket of ")
	if !ok {
		return "", nil, errors.New("no ticket")
	}
	return name, []byte("`proof"), nil // 0x60 is what a GSS token begins with
}

// ticket is the Authenticator that goes with paper.
type ticket struct {
	of     string
	proven bool
}

func (t *ticket) Start(_ context.Context, plugin string, _ []byte) ([]byte, error) {
	if plugin != mysqltest.Kerberos && plugin != mysqltest.GSSAPI {
		return nil, fmt.Errorf("no ticket for %q", plugin)
	}
	return []byte("ticket of " + t.of), nil
}

func (t *ticket) Next(_ context.Context, data []byte) ([]byte, error) {
	if string(data) != "`proof" {
		return nil, fmt.Errorf("no proof: %q", data)
	}
	t.proven = true
	return nil, nil
}

func serve(t *testing.T, cfg mysqltest.Config) *mysqltest.Server {
	t.Helper()
	if cfg.Users == nil {
		cfg.Users = map[string]mysqltest.User{"alice": {}}
	}
	cfg.Realm, cfg.SPN, cfg.Acceptor = realm, "mysql/db1.corp.example.com", paper{}
	s, err := mysqltest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fault(t *testing.T, s *mysqltest.Server, f mysqltest.Faults) {
	t.Helper()
	if err := s.SetFaults(f); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, s *mysqltest.Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func trust(t *testing.T, s *mysqltest.Server) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("no CA")
	}
	return &tls.Config{RootCAs: pool, ServerName: mysqltest.DefaultName, MinVersion: tls.VersionTLS13}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// greeted returns a connection whose greeting has been read.
func greeted(t *testing.T, s *mysqltest.Server) *mysql.Conn {
	t.Helper()
	c := mysql.NewConn(dial(t, s))
	if _, err := c.Greeting(within(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

func harmless(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	s.Wait(1)
	if st := s.Stats(); st.Unfinished != 0 {
		t.Errorf("%d of %d connections were left unfinished: the server counts them against this host", st.Unfinished, st.Connections)
	}
}

func serverError(t *testing.T, err error, number uint16) {
	t.Helper()
	var e *mysql.ServerError
	if !errors.As(err, &e) || e.Number != number {
		t.Errorf("got error %v, want the server's %d", err, number)
	}
}

func TestLogin(t *testing.T) {
	for _, flavour := range []mysqltest.Flavour{mysqltest.MySQL, mysqltest.MariaDB} {
		for _, secure := range []bool{false, true} {
			for _, withoutEOF := range []bool{false, true} {
				t.Run(fmt.Sprintf("flavour %d, TLS %v, without DEPRECATE_EOF %v", flavour, secure, withoutEOF), func(t *testing.T) {
					s := serve(t, mysqltest.Config{Flavour: flavour, WithoutEOF: withoutEOF})
					auth := &ticket{of: "alice@" + realm}
					p := mysql.Params{User: "alice", Auth: auth, Attrs: map[string]string{"program_name": "test"}}
					if secure {
						p.TLS = trust(t, s)
					}
					c, err := mysql.Login(within(t), dial(t, s), p)
					if err != nil {
						t.Fatal(err)
					}
					if !auth.proven {
						t.Error("the server's proof did not reach the authenticator")
					}
					if !c.Finished() {
						t.Error("not finished after OK")
					}
					for range 2 { // sequence numbers start anew
						user, err := c.Query(within(t), "SELECT CURRENT_USER()")
						if err != nil || user != "alice@%" {
							t.Errorf("current user %q, error %v", user, err)
						}
					}
					_, err = c.Query(within(t), "SELEKT")
					serverError(t, err, 1064)
					if err := c.UseDatabase(within(t), "orders"); err != nil {
						t.Error(err)
					}
					if err := c.Quit(within(t)); err != nil {
						t.Error(err)
					}
					harmless(t, s)
					if st := s.Stats(); st.Logins != 1 {
						t.Errorf("%d logins", st.Logins)
					}
				})
			}
		}
	}
}

func TestLoginFails(t *testing.T) {
	for name, c := range map[string]struct {
		user   string
		of     string
		cfg    mysqltest.Config
		faults mysqltest.Faults
		number uint16 // of the *ServerError; 0: the error is the authenticator's or the package's
	}{
		"unknown user":              {user: "zoe", of: "zoe"},
		"password account":          {user: "pw", of: "pw"},
		"token rejected":            {user: "alice", of: "alice", faults: mysqltest.Faults{RejectToken: true}, number: 1045},
		"token rejected, MariaDB":   {user: "alice", of: "alice", cfg: mysqltest.Config{Flavour: mysqltest.MariaDB}, faults: mysqltest.Faults{RejectToken: true}, number: 1105},
		"not this user's account":   {user: "alice", of: "bob", number: 1045},
		"denied after the proof":    {user: "alice", of: "alice", faults: mysqltest.Faults{DenyAfterProof: mysqltest.Denied("alice")}, number: 1045},
		"locked":                    {user: "lou", of: "lou", number: 3118},
		"locked, MariaDB":           {user: "lou", of: "lou", cfg: mysqltest.Config{Flavour: mysqltest.MariaDB}, number: 4151},
		"plugin missing":            {user: "alice", of: "alice", faults: mysqltest.Faults{PluginMissing: true}, number: 1524},
		"TLS required":              {user: "alice", of: "alice", faults: mysqltest.Faults{RequireTLS: true}, number: 3159},
		"proof does not verify":     {user: "alice", of: "alice", faults: mysqltest.Faults{BadProof: true}},
		"proof and a second plugin": {user: "alice", of: "alice", faults: mysqltest.Faults{SecondFactor: true}},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.Users = map[string]mysqltest.User{"alice": {}, "lou": {Locked: true}, "pw": {Plugin: mysqltest.NativePassword, Password: "x"}}
			s := serve(t, c.cfg)
			fault(t, s, c.faults)
			_, err := mysql.Login(within(t), dial(t, s), mysql.Params{User: c.user, Auth: &ticket{of: c.of + "@" + realm}})
			if err == nil {
				t.Fatal("logged in")
			}
			var e *mysql.ServerError
			if c.number == 0 && errors.As(err, &e) {
				t.Errorf("the goodbye's error hides the cause: %v", err)
			}
			if c.number != 0 {
				serverError(t, err, c.number)
			}
			harmless(t, s)
		})
	}
}

func TestSecondSwitch(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	fault(t, s, mysqltest.Faults{SecondFactor: true})
	_, err := mysql.Login(within(t), dial(t, s), mysql.Params{User: "alice", Auth: &ticket{of: "alice@" + realm}})
	if !errors.Is(err, mysql.ErrSecondSwitch) {
		t.Errorf("got %v", err)
	}
}

func TestBeforeGreeting(t *testing.T) {
	for name, c := range map[string]struct {
		faults mysqltest.Faults
		number uint16
		is     error
	}{
		"blocked":        {faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129, Message: "Host is blocked"}}, number: 1129},
		"host denied":    {faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1130, Message: "Host is not allowed"}}, number: 1130},
		"too many":       {faults: mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1040, State: "08004", Message: "Too many connections"}}, number: 1040},
		"an SSH server":  {faults: mysqltest.Faults{Banner: "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"}, is: mysql.ErrNotMySQL},
		"an HTTP server": {faults: mysqltest.Faults{Banner: "HTTP/1.1 400 Bad Request\r\n\r\n"}, is: mysql.ErrNotMySQL},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, mysqltest.Config{})
			fault(t, s, c.faults)
			conn := mysql.NewConn(dial(t, s))
			_, err := conn.Greeting(within(t))
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if c.number != 0 {
				serverError(t, err, c.number)
			}
			if conn.Finished() != (c.number != 0) {
				t.Errorf("finished: %v", conn.Finished())
			}
		})
	}
}

func TestRefuseAndComeBack(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	addr := s.Addr().String()
	fault(t, s, mysqltest.Faults{Refuse: true})
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want connection refused", err)
	}
	fault(t, s, mysqltest.Faults{})
	greeted(t, s)
}

func TestContext(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	fault(t, s, mysqltest.Faults{Silent: true})

	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		_, err := mysql.NewConn(dial(t, s)).Greeting(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		_, err := mysql.NewConn(dial(t, s)).Greeting(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("peer goes", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			if far, err := l.Accept(); err == nil {
				far.Close()
			}
		}()
		near, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, err = mysql.NewConn(near).Greeting(t.Context())
		if !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("done before a step", func(t *testing.T) {
		fault(t, s, mysqltest.Faults{})
		c := greeted(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Respond(ctx, "alice", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		// Nothing was sent, so the goodbye is still possible.
		serverError(t, c.Abandon(within(t), nil), 1045)
	})
}

// givenUp is a login that is cancelled while its ticket is being got.
type givenUp struct {
	ticket
	cancel context.CancelFunc
}

func (g *givenUp) Start(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	g.cancel()
	return nil, ctx.Err()
}

// Even then it is ended well.
func TestCanceledLoginIsFinished(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := serve(t, mysqltest.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		p := mysql.Params{User: "alice", Auth: &givenUp{cancel: cancel}}
		if secure {
			p.TLS = trust(t, s)
		}
		if _, err := mysql.Login(ctx, dial(t, s), p); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		harmless(t, s)
	}
}
