package plan

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/probe"
)

// A host without IPv6 leaves out the IPv6 addresses of servers that have others too.
// Of a realm or database that has no others it once asked nothing, and said ok.
func TestWhatHasNoWayAtAllIsAsked(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	for name, c := range map[string]struct {
		addrs []netip.Addr
		want  int // places
	}{
		"both families": {[]netip.Addr{v4, v6}, 1},
		"IPv6 alone":    {[]netip.Addr{v6}, 1},
	} {
		cfg := &config.Config{
			Realms:    []config.Realm{{Name: "R.TEST", Kind: config.MIT, KDCs: []config.HostPort{{Host: "dc.r.test", Port: 88}}}},
			Databases: []config.Database{{Name: "orders", Host: "orders.test", Port: 3306, Realm: "R.TEST"}},
			Probes:    config.Probes{Interval: time.Minute, Timeout: time.Second},
		}
		p := New(cfg, World{Routable: netip.Addr.Is4, Now: time.Now, Guard: guard.New(guard.Opened(nil, nil), guard.Options{})})
		known := discover.Known{Servers: map[discover.Search]discover.Servers{}}
		for _, s := range (discover.Known{}).Searches(cfg) {
			known.Servers[s] = discover.Servers{Asked: true, Now: []discover.Server{{Host: "x.test", Port: 1, Addrs: c.addrs}}}
		}
		asked := map[probe.Kind]map[netip.AddrPort]bool{}
		for _, j := range p.Jobs(known) {
			for _, target := range j.Targets {
				if asked[target.ID.Kind] == nil {
					asked[target.ID.Kind] = map[netip.AddrPort]bool{}
				}
				asked[target.ID.Kind][target.ID.Address] = true
			}
		}
		for _, kind := range []probe.Kind{probe.KDC, probe.Kpasswd, probe.Database} {
			if len(asked[kind]) != c.want {
				t.Errorf("%s: of %s is asked %v", name, kind, asked[kind])
			}
		}
	}
}
