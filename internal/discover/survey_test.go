package discover

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover/dnstest"
)

// portOf is a network on which one host's DNS server has another port.
type portOf struct{ from, to netip.AddrPort }

func (p portOf) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address == p.from.String() {
		address = p.to.String()
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// A resolver of this host's that answers as an authority is no server of the
// realm, unless somebody says so: its domain controllers are.
func TestSurveyTellsResolversFromTheRealmsServers(t *testing.T) {
	zone := []string{
		"corp.example.com. 60 IN SOA dc1.corp.example.com. hostmaster.corp.example.com. 1 900 600 86400 3600",
		"_ldap._tcp.dc._msdcs.corp.example.com. 60 IN SRV 0 0 389 dc1.corp.example.com.",
		"_kerberos._tcp.corp.example.com. 60 IN SRV 0 0 88 dc1.corp.example.com.", "dc1.corp.example.com. 60 IN A 127.0.0.5",
	}
	forwarder, onDC := dnstest.Serve(t, true, true, zone...), dnstest.Serve(t, true, true, zone...)
	dc := netip.MustParseAddrPort("127.0.0.5:53")
	for theirs, want := range map[bool][]netip.AddrPort{false: {dc}, true: {forwarder, dc}} {
		got := SurveyRealm(t.Context(), "CORP.EXAMPLE.COM", []netip.AddrPort{forwarder}, theirs, portOf{dc, onDC})
		if got.Err != nil || got.Kind != config.ActiveDirectory || !slices.Equal(got.DNSServers, want) {
			t.Errorf("named by somebody %v: %+v, want DNS servers %v", theirs, got, want)
		}
	}
}

func TestHostDomains(t *testing.T) {
	for text, want := range map[string][]string{
		"search app.CORP.example.com. example.com other.test\n": {"app.corp.example.com", "corp.example.com", "example.com", "other.test"},
		"domain corp.example.com\n":                             {"corp.example.com", "example.com"},
		"search lan \x1b[31m.example .\n":                       nil,
		"nameserver 10.0.0.2\n":                                 nil,
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := HostDomains(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
	if _, err := HostDomains(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error without a file")
	}
}
