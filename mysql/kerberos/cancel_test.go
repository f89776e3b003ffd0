package kerberos_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// crowd counts the connections to one address that are open at a time.
type crowd struct {
	to string

	mu        sync.Mutex
	open, max int
}

func (c *crowd) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil || address != c.to {
		return conn, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open++
	c.max = max(c.max, c.open)
	return &counted{Conn: conn, crowd: c}, nil
}

type counted struct {
	net.Conn
	crowd *crowd
	once  sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.crowd.mu.Lock()
		defer c.crowd.mu.Unlock()
		c.crowd.open--
	})
	return c.Conn.Close()
}

// Contexts end at any moment of a login, many at a time: no login is broken off.
func TestCancelledLoginsBlockNobody(t *testing.T) {
	const callers, each, slow = 10, 8, 20 * time.Millisecond
	for _, flavour := range []mysqltest.Flavour{mysqltest.MySQL, mysqltest.MariaDB} {
		w := newWorld(t, mysqltest.Config{Flavour: flavour, MaxConnectErrors: 2})
		w.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: slow}})
		cfg := w.config(t)
		connector, err := kerberos.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range callers {
			rng := rand.New(rand.NewPCG(uint64(flavour), uint64(i)))
			wg.Go(func() {
				for range each {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Int64N(int64(4*slow))))
					switch c, err := connector.Connect(ctx); {
					case err == nil:
						c.Close()
					case !errors.Is(err, context.DeadlineExceeded):
						t.Errorf("%v", err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		w.db.Wait(0)
		st := w.db.Stats()
		if st.Unfinished != 0 || st.Blocked != 0 || st.Logins == 0 {
			t.Errorf("%+v", st)
		}
	}
}

// However many callers come and go, four logins of a connector are under way.
func TestFourLoginsAtATime(t *testing.T) {
	const slow = 300 * time.Millisecond
	w := newWorld(t, mysqltest.Config{})
	w.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: slow}})
	cfg := w.config(t)
	seen := &crowd{to: cfg.Addr}
	cfg.Dialer = seen
	connector, err := kerberos.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() { // all have gone before the first login is done, so that no connection is handed over
			ctx, cancel := context.WithTimeout(t.Context(), slow/2)
			defer cancel()
			if c, err := connector.Connect(ctx); err == nil {
				c.Close()
			}
		})
	}
	wg.Wait()
	w.db.Wait(4)
	if st := w.db.Stats(); seen.max != 4 || st.Unfinished != 0 {
		t.Errorf("%d logins at a time: %+v", seen.max, st)
	}
}

// A caller that goes is told so at once, whatever the database does.
func TestCancelDoesNotWait(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.fault(t, mysqltest.Faults{Silent: true})
	db := pool(t, w.config(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	w.db.Hangup()
}

// faulty is a program's Dialer with a bug: in its dial to some port, or in its connection.
type faulty struct {
	port   string
	inRead bool
}

func (f faulty) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	switch {
	case err != nil || !strings.HasSuffix(address, f.port):
		return c, err
	case f.inRead:
		return badReader{c}, nil
	}
	_ = c.Close()
	panic("as tested")
}

type badReader struct{ net.Conn }

func (badReader) Read([]byte) (int, error) { panic("as tested") }

// Tickets and logins are got in goroutines of the connector's own: a panic there once
// ended the program that it was imported into.
func TestAPanicIsAnError(t *testing.T) {
	for _, inRead := range []bool{false, true} {
		w := newWorld(t, mysqltest.Config{})
		for _, at := range []netip.AddrPort{w.db.Addr(), w.kdc.Addr()} {
			cfg := w.config(t)
			cfg.Dialer, cfg.Timeout = faulty{fmt.Sprintf(":%d", at.Port()), inRead}, 5*time.Second
			connector, err := kerberos.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			for range 6 { // more than there may be under way
				if _, err := connector.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "panic") {
					t.Errorf("%v", err)
				}
			}
		}
	}
}

// A Locator is the program's, too.
func TestAPanicOfALocatorIsAnError(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	cfg.KDCs, cfg.Locator = nil, lost{}
	connector, err := kerberos.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connector.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "a panic while logging in: as tested") {
		t.Errorf("%v", err)
	}
}

type lost struct{}

func (lost) KDCs(context.Context, string) ([]netip.AddrPort, error) { panic("as tested") }
