package discover

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover/dnstest"
)

func discoveryFor(t *testing.T, timeout time.Duration, resolver []netip.AddrPort, realmDNS ...netip.AddrPort) *Finder {
	t.Helper()
	cfg := &config.Config{Realms: []config.Realm{{Name: "CORP.EXAMPLE.COM", Kind: config.ActiveDirectory, DNSServers: realmDNS}}, Probes: config.Probes{Timeout: timeout}}
	return New(cfg, &net.Dialer{}, resolver, false)
}

func TestKDCsBySRV(t *testing.T) {
	server := dnstest.Serve(t, true, true,
		"_kerberos._tcp.corp.example.com. 60 IN SRV 10 0 88 dc2.corp.example.com.",
		"_kerberos._tcp.corp.example.com. 60 IN SRV 0 0 8888 dc1.corp.example.com.",
		"dc1.corp.example.com. 60 IN A 10.0.0.1", "dc1.corp.example.com. 60 IN AAAA fd00::1",
		"dc2.corp.example.com. 60 IN A 10.0.0.2",
	)
	got, err := discoveryFor(t, time.Second, nil, server).KDCs(context.Background(), "CORP.EXAMPLE.COM")
	// The first address of each, in the order of the records, before any second one.
	want := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8888"), netip.MustParseAddrPort("10.0.0.2:88"), netip.MustParseAddrPort("[fd00::1]:8888")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// A realm of MIT's may be published by URI records alone, which its library has asked
// for since 1.15; what is none of its forms is left out. Active Directory has none.
func TestKDCsByURI(t *testing.T) {
	server := dnstest.Serve(t, true, true,
		`_kerberos.corp.example.com. 60 IN URI 10 1 "krb5srv:m:tcp:dc1.corp.example.com:8888"`,
		`_kerberos.corp.example.com. 60 IN URI 20 1 "KRB5SRV::udp:dc2.corp.example.com"`,
		`_kerberos.corp.example.com. 60 IN URI 30 1 "krb5srv:m:kkdcp:https://proxy.corp.example.com/KdcProxy"`,
		`_kerberos.corp.example.com. 60 IN URI 40 1 "https://corp.example.com"`,
		"dc1.corp.example.com. 60 IN A 10.0.0.1", "dc2.corp.example.com. 60 IN A 10.0.0.2",
	)
	mit := discoveryFor(t, time.Second, nil, server)
	mit.cfg.Realms[0].Kind = config.MIT
	got, err := mit.KDCs(context.Background(), "CORP.EXAMPLE.COM")
	if want := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:8888"), netip.MustParseAddrPort("10.0.0.2:88")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	ad := discoveryFor(t, time.Second, nil, server)
	ad.cfg.Realms[0].Kind = config.ActiveDirectory
	if got, err := ad.KDCs(context.Background(), "CORP.EXAMPLE.COM"); err == nil {
		t.Errorf("Active Directory: %v", got)
	}
}

func TestKDCsByTheDomainsAddresses(t *testing.T) {
	server := dnstest.Serve(t, true, true, "corp.example.com. 60 IN A 10.0.0.1")
	got, err := discoveryFor(t, time.Second, nil, server).KDCs(context.Background(), "CORP.EXAMPLE.COM")
	if want := netip.MustParseAddrPort("10.0.0.1:88"); err != nil || !slices.Equal(got, []netip.AddrPort{want}) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// One DNS server that is silent holds nothing up, not even a question that has
// no answer: that once broke every login while one of two servers was down.
func TestASilentServerHoldsNothingUp(t *testing.T) {
	silent := dnstest.Serve(t, false, false)
	server := dnstest.Serve(t, true, true, "_kerberos._tcp.corp.example.com. 60 IN SRV 0 0 88 dc1.corp.example.com.", "dc1.corp.example.com. 60 IN A 10.0.0.1")
	const timeout = time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), timeout/2)
	defer cancel()
	got, err := discoveryFor(t, timeout, nil, silent, server).KDCs(ctx, "CORP.EXAMPLE.COM")
	if err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// openDials is a Dialer that counts what was opened and is not closed.
type openDials struct{ open, all atomic.Int32 }

func (o *openDials) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	o.open.Add(1)
	o.all.Add(1)
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		o.open.Add(-1)
		return nil, err
	}
	return openDial{c, o}, nil
}

type openDial struct {
	net.Conn
	of *openDials
}

func (c openDial) Close() error {
	defer c.of.open.Add(-1)
	return c.Conn.Close()
}

// What asked the silent server went on when the other had answered: a race of
// the detector's, found by a test that changed net.DefaultResolver afterwards.
func TestNothingOutlivesAQuestion(t *testing.T) {
	silent := dnstest.Serve(t, false, false)
	server := dnstest.Serve(t, true, true, "db.example.com. 60 IN A 10.0.0.3")
	var dials openDials
	d := New(&config.Config{Probes: config.Probes{Timeout: time.Minute}}, &dials, []netip.AddrPort{silent, server}, false)
	if _, err := d.Addresses(t.Context(), "db.example.com"); err != nil {
		t.Error(err)
	}
	if n := dials.open.Load(); n != 0 || dials.all.Load() < 4 {
		t.Errorf("%d of %d sockets are left open", n, dials.all.Load())
	}
}

func TestAskedOverTCPWhereUDPIsSilent(t *testing.T) {
	server := dnstest.Serve(t, false, true, "db.example.com. 60 IN A 10.0.0.3")
	got, err := discoveryFor(t, 5*time.Second, []netip.AddrPort{server}).Addresses(context.Background(), "db.example.com")
	if err != nil || !slices.Equal(got, []netip.Addr{netip.MustParseAddr("10.0.0.3")}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNamesWithoutAddress(t *testing.T) {
	server := dnstest.Serve(t, true, true, "other.example.com. 60 IN A 10.0.0.3")
	d := discoveryFor(t, time.Second, []netip.AddrPort{server})
	if got, err := d.Addresses(context.Background(), "db.example.com"); err == nil {
		t.Errorf("%v for a name that does not exist", got)
	}
	if got, err := discoveryFor(t, time.Second, nil).Addresses(context.Background(), "db.example.com"); err == nil {
		t.Errorf("%v without a DNS server", got)
	}
	if got, err := d.Addresses(context.Background(), "fd00::1"); err != nil || len(got) != 1 {
		t.Errorf("%v, %v for an address", got, err)
	}
}
