package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// How long what was found is good for where a discovery ages. A name that was
// not found is looked for again soon; the longest TTLs are not waited for.
const (
	shortestTTL = 5 * time.Second
	longestTTL  = 5 * time.Minute
)

// discovery finds names' addresses and realms' servers. Each is looked for
// once in a run, however many jobs ask, or, where it ages, once in its TTL. It
// serves the plan and the login's Locator; what each DNS server is worth is
// the DNS probes' business.
type discovery struct {
	cfg      *config.Config
	dialer   probe.Dialer
	resolver []netip.AddrPort // this host's
	timeout  time.Duration
	ages     bool

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
	left  int           // how many addresses are left out of value
	ttl   time.Duration // of the answers that it is made of
	until time.Time     // under discovery.mu: when it is over; zero: never
}

// server is one host that serves a realm.
type server struct {
	host   string // a checked host name, or an address
	port   uint16
	source string // a probe.Source value
	addrs  []netip.Addr
	err    error // why it has no address

	priority uint16  // of its SRV record
	left     leftOut // what is not asked: further addresses of it, and, with the last server, further hosts
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
	return d.serversOf(ctx, d.kdcs, realm, r.KDCs, "_kerberos", config.PortKDC, d.share(mostKDCs))
}

// kpasswdOf finds the kpasswd servers of a realm likewise.
func (d *discovery) kpasswdOf(ctx context.Context, realm string) ([]server, error) {
	r, _ := d.cfg.Realm(realm)
	return d.serversOf(ctx, d.kpasswd, realm, r.KpasswdServers, "_kpasswd", config.PortKpasswd, d.share(mostKpasswd))
}

func (d *discovery) serversOf(ctx context.Context, known map[string]*found[[]server], realm string, given []config.HostPort, service string, port uint16, most int) ([]server, error) {
	f := once(ctx, d, known, realm, func(f *found[[]server]) {
		at := d.dnsFor(realm)
		f.ttl = longestTTL
		if len(given) > 0 {
			f.value = configured(given)
		} else {
			f.value, f.ttl, f.err = d.findBySRV(ctx, at, realm, service, port)
		}
		f.ttl = min(f.ttl, d.resolveAll(ctx, at, f.value))
		capAll(f.value, most)
	})
	return f.value, f.err
}

// once gives the search for key: done before and not over, under way, or done now.
func once[T any](ctx context.Context, d *discovery, searches map[string]*found[T], key string, search func(*found[T])) *found[T] {
	d.mu.Lock()
	f := searches[key]
	if f == nil || !f.until.IsZero() && !time.Now().Before(f.until) {
		maps.DeleteFunc(searches, func(_ string, f *found[T]) bool { return !f.until.IsZero() && !time.Now().Before(f.until) })
		f = &found[T]{}
		searches[key] = f
	}
	d.mu.Unlock()
	f.once.Do(func() {
		func() {
			defer rescue(&f.err)
			search(f)
		}()
		if !d.ages {
			return
		}
		ttl := max(min(f.ttl, longestTTL), shortestTTL)
		if ctx.Err() != nil { // cut short: that says nothing
			ttl = 0
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		f.until = time.Now().Add(ttl)
	})
	return f
}

// expire lets go of what was found of a realm, which may be empty, and of a
// name's addresses, so that they are looked for anew.
func (d *discovery) expire(realm, host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kdcs, realm)
	delete(d.kpasswd, realm)
	maps.DeleteFunc(d.names, func(key string, _ *found[[]netip.Addr]) bool {
		return strings.HasPrefix(key, strings.ToLower(host)+"[")
	})
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
func (d *discovery) findBySRV(ctx context.Context, at []netip.AddrPort, realm, service string, port uint16) ([]server, time.Duration, error) {
	domain := strings.ToLower(realm)
	var tcp, udp *dns.Answer
	var domains *found[[]netip.Addr]
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { tcp, err = d.ask(ctx, at, dns.Question{Name: service + "._tcp." + domain, Type: dns.SRV}) })
	wg.Go(func() { udp, _ = d.ask(ctx, at, dns.Question{Name: service + "._udp." + domain, Type: dns.SRV}) })
	wg.Go(func() { domains = d.lookUp(ctx, at, domain) })
	wg.Wait()
	var out []server
	had := map[config.HostPort]bool{}
	ttl := longestTTL
	for _, a := range []*dns.Answer{tcp, udp} {
		if a == nil {
			continue
		}
		if len(a.Services) > 0 {
			ttl = min(ttl, a.TTL)
		}
		for _, srv := range a.Services {
			s := server{host: srv.Host, port: srv.Port, source: probe.SourceSRV, priority: srv.Priority}
			s.addrs, s.left.addresses = capAddresses(a.Glue[srv.Host])
			if at := (config.HostPort{Host: s.host, Port: s.port}); srv.Usable() && !had[at] {
				had[at], out = true, append(out, s)
			}
		}
	}
	if len(out) == 0 && len(domains.value) > 0 {
		out, ttl = []server{{host: domain, port: port, source: probe.SourceDomain, addrs: domains.value, left: leftOut{addresses: domains.left}}}, domains.ttl
	}
	if len(out) == 0 {
		ttl = 0
		if err == nil {
			err = fmt.Errorf("%s has neither SRV records nor addresses", domain)
		}
	}
	return capHosts(out), ttl, err
}

