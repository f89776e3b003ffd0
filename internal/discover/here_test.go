package discover

import (
	"net/netip"
	"testing"
)

// The realm's DNS answered for one family only, as the other question was lost: an address of the
// other family that this host has is not known to be this host's alone.
func TestALostAnswerIsNoOtherAddress(t *testing.T) {
	v4, v6, old := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("10.0.0.99")
	for name, c := range map[string]struct {
		realm, here []netip.Addr
		half        bool
		only        int
	}{
		"the A record was not heard of":  {[]netip.Addr{v6}, []netip.Addr{v4, v6}, true, 0},
		"there is no A record":           {[]netip.Addr{v6}, []netip.Addr{v4, v6}, false, 1},
		"another address of that family": {[]netip.Addr{v4}, []netip.Addr{old, v6}, true, 1},
	} {
		got := otherwise([]Server{{Host: "dc1.corp.example.com", Addrs: c.realm, half: c.half}}, [][]netip.Addr{c.here})
		only := 0
		for _, s := range got {
			only += len(s.Addrs)
		}
		if only != c.only {
			t.Errorf("%s: %+v, want %d addresses of this host alone", name, got, c.only)
		}
	}
}
