package check

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

// roundTrip is less than anything that is waited for instead of an answer.
const roundTrip = 10 * time.Millisecond

// far puts a network one round trip away, by the clock of a synctest bubble. That
// stands still while anything is computed or under way on a real socket, so the
// time that something takes there is its round trips, however busy the machine is.
type far struct{ probe.Dialer }

func (d far) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &farConn{Conn: conn, cut: make(chan struct{})}
	if strings.HasPrefix(network, "tcp") {
		select {
		case <-time.After(roundTrip):
		case <-ctx.Done():
			conn.Close()
			return nil, ctx.Err()
		}
	}
	c.sent = time.Now()
	return c, nil
}

// farConn is read a round trip after it was dialled or written.
type farConn struct {
	net.Conn
	once sync.Once
	cut  chan struct{} // closed when nobody waits for an answer any more

	mu   sync.Mutex
	sent time.Time
}

func (c *farConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent = time.Now()
	c.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *farConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	left := time.Until(c.sent.Add(roundTrip))
	c.mu.Unlock()
	select {
	case <-time.After(left):
		return n, err
	case <-c.cut:
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *farConn) Close() error {
	c.once.Do(func() { close(c.cut) })
	return c.Conn.Close()
}

// SetDeadline ends what is under way where the deadline is over. Any other is of
// the bubble's clock, which the sockets do not know.
func (c *farConn) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(time.Now()) {
		return nil
	}
	c.once.Do(func() { close(c.cut) })
	return c.Conn.SetDeadline(t)
}

func (c *farConn) SetReadDeadline(t time.Time) error  { return c.SetDeadline(t) }
func (c *farConn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }

// roundTripsOf runs a check with some of the world's logins, by the cluster's name
// alone, and counts the round trips that it takes.
func roundTripsOf(t *testing.T, w *rehearsal.World, logins ...config.Login) (trips float64) {
	t.Helper()
	cfg := *w.Config()
	cfg.Logins, cfg.Databases = logins, slices.Clone(cfg.Databases)
	cfg.Databases[0].Instances = config.InstancesNone
	trips, _ = roundTripsWith(t, w, &cfg, false)
	return trips
}

// roundTripsWith counts the round trips of a check, and those of its login by the
// cluster's name.
func roundTripsWith(t *testing.T, w *rehearsal.World, cfg *config.Config, instances bool) (trips, login float64) {
	t.Helper()
	now := time.Now()
	stuck := time.AfterFunc(time.Minute, func() {
		panic("the bubble's clock stands still: something waits for a mutex, or for an answer that never comes")
	})
	defer stuck.Stop()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now)) // the bubble's clock is another one; certificates and tickets are of ours
		l, err := ledger.Open(t.TempDir(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		results := Run(t.Context(), cfg, Env{Instances: instances, Dialer: far{w.Dialer()}, Now: time.Now, Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
		trips = float64(time.Since(begun)) / float64(roundTrip)
		for _, r := range results {
			if r.Outcome != probe.OK {
				t.Errorf("%v: %s %v", r.ID, r.Reason, r.Err)
			}
			if r.ID.Kind == probe.Login && r.ID.Variant == "" {
				login = float64(r.Started.Add(r.Duration).Sub(begun)) / float64(roundTrip)
			}
		}
	})
	return trips, login
}

// The instances of a cluster cost the login by its name no round trip, however many there
// are, and follow side by side: they are asked within seven round trips.
func TestTheInstancesOfAClusterFollowSideBySide(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	cfg := *w.Config()
	cfg.Logins = cfg.Logins[:1]
	alone := roundTripsOf(t, w, cfg.Logins...)
	for _, instances := range []bool{false, true} {
		trips, login := roundTripsWith(t, w, &cfg, instances)
		if login != alone || trips > alone+7 {
			t.Errorf("the login takes %v round trips, and %v where the cluster is not asked for; the check with its instances (logins there: %v) %v", login, alone, instances, trips)
		}
	}
}

// A check takes as many round trips as its longest login (docs/ladder.md): the
// login waits for no search but its own, and nothing else takes longer. A user of
// another realm asks one more KDC, which was connected to beside what came before.
func TestACheckTakesTheRoundTripsOfItsLongestLogin(t *testing.T) {
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	for _, l := range w.Config().Logins {
		want := 7.0
		if l.Realm != w.Config().Databases[0].Realm {
			want++ // one trust
		}
		if got := roundTripsOf(t, w, l); got != want {
			t.Errorf("with %s it takes %v round trips, want %v", l.Principal(), got, want)
		}
	}
	if got := roundTripsOf(t, w, w.Config().Logins...); got != 8 {
		t.Errorf("with all logins it takes %v round trips, want 8: no login waits for another account's", got)
	}
}
