package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
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
	newPortsHour  = 256 // addresses at ports that only SRV records name, asked for the first time within an hour
)

// share returns how many addresses of KDCs, or kpasswd servers, each realm may have.
// The realms have equal shares, so that no realm's DNS changes what is asked of another.
func (d *discovery) share(most int) int {
	return max(most/max(len(d.cfg.Realms), 1), leastOfRealm)
}

// leftOut counts what is not asked.
type leftOut struct{ hosts, addresses int }

// leftOutOf returns what was left out with servers.
func leftOutOf(servers []server) (sum leftOut) {
	for _, s := range servers {
		sum.hosts, sum.addresses = sum.hosts+s.left.hosts, sum.addresses+s.left.addresses
	}
	return sum
}

// capHosts keeps mostHosts servers, in their order. They are chosen by priority and name,
// not by the order of an answer, so that each run chooses the same.
func capHosts(servers []server) []server {
	if len(servers) <= mostHosts {
		return servers
	}
	chosen := slices.SortedStableFunc(slices.Values(servers), func(a, b server) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.host, b.host), cmp.Compare(a.port, b.port))
	})
	left := map[config.HostPort]bool{}
	for _, s := range chosen[mostHosts:] {
		left[config.HostPort{Host: s.host, Port: s.port}] = true
	}
	out := slices.DeleteFunc(slices.Clone(servers), func(s server) bool { return left[config.HostPort{Host: s.host, Port: s.port}] })
	out[len(out)-1].left.hosts = len(left)
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
func capAll(servers []server, most int) {
	kept := make([]int, len(servers))
	for round := 0; most > 0; round++ {
		more := false
		for i := range servers {
			if round < len(servers[i].addrs) && most > 0 {
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
		s.left.addresses += len(s.addrs) - kept[i]
		s.addrs = s.addrs[:kept[i]]
	}
}

// oddPort says that only an SRV record names a server's port: it is neither the protocol's own nor configured.
func oddPort(r config.Realm, s server) bool {
	configured := func(h config.HostPort) bool { return h.Port == s.port }
	return s.source == probe.SourceSRV && s.port != config.PortKDC && s.port != config.PortKpasswd && !slices.Contains(r.SRVPorts, s.port) &&
		!slices.ContainsFunc(r.KDCs, configured) && !slices.ContainsFunc(r.KpasswdServers, configured)
}

// limits is the question that is not asked: it reports what was left out.
type limits struct {
	id    probe.ID
	facts probe.Facts
	now   func() time.Time
}

// variantLimits tells the report of what was left out from a name without an address.
const variantLimits = "limits"

// aboutLimits reports what was left out with servers, if anything.
func (p planner) aboutLimits(kind probe.Kind, target string, facts probe.Facts, servers []server) []question {
	left := leftOutOf(servers)
	if left == (leftOut{}) {
		return nil
	}
	what := ""
	if left.addresses > 0 {
		what = fmt.Sprintf("%d addresses", left.addresses)
	}
	if left.hosts > 0 {
		what = fmt.Sprintf("%d hosts%s%s", left.hosts, map[bool]string{true: " and "}[what != ""], what)
	}
	return []question{{limits{id: probe.ID{Kind: kind, Target: target, Variant: variantLimits}, facts: with(facts, probe.FactLeftOut, what), now: p.env.Now}}}
}

// ID has no address.
func (l limits) ID() probe.ID { return l.id }

// Run asks nobody.
func (l limits) Run(context.Context) probe.Result {
	rec := probe.Begin(l.id, l.now)
	rec.Facts(l.facts)
	return rec.Skip(probe.ReasonNotAsked, fmt.Errorf("DNS names more than is asked: %s are left out", l.facts[probe.FactLeftOut]))
}

// newPorts is where ports were asked at an SRV record's word: once an hour,
// until something there has answered as it should.
type newPorts struct {
	mu     sync.Mutex
	asked  map[netip.AddrPort]time.Time
	proven map[netip.AddrPort]bool
}

// take says whether a port may be asked now, and takes note that it is.
func (p *newPorts) take(at netip.AddrPort, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proven[at] {
		return true
	}
	maps.DeleteFunc(p.asked, func(_ netip.AddrPort, t time.Time) bool { return now.Sub(t) >= time.Hour })
	if _, ok := p.asked[at]; ok || len(p.asked) >= newPortsHour {
		return false
	}
	if p.asked == nil {
		p.asked = map[netip.AddrPort]time.Time{}
	}
	p.asked[at] = now
	return true
}

// answered takes note that a server answered as its protocol has it.
func (p *newPorts) answered(at netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proven == nil || len(p.proven) >= newPortsHour {
		p.proven = map[netip.AddrPort]bool{}
	}
	p.proven[at] = true
}

// rescue makes an error of a panic: reading what strangers send must not end the process.
func rescue(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("looking up names: a bug of kerbagent: %v", v)
	}
}
