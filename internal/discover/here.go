package discover

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/kerbagent/kerbagent/probe"
)

// asHere begins to resolve the names of a realm's servers that stand below its domain
// as programs on this host do, where the realm has DNS servers of its own; the
// function that it returns waits for the addresses, server by server.
func (d *Finder) asHere(ctx context.Context, at []netip.AddrPort, realm string, servers []Server) func() [][]netip.Addr {
	out := make([][]netip.Addr, len(servers))
	if d.Else == nil || slices.Equal(at, d.resolver) {
		return func() [][]netip.Addr { return out }
	}
	var wg sync.WaitGroup
	ctx, cancel := probe.Limit(ctx, d.timeout)
	for i, s := range servers {
		if !strings.HasSuffix(strings.ToLower(s.Host), "."+strings.ToLower(realm)) {
			continue
		}
		wg.Go(func() {
			var err error
			defer rescue(&err)
			var addrs []netip.Addr
			if addrs, err = d.Else(ctx, s.Host); err == nil {
				out[i], _ = capAddresses(addrs)
			}
		})
	}
	return func() [][]netip.Addr {
		wg.Wait()
		cancel()
		return out
	}
}

// otherwise returns the servers at the addresses that this host resolves their names to
// and the realm's DNS servers do not; where these had none, or none of a family and did not
// say that there is none, there is nothing to compare.
func otherwise(servers []Server, here [][]netip.Addr) []Server {
	var out []Server
	for i, s := range servers {
		if len(s.Addrs) == 0 {
			continue
		}
		var only []netip.Addr
		for _, a := range here[i] {
			sameFamily := func(o netip.Addr) bool { return o.Unmap().Is4() == a.Unmap().Is4() }
			if s.half && !slices.ContainsFunc(s.Addrs, sameFamily) {
				continue
			}
			if !slices.ContainsFunc(s.Addrs, func(o netip.Addr) bool { return o.Unmap() == a.Unmap() }) {
				only = append(only, a)
			}
		}
		if len(only) > 0 {
			s.Addrs, s.HostOnly, s.Left = only, true, LeftOut{}
			out = append(out, s)
		}
	}
	return out
}
