package check

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

// swallowing loses what is sent over TCP to one machine in messages of some size, so many times.
type swallowing struct {
	probe.Dialer
	at    netip.Addr
	least int // bytes of a message
	times *atomic.Int32
}

func (d swallowing) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err == nil && strings.HasPrefix(network, "tcp") && netip.MustParseAddrPort(address).Addr() == d.at {
		return &swallowed{Conn: conn, d: d}, nil
	}
	return conn, err
}

type swallowed struct {
	net.Conn
	d swallowing
}

func (c *swallowed) Write(b []byte) (int, error) {
	if len(b) >= c.d.least && c.d.times.Add(-1) >= 0 {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// A large message that is asked three times in vain, and answered when it is asked once more, is
// no proof that large messages are lost. Where it is never answered they are.
func TestAQuestionIsAskedAgainBeforeItAccuses(t *testing.T) {
	for times, want := range map[int32]bool{3: false, 1000: true} {
		w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		cfg := *w.Config()
		cfg.Logins, cfg.Databases, cfg.Probes.Timeout = nil, nil, time.Second
		var left atomic.Int32
		left.Store(times)
		large := swallowing{w.Dialer(), cfg.Realms[0].DNSServers[0].Addr(), 2000, &left}
		results := Run(t.Context(), &cfg, Env{Dialer: large, Now: time.Now, Resolver: []netip.AddrPort{w.Resolver()}})
		lost := func(f diagnose.Finding) bool { return f.Code == "kdc-large-messages-lost" }
		if report := Explain(&cfg, results, time.Now()); slices.ContainsFunc(report.Findings, lost) != want || !want && len(report.Findings) > 0 {
			t.Errorf("%d lost: %+v", times, report.Findings)
		}
	}
}
