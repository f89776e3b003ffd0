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

// published is what a realm's records in DNS say.
type published struct {
	services []dns.Service
	glue     map[string][]netip.Addr
	answer   host.Answer
}

// lateURI is how long URI records may come after SRV records. libkrb5 waits for them as
// long as for any answer, since it asks for them first.
const lateURI = time.Second

// mostServers is how many of a realm's records are looked at: no more at DNS's word.
const mostServers = 64

// services asks for the realm's URI records, and for its SRV records for UDP and TCP. libkrb5 (since 1.15) asks for
// SRV records only where there is no URI record that it can use (locate_kdc.c); here they are asked for side by
// side. rooted is how it ends the names: those of SRV records with the dot of the root, which no line
// of /etc/hosts has, and those of URI records as they stand there.
func (p *Programs) services(ctx context.Context, f *found, realm string) (
	servers []dns.Service, rooted string, ttl time.Duration, err error,
) {
	r, err := p.Host()
	if err != nil {
		return nil, "", 0, err
	}
	uris := make(chan published, 1)
	asking, stop := context.WithCancel(ctx)
	defer stop()
	if p.Krb5().DNSLookupURI.Value {
		go func() { uris <- ask(func() published { return of(r.URIs(asking, "_kerberos."+realm)) }) }()
	} else {
		uris <- published{}
	}
	var srv [2]published
	var wg sync.WaitGroup
	for i, proto := range []string{"_udp", "_tcp"} {
		wg.Go(func() {
			srv[i] = ask(func() published { return of(r.Services(ctx, "_kerberos."+proto+"."+realm)) })
			for j := range srv[i].services {
				srv[i].services[j].Transport = proto[1:]
			}
		})
	}
	wg.Wait()
	if len(usable(srv[:]...)) > 0 {
		late := time.AfterFunc(lateURI, stop)
		defer late.Stop()
	}
	uri := <-uris
	f.heardOf(realm, uri)
	f.route.Find, f.route.Primary = uri.answer.Wait, uri.answer.Wait
	f.glue = map[string][]netip.Addr{}
	servers, rooted, ttl = usable(uri), "", uri.answer.TTL
	from := []published{uri}
	if len(servers) == 0 {
		servers, rooted, ttl, from = usable(srv[:]...), ".", longest, srv[:]
	}
	for _, s := range from {
		maps.Copy(f.glue, s.glue)
		if rooted == "" {
			continue
		}
		f.again(s.answer)
		f.route.Find += s.answer.Wait
		f.route.Primary = uri.answer.Wait + s.answer.Wait // of _kerberos-master, whose records the same server has or has not
		if s.answer.Err == nil {
			ttl = min(ttl, s.answer.TTL)
		}
	}
	if len(servers) == 0 {
		f.forNow = srv[0].answer.Temporary || srv[1].answer.Temporary
		return nil, "", 0, srv[0].answer.Err
	}
	if tcp := srv[1]; !slices.ContainsFunc(servers, func(s dns.Service) bool { return s.Transport == "tcp" }) && len(usable(tcp)) == 0 {
		f.noTCP, f.forNow = noTCP(realm, tcp), tcp.answer.Temporary
	}
	return servers[:min(len(servers), mostServers)], rooted, ttl, nil
}

// heardOf notes what URI records cost, and the proxies among them.
func (f *found) heardOf(realm string, uri published) {
	f.again(uri.answer)
	for _, s := range uri.services {
		if s.Transport == dns.Proxy {
			f.proxied(realm, s.Host)
		}
	}
}

// proxied names a KDC proxy (MS-KKDCP), which programs ask over HTTPS in its turn, and kerbagent does not.
func (f *found) proxied(realm, proxy string) {
	f.passed = append(f.passed, "KDC proxy "+proxy+" of "+realm+": not asked, as kerbagent asks no KDC over HTTPS")
}

// noTCP is what a program lacks whose KDCs are all for datagrams: libkrb5 takes KDCs for TCP from the SRV records
// for it alone, and ends where an answer fits no datagram (sendto_kdc.c).
func noTCP(realm string, tcp published) error {
	err := fmt.Errorf("there is no SRV record _kerberos._tcp.%s, without which libkrb5 has no KDC to ask over TCP", realm)
	if tcp.answer.Err != nil {
		return fmt.Errorf("%w: %w", err, tcp.answer.Err)
	}
	return err
}

func of(services []dns.Service, glue map[string][]netip.Addr, a host.Answer) published {
	return published{services, glue, a}
}

// ask asks for records. A bug there costs these records alone.
func ask(do func() published) (p published) {
	defer spoils(&p.answer)
	return do()
}

// usable returns the servers that records name, each once for a transport.
func usable(records ...published) (out []dns.Service) {
	for _, p := range records {
		for _, s := range p.services {
			same := func(o dns.Service) bool { return o.Host == s.Host && o.Port == s.Port && o.Transport == s.Transport }
			if s.Usable() && !slices.ContainsFunc(out, same) {
				out = append(out, s)
			}
		}
	}
	return out
}
