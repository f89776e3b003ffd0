package discover

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// findBySRV asks for the service over TCP and UDP at once, and beside them for
// the domain's own addresses and for the URI records that MIT's library prefers, so that
// doing without SRV costs no round trip.
func (d *Finder) findBySRV(ctx context.Context, at []netip.AddrPort, realm, service string, port uint16) ([]Server, time.Duration, error) {
	domain := strings.ToLower(realm)
	var uri, tcp, udp *dns.Answer
	var domains *found[[]netip.Addr]
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { tcp, err = d.ask(ctx, at, dns.Question{Name: service + "._tcp." + domain, Type: dns.SRV}) })
	wg.Go(func() { udp, _ = d.ask(ctx, at, dns.Question{Name: service + "._udp." + domain, Type: dns.SRV}) })
	wg.Go(func() { domains = d.lookUp(ctx, at, domain) })
	if r, _ := d.cfg.Realm(realm); r.Kind == config.MIT {
		wg.Go(func() { uri, _ = d.ask(ctx, at, dns.Question{Name: service + "." + domain, Type: dns.URI}) })
	}
	wg.Wait()
	var out []Server
	had := map[config.HostPort]bool{}
	ttl := LongestTTL
	source := map[uint16]string{dns.SRV: probe.SourceSRV, dns.URI: probe.SourceURI}
	for _, a := range []*dns.Answer{uri, tcp, udp} {
		if a == nil || a != uri && len(out) > 0 && out[0].Source == probe.SourceURI { // where libkrb5 finds URI records it asks for no SRV
			continue
		}
		if len(a.Services) > 0 {
			ttl = min(ttl, a.TTL)
		}
		for _, srv := range a.Services {
			s := Server{Host: srv.Host, Port: srv.Port, Source: source[a.Question.Type], Priority: srv.Priority}
			s.Addrs, s.Left.Addresses = capAddresses(a.Glue[srv.Host])
			if at := (config.HostPort{Host: s.Host, Port: s.Port}); srv.Usable() && !had[at] {
				had[at], out = true, append(out, s)
			}
		}
	}
	if len(out) == 0 && len(domains.value) > 0 {
		out, ttl = []Server{{Host: domain, Port: port, Source: probe.SourceDomain, Addrs: domains.value, Left: LeftOut{Addresses: domains.left}}}, domains.ttl
	}
	if len(out) == 0 {
		ttl = 0
		if err == nil {
			err = fmt.Errorf("%s has no SRV records and no addresses", domain)
		}
	}
	return capHosts(out), ttl, err
}

// resolveAll fills in the addresses of servers, side by side, and returns the
// least TTL of those that it looked for.
func (d *Finder) resolveAll(ctx context.Context, at []netip.AddrPort, all []Server) time.Duration {
	ttls := make([]time.Duration, len(all))
	var wg sync.WaitGroup
	for i := range all {
		s := &all[i]
		ttls[i] = LongestTTL
		if len(s.Addrs) > 0 {
			continue
		}
		wg.Go(func() {
			f := d.lookUp(ctx, at, s.Host)
			s.Addrs, s.Left.Addresses, ttls[i], s.half, s.Err = slices.Clone(f.value), f.left, f.ttl, f.half, f.err
		})
	}
	wg.Wait()
	return slices.Min(append(ttls, LongestTTL))
}
