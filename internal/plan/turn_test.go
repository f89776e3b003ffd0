package plan

import (
	"context"
	"net/netip"
	"testing"

	"github.com/kerbagent/kerbagent/config"
)

// threeAddresses are the names of a database that has three.
type threeAddresses struct{ Names }

func (threeAddresses) Addresses(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("fd00::1")}, nil
}

// A login goes to each address of its database in turn, but for those that this
// host has no way to.
func TestLoginsRotate(t *testing.T) {
	turn := 0
	world := World{Names: threeAddresses{}, Routable: netip.Addr.Is4, Turn: func(config.Login) int { return turn }}
	p := New(&config.Config{}, world)
	seen := map[netip.AddrPort]int{}
	for turn = range 6 {
		at, err := p.endpoint(config.Login{}, here(config.Database{Name: "orders", Host: "orders.test", Port: 3306}))(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[at.Address]++
	}
	if len(seen) != 3 || seen[netip.MustParseAddrPort("10.0.0.2:3306")] != 2 {
		t.Errorf("%v", seen)
	}
}
