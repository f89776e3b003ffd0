package discover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
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
				d := New(&config.Config{}, refusing{}, nil, c.ages)
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
	d := New(&config.Config{}, refusing{}, nil, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	once(ctx, d, d.names, "db", func(f *found[[]netip.Addr]) { f.err = ctx.Err() })
	if f := once(t.Context(), d, d.names, "db", func(*found[[]netip.Addr]) {}); f.err != nil {
		t.Error(f.err)
	}
}

// refusing is a network on which everything is refused at once.
type refusing struct{}

func (refusing) DialContext(_ context.Context, network, address string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address)), Err: syscall.ECONNREFUSED}
}
