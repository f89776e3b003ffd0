package plan

import (
	"context"
	"net/netip"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
)

// threeAddresses are the names of a database that has three.
type threeAddresses struct{ Names }

func (threeAddresses) Addresses(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("fd00::1")}, nil
}

// A login goes to each address of its database in turn, but for those that this
// host has no way to; and so does the login at an instance, whose turns are its own. Else
// an address that failed once is shown as broken until it is asked without a login.
func TestLoginsRotate(t *testing.T) {
	db := config.Database{Name: "orders", Host: "orders.test", Port: 3306}
	for instance, place := range map[string]place{"": here(db), "orders-2": instanceOf(db, discover.Instance{ID: "orders-2", Host: "orders-2.test"}, discover.Known{})} {
		turn := 0
		world := World{Names: threeAddresses{}, Routable: netip.Addr.Is4, Turn: func(_ config.Login, of string) int {
			if of != instance {
				t.Errorf("the turn of %q is asked for, not that of %q", of, instance)
			}
			return turn
		}}
		p := New(&config.Config{}, world)
		seen := map[netip.AddrPort]int{}
		for turn = range 6 {
			at, err := databaseJobs{p.maker, p.tls}.endpoint(config.Login{}, place)(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			seen[at.Address]++
		}
		if len(seen) != 3 || seen[netip.MustParseAddrPort("10.0.0.2:3306")] != 2 {
			t.Errorf("%q: %v", instance, seen)
		}
	}
}
