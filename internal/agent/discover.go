package agent

import (
	"context"
	"errors"
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

// askTCP is how long the servers have over UDP before they are asked over TCP
// as well: far beyond any honest round trip, far below a resolver's patience.
const askTCP = 400 * time.Millisecond

// secondThoughts is how long the other servers have to know better, once one
// has said that there is nothing: a server that is down must not hold up every
// question about a name that does not exist.
const secondThoughts = 200 * time.Millisecond

// discovery finds names' addresses and realms' servers. Each is looked for
// once in a run, however many jobs ask. It serves the plan and the login's
// Locator; what each DNS server is worth is the DNS probes' business.
type discovery struct {
	cfg      *config.Config
	dialer   probe.Dialer
	resolver []netip.AddrPort // this host's
	timeout  time.Duration

	mu      sync.Mutex
	names   map[string]*found[[]netip.Addr]
	kdcs    map[string]*found[[]server]
	kpasswd map[string]*found[[]server]
}

// found is one search, done by the first who asks.
type found[T any] struct {
	once  sync.Once
	value T
	err   error
}

// server is one host that serves a realm.
type server struct {
	host   string // a checked host name, or an address
	port   uint16
	source string // a probe.Source value
	addrs  []netip.Addr
	err    error // why it has no address
}

var errNoAddress = errors.New("no DNS server has an address for it")

func newDiscovery(cfg *config.Config, d probe.Dialer, resolver []netip.AddrPort) *discovery {
	return &discovery{cfg: cfg, dialer: d, resolver: resolver, timeout: cfg.Probes.Timeout,
		names: map[string]*found[[]netip.Addr]{}, kdcs: map[string]*found[[]server]{}, kpasswd: map[string]*found[[]server]{}}
}

// dnsFor lists the servers that are asked about a realm: its own, else this host's.
func (d *discovery) dnsFor(realm string) []netip.AddrPort {
	if r, ok := d.cfg.Realm(realm); ok && len(r.DNSServers) > 0 {
		return r.DNSServers
	}
	return d.resolver
}

// kdcsOf finds the KDCs of a realm: those configured, else by SRV, else the
// addresses of the realm's domain.
func (d *discovery) kdcsOf(ctx context.Context, realm string) ([]server, error) {
	r, _ := d.cfg.Realm(realm)
	return d.serversOf(ctx, d.kdcs, realm, r.KDCs, "_kerberos", config.PortKDC)
}

// kpasswdOf finds the kpasswd servers of a realm likewise.
func (d *discovery) kpasswdOf(ctx context.Context, realm string) ([]server, error) {
	r, _ := d.cfg.Realm(realm)
	return d.serversOf(ctx, d.kpasswd, realm, r.KpasswdServers, "_kpasswd", config.PortKpasswd)
}

func (d *discovery) serversOf(ctx context.Context, known map[string]*found[[]server], realm string, given []config.HostPort, service string, port uint16) ([]server, error) {
	f := remember(d, known, realm)
	f.once.Do(func() {
		at := d.dnsFor(realm)
		if len(given) > 0 {
			f.value = configured(given)
		} else {
			f.value, f.err = d.findBySRV(ctx, at, realm, service, port)
		}
		d.resolveAll(ctx, at, f.value)
	})
	return f.value, f.err
}

// remember gives the search for key, new or under way.
func remember[T any](d *discovery, searches map[string]*found[T], key string) *found[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := searches[key]
	if f == nil {
		f = &found[T]{}
		searches[key] = f
	}
	return f
}

func configured(hosts []config.HostPort) []server {
	var out []server
	for _, h := range hosts {
		out = append(out, server{host: h.Host, port: h.Port, source: probe.SourceConfigured})
	}
	return out
}

// findBySRV asks for the service over TCP and UDP at once, and beside them for
// the domain's own addresses, so that doing without SRV costs no round trip.
func (d *discovery) findBySRV(ctx context.Context, at []netip.AddrPort, realm, service string, port uint16) ([]server, error) {
	domain := strings.ToLower(realm)
	var tcp, udp *dns.Answer
	var addrs []netip.Addr
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { tcp, err = d.ask(ctx, at, dns.Question{Name: service + "._tcp." + domain, Type: dns.SRV}) })
	wg.Go(func() { udp, _ = d.ask(ctx, at, dns.Question{Name: service + "._udp." + domain, Type: dns.SRV}) })
	wg.Go(func() { addrs, _ = d.addresses(ctx, at, domain) })
	wg.Wait()
	var out []server
	for _, a := range []*dns.Answer{tcp, udp} {
		if a == nil {
			continue
		}
		for _, srv := range a.Services {
			s := server{host: srv.Host, port: srv.Port, source: probe.SourceSRV, addrs: a.Glue[srv.Host]}
			if srv.Usable() && dns.HostName(srv.Host) && !slices.ContainsFunc(out, func(o server) bool { return o.host == s.host && o.port == s.port }) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 && len(addrs) > 0 {
		out = []server{{host: domain, port: port, source: probe.SourceDomain, addrs: addrs}}
	}
	if len(out) == 0 && err == nil {
		err = fmt.Errorf("%s has neither SRV records nor addresses", domain)
	}
	return out, err
}

// resolveAll fills in the addresses of servers, side by side.
func (d *discovery) resolveAll(ctx context.Context, at []netip.AddrPort, all []server) {
	var wg sync.WaitGroup
	for i := range all {
		s := &all[i]
		if len(s.addrs) > 0 {
			continue
		}
		wg.Go(func() { s.addrs, s.err = d.addresses(ctx, at, s.host) })
	}
	wg.Wait()
}

// addresses gives the addresses of a name, IPv4 first.
func (d *discovery) addresses(ctx context.Context, at []netip.AddrPort, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	f := remember(d, d.names, fmt.Sprint(strings.ToLower(host), at))
	f.once.Do(func() { f.value, f.err = d.findAddresses(ctx, at, host) })
	return f.value, f.err
}

func (d *discovery) findAddresses(ctx context.Context, at []netip.AddrPort, host string) ([]netip.Addr, error) {
	var v4, v6 *dns.Answer
	var err4, err6 error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.A}) })
	wg.Go(func() { v6, err6 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.AAAA}) })
	wg.Wait()
	var out []netip.Addr
	for _, a := range []*dns.Answer{v4, v6} {
		if a != nil {
			out = append(out, a.Addrs...)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case err4 != nil:
		return nil, err4
	case err6 != nil:
		return nil, err6
	}
	return nil, errNoAddress
}

