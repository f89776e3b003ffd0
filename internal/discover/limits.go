package discover

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/config"
)

// How much is asked at DNS's word. Whoever answers for a name may list any
// addresses and ports, so without these limits DNS would decide how many
// packets this host sends, and to whom. What is left out is reported.
const (
	mostHosts     = 64  // SRV records of a realm and service
	mostAddresses = 8   // of a host
	mostKDCs      = 192 // addresses of all realms' KDCs together
	mostKpasswd   = 64  // and of their kpasswd servers: 256 in all
	leastOfRealm  = 8   // addresses, however many realms share the limits above
)

// share returns how many addresses of KDCs, or kpasswd servers, each realm may have.
// The realms have equal shares, so that no realm's DNS changes what is asked of another.
func (d *Finder) share(most int) int {
	return max(most/max(len(d.cfg.Realms), 1), leastOfRealm)
}

// LeftOut counts what is not asked.
type LeftOut struct{ Hosts, Addresses int }

// LeftOutOf returns what was left out with servers.
func LeftOutOf(servers []Server) (sum LeftOut) {
	for _, s := range servers {
		sum.Hosts, sum.Addresses = sum.Hosts+s.Left.Hosts, sum.Addresses+s.Left.Addresses
	}
	return sum
}

// capHosts keeps mostHosts servers, in their order. They are chosen by priority and name,
// not by the order of an answer, so that each run chooses the same.
func capHosts(servers []Server) []Server {
	if len(servers) <= mostHosts {
		return servers
	}
	chosen := slices.SortedStableFunc(slices.Values(servers), func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port))
	})
	left := map[config.HostPort]bool{}
	for _, s := range chosen[mostHosts:] {
		left[config.HostPort{Host: s.Host, Port: s.Port}] = true
	}
	out := slices.DeleteFunc(slices.Clone(servers), func(s Server) bool { return left[config.HostPort{Host: s.Host, Port: s.Port}] })
	out[len(out)-1].Left.Hosts = len(left)
	return out
}

// capAddresses keeps mostAddresses of a host, and as many of each family as there is room for.
func capAddresses(addrs []netip.Addr) (kept []netip.Addr, left int) {
	if len(addrs) <= mostAddresses {
		return addrs, 0
	}
	var v4, v6 []netip.Addr
	for _, a := range addrs {
		if a.Unmap().Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	four := min(len(v4), max(mostAddresses/2, mostAddresses-len(v6)))
	return slices.Concat(v4[:four], v6[:min(len(v6), mostAddresses-four)]), len(addrs) - mostAddresses
}

// capAll keeps at most most addresses of all servers: the first of each server, then the second of each.
func capAll(servers []Server, most int) {
	kept := make([]int, len(servers))
	for round := 0; most > 0; round++ {
		more := false
		for i := range servers {
			if round < len(servers[i].Addrs) && most > 0 {
				kept[i], more = kept[i]+1, true
				most--
			}
		}
		if !more {
			break
		}
	}
	for i := range servers {
		s := &servers[i]
		s.Left.Addresses += len(s.Addrs) - kept[i]
		s.Addrs = s.Addrs[:kept[i]]
	}
}
