package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

// A daemon looks a name up again when its TTL is over, within bounds; check
// looks once.
func TestDiscoveryAges(t *testing.T) {
	for _, c := range []struct {
		name string
		ages bool
		ttl  time.Duration
		err  error
		want int // searches in ten minutes
	}{
		{"check", false, time.Second, nil, 1},
		{"a minute", true, time.Minute, nil, 10},
		{"a second, as of a reader endpoint", true, time.Second, nil, 120},
		{"a day", true, 24 * time.Hour, nil, 2},
		{"not found", true, 0, errNoAddress, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDiscovery(&config.Config{}, refusing{}, nil)
				d.ages = c.ages
				searches := 0
				for range 10 * 60 {
					f := once(t.Context(), d, d.names, "db", func(f *found[[]netip.Addr]) {
						searches++
						f.ttl, f.err = c.ttl, c.err
					})
					if !errors.Is(f.err, c.err) {
						t.Fatal(f.err)
					}
					time.Sleep(time.Second)
				}
				if searches != c.want {
					t.Errorf("%d searches, want %d", searches, c.want)
				}
			})
		})
	}
}

// A search that was cut short is no answer for the others.
func TestDiscoveryForgetsWhatWasCutShort(t *testing.T) {
	d := newDiscovery(&config.Config{}, refusing{}, nil)
	d.ages = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	once(ctx, d, d.names, "db", func(f *found[[]netip.Addr]) { f.err = ctx.Err() })
	if f := once(t.Context(), d, d.names, "db", func(*found[[]netip.Addr]) {}); f.err != nil {
		t.Error(f.err)
	}
}

// A login goes to each address of its database in turn.
func TestLoginsRotate(t *testing.T) {
	db := config.Database{Name: "orders", Host: "orders.test", Port: 3306}
	cfg := manyJobs(4)
	d := idle(t, cfg)
	s := *d.setup
	s.tls = map[string]*tls.Config{}
	once(t.Context(), s.found, s.found.names, "orders.test"+"[127.0.0.1:53]", func(f *found[[]netip.Addr]) {
		f.value, f.ttl = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}, time.Minute
	})
	seen := map[netip.AddrPort]int{}
	for turn := range 6 {
		at, err := d.endpoint(t.Context(), &s, db, turn)
		if err != nil {
			t.Fatal(err)
		}
		seen[at.Address]++
	}
	if len(seen) != 3 || seen[netip.MustParseAddrPort("10.0.0.2:3306")] != 2 {
		t.Errorf("%v", seen)
	}
}