// resolveAll fills in the addresses of servers, side by side, and gives the
// least TTL of those that it looked for.
func (d *discovery) resolveAll(ctx context.Context, at []netip.AddrPort, all []server) time.Duration {
	ttls := make([]time.Duration, len(all))
	var wg sync.WaitGroup
	for i := range all {
		s := &all[i]
		ttls[i] = longestTTL
		if len(s.addrs) > 0 {
			continue
		}
		wg.Go(func() {
			f := d.lookUp(ctx, at, s.host)
			s.addrs, s.left.addresses, ttls[i], s.err = slices.Clone(f.value), f.left, f.ttl, f.err
		})
	}
	wg.Wait()
	return slices.Min(append(ttls, longestTTL))
}

// addresses gives the addresses of a name, IPv4 first.
func (d *discovery) addresses(ctx context.Context, at []netip.AddrPort, host string) ([]netip.Addr, error) {
	f := d.lookUp(ctx, at, host)
	return f.value, f.err
}

// endpoint returns a database as the one server that it is.
func (d *discovery) endpoint(ctx context.Context, db config.Database) ([]server, error) {
	f := d.lookUp(ctx, d.resolver, db.Host)
	if f.err != nil {
		return nil, f.err
	}
	return []server{{host: db.Host, port: db.Port, addrs: f.value, left: leftOut{addresses: f.left}}}, nil
}

func (d *discovery) lookUp(ctx context.Context, at []netip.AddrPort, host string) *found[[]netip.Addr] {
	if ip, err := netip.ParseAddr(host); err == nil {
		return &found[[]netip.Addr]{value: []netip.Addr{ip}, ttl: longestTTL}
	}
	return once(ctx, d, d.names, fmt.Sprint(strings.ToLower(host), at), func(f *found[[]netip.Addr]) {
		f.value, f.ttl, f.err = d.findAddresses(ctx, at, host)
		f.value, f.left = capAddresses(f.value)
	})
}

func (d *discovery) findAddresses(ctx context.Context, at []netip.AddrPort, host string) ([]netip.Addr, time.Duration, error) {
	var v4, v6 *dns.Answer
	var err4, err6 error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.A}) })
	wg.Go(func() { v6, err6 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.AAAA}) })
	wg.Wait()
	var out []netip.Addr
	ttl := longestTTL
	for _, a := range []*dns.Answer{v4, v6} {
		if a != nil && len(a.Addrs) > 0 {
			out, ttl = append(out, a.Addrs...), min(ttl, a.TTL)
		}
	}
	switch {
	case len(out) > 0:
		return out, ttl, nil
	case err4 != nil:
		return nil, 0, err4
	case err6 != nil:
		return nil, 0, err6
	}
	return nil, 0, errNoAddress
}

// ask puts one question to all servers at once and takes the first answer that
// has something in it, or, when all have spoken or had their time, any answer.
// A server that stays silent over UDP, or cuts its answer short, is asked over
// TCP too.
func (d *discovery) ask(ctx context.Context, at []netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	if len(at) == 0 {
		return nil, errors.New("no DNS server is known: name one with --dns-server, or in /etc/resolv.conf")
	}
	ctx, cancel := probe.Limit(ctx, d.timeout)
	var asking sync.WaitGroup
	defer asking.Wait() // nothing of a question outlives it
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	replies := make(chan reply, len(at))
	for _, server := range at {
		asking.Go(func() {
			a, err := d.askOne(ctx, server, q)
			replies <- reply{a, err}
		})
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

// exchange asks one server over one transport.
func (d *discovery) exchange(ctx context.Context, t probe.Transport, server netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	return dns.Ask(ctx, d.dialer, t, server, q)
}

func (d *discovery) askOne(ctx context.Context, server netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	udp, tcp := make(chan reply, 1), make(chan reply, 1)
	asking.Go(func() {
		a, err := d.exchange(ctx, probe.UDP, server, q)
		udp <- reply{a, err}
	})
	overTCP := func() {
		a, err := d.exchange(ctx, probe.TCP, server, q)
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
		asking.Go(overTCP)
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
