package discover

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

// Addresses that DNS let go of count towards the same limit.
func TestFormerAddressesAreLimited(t *testing.T) {
	k := history{most: mostKDCs}
	for n := range 50 {
		s := Server{Host: "dc1", Port: 88}
		for a := range mostAddresses {
			s.Addrs = append(s.Addrs, netip.AddrFrom4([4]byte{10, 1, byte(n), byte(a)}))
		}
		k.update([]Server{s}, nil, time.Now())
	}
	lost, gone := k.formers()
	if n := len(Spots(k.servers)) + len(lost) + len(gone); n != mostKDCs {
		t.Errorf("%d addresses, want %d", n, mostKDCs)
	}
}

// What was found under names that nobody asks for any more is let go of.
func TestNamesArePruned(t *testing.T) {
	d := New(&config.Config{}, refusing{}, nil, true)
	for n := range 1000 {
		once(t.Context(), d, d.names, fmt.Sprint(n), func(f *found[[]netip.Addr]) {})
		d.mu.Lock()
		for _, f := range d.names {
			f.until = time.Now().Add(-time.Second)
		}
		d.mu.Unlock()
	}
	if len(d.names) > 1 {
		t.Errorf("%d names are kept", len(d.names))
	}
}

type panicking struct{}

func (panicking) DialContext(context.Context, string, string) (net.Conn, error) { panic("a bug") }

// A panic on one of discovery's goroutines once ended the process.
func TestAPanicWhileLookingUpIsAnError(t *testing.T) {
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	cfg := &config.Config{Realms: []config.Realm{{Name: "CORP.EXAMPLE.COM", DNSServers: at}}, Probes: config.Probes{Timeout: time.Second}}
	d := New(cfg, panicking{}, at, false)
	if _, err := d.kdcsOf(t.Context(), "CORP.EXAMPLE.COM"); err == nil {
		t.Error("no error")
	}
	if _, err := d.Addresses(t.Context(), "db.example.com"); err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("%v", err)
	}
}
