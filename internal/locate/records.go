package locate

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// services asks for the realm's SRV records, for UDP and then for TCP (libkrb5's locate_kdc.c).
func (p *Programs) services(ctx context.Context, f *found, realm string) ([]dns.Service, time.Duration, error) {
	r, err := p.Host()
	if err != nil {
		return nil, 0, err
	}
	f.glue = map[string][]netip.Addr{}
	var out []dns.Service
	var answers [2]host.Answer
	var services [2][]dns.Service
	var glue [2]map[string][]netip.Addr
	var wg sync.WaitGroup
	for i, proto := range []string{"_udp", "_tcp"} {
		wg.Go(func() {
			defer spoils(&answers[i])
			services[i], glue[i], answers[i] = r.Services(ctx, "_kerberos."+proto+"."+realm)
		})
	}
	wg.Wait()
	ttl := longest
	for i, a := range answers {
		f.note(a)
		if a.Err == nil {
			ttl = min(ttl, a.TTL)
		}
		maps.Copy(f.glue, glue[i])
		for _, s := range services[i] {
			same := func(o dns.Service) bool { return o.Host == s.Host && o.Port == s.Port }
			if s.Usable() && !slices.ContainsFunc(out, same) {
				out = append(out, s)
			}
		}
	}
	if len(out) > 0 && !slices.ContainsFunc(services[1], dns.Service.Usable) {
		// libkrb5 takes KDCs for TCP from these records alone, and ends where an answer fits no datagram (sendto_kdc.c).
		f.noTCP = fmt.Errorf("there is no SRV record _kerberos._tcp.%s, without which libkrb5 has no KDC to ask over TCP", realm)
		if answers[1].Err != nil {
			f.noTCP = fmt.Errorf("%w: %w", f.noTCP, answers[1].Err)
		}
	}
	if len(out) == 0 { // libkrb5 asks for URI records first (MIT Kerberos 1.15); who publishes both publishes the same
		uris, more, a := uris(ctx, r, realm)
		f.note(a)
		maps.Copy(f.glue, more)
		ttl = min(ttl, a.TTL)
		out = slices.DeleteFunc(uris, func(s dns.Service) bool { return !s.Usable() })
	}
	if len(out) == 0 {
		return nil, 0, answers[0].Err
	}
	const most = 64
	return out[:min(len(out), most)], ttl, nil
}

// uris asks for a realm's URI records. A bug there costs these records alone.
func uris(ctx context.Context, r *host.Resolver, realm string) (found []dns.Service, glue map[string][]netip.Addr, a host.Answer) {
	defer spoils(&a)
	return r.URIs(ctx, "_kerberos."+realm)
}