// ask puts one question to all servers at once and takes the first answer that
// has something in it, or, when all have spoken or had their time, any answer.
// A server that stays silent over UDP, or cuts its answer short, is asked over
// TCP too.
func (d *discovery) ask(ctx context.Context, at []netip.AddrPort, q dns.Question) (*dns.Answer, error) {
	if len(at) == 0 {
		return nil, errors.New("no DNS server is known: name one with --dns-server, or in /etc/resolv.conf")
	}
	ctx, cancel := probe.Limit(ctx, d.timeout)
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	replies := make(chan reply, len(at))
	for _, server := range at {
		go func() {
			a, err := d.askOne(ctx, server, q)
			replies <- reply{a, err}
		}()
	}
	var last reply
	var enough <-chan time.Time
	for range at {
		select {
		case r := <-replies:
			if r.answer != nil && r.answer.Reason() == "" {
				return r.answer, nil
			}
			if last.answer == nil {
				last = r
			}
			if r.answer != nil && enough == nil {
				enough = time.After(secondThoughts)
			}
		case <-enough:
			return last.answer, last.err
		}
	}
	return last.answer, last.err
}

func (d *discovery) askOne(ctx context.Context, server netip.AddrPort, q dns.Question) (*dns.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	udp, tcp := make(chan reply, 1), make(chan reply, 1)
	go func() {
		a, err := dns.Ask(ctx, d.dialer, probe.UDP, server, q)
		udp <- reply{a, err}
	}()
	overTCP := func() {
		a, err := dns.Ask(ctx, d.dialer, probe.TCP, server, q)
		tcp <- reply{a, err}
	}
	patience := time.NewTimer(askTCP)
	defer patience.Stop()
	select {
	case r := <-udp:
		if r.err == nil && !r.answer.Truncated {
			return r.answer, nil
		}
		overTCP()
		r = <-tcp
		return r.answer, r.err
	case <-patience.C:
		go overTCP()
	}
	select {
	case r := <-udp:
		if r.err == nil && !r.answer.Truncated {
			return r.answer, nil
		}
		r = <-tcp
		return r.answer, r.err
	case r := <-tcp:
		if r.err != nil { // a slow answer over UDP is better than none
			r = <-udp
		}
		return r.answer, r.err
	}
}

// KDCs makes discovery a client.Locator. Addresses come in the order in which
// they are to be tried, the first addresses of all hosts before their second.
func (d *discovery) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	kdcs, err := d.kdcsOf(ctx, realm)
	var out []netip.AddrPort
	for round := 0; ; round++ {
		before := len(out)
		for _, k := range kdcs {
			if round < len(k.addrs) {
				out = append(out, netip.AddrPortFrom(k.addrs[round], k.port))
			}
		}
		if len(out) == before {
			break
		}
	}
	if len(out) == 0 && err == nil {
		err = fmt.Errorf("the KDCs of %s: %w", realm, errNoAddress)
	}
	return out, err
}
