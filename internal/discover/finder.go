// Package discover turns names into what is known of them: the servers of
// realms and the addresses of databases, how long that holds, how much of it is
// asked at most, and which addresses were there before. It asks DNS servers and
// nobody else.
package discover

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

// LongestTTL and shortestTTL bound how long what was found is good for where a Finder ages. A name that was
// not found is looked for again soon; the longest TTLs are not waited for.
const (
	shortestTTL = 5 * time.Second
	LongestTTL  = 5 * time.Minute
)

// Finder finds names' addresses and realms' servers. Each is looked for
// once in a run, however many jobs ask, or, where it ages, once in its TTL. It
// serves the plan and the login's Locator; what each DNS server is worth is
// the DNS probes' business.
type Finder struct {
	cfg      *config.Config
	dialer   probe.Dialer
	resolver []netip.AddrPort // this host's
	timeout  time.Duration
	ages     bool
	// Else resolves a name that no DNS server has, as programs on this host do; nil: nobody.
	Else func(ctx context.Context, name string) ([]netip.Addr, error)

	mu      sync.Mutex
	names   map[string]*found[[]netip.Addr]
	kdcs    map[string]*found[[]Server]
	kpasswd map[string]*found[[]Server]
}

// found is one search, done by the first who asks.
type found[T any] struct {
	done  chan struct{} // closed when it is over
	value T
	err   error
	left  int           // how many addresses are left out of value
	half  bool          // of a name: DNS did not say what addresses of one family it has
	ttl   time.Duration // the least TTL of the answers that value is made of
	hold  time.Duration // how long it is good for whatever the TTL; 0: the TTL decides
	until time.Time     // under Finder.mu: when it is over; zero: never
}

// Server is one host that serves a realm.
type Server struct {
	Host   string // a checked host name, or an address
	Port   uint16
	Source string // a probe.Source value
	Addrs  []netip.Addr
	Err    error // why it has no address

	half     bool    // the realm's DNS did not say what addresses of one family it has
	HostOnly bool    // this host resolves the name to these addresses, and the realm's DNS servers do not
	Priority uint16  // the priority of the server's SRV record
	Left     LeftOut // what is not asked: further addresses of it, and, with the last server, further hosts
}

var errNoAddress = errors.New("no DNS server has an address for it")

// New returns a Finder that asks by way of a dialer. resolver is this host's DNS
// servers. One that ages looks a name up again when its TTL is over; another
// looks once.
func New(cfg *config.Config, d probe.Dialer, resolver []netip.AddrPort, ages bool) *Finder {
	return &Finder{cfg: cfg, dialer: d, resolver: resolver, timeout: cfg.Probes.Timeout, ages: ages,
		names: map[string]*found[[]netip.Addr]{}, kdcs: map[string]*found[[]Server]{}, kpasswd: map[string]*found[[]Server]{}}
}

// dnsFor lists the servers that are asked about a realm: its own, else this host's.
func (d *Finder) dnsFor(realm string) []netip.AddrPort {
	if r, ok := d.cfg.Realm(realm); ok && len(r.DNSServers) > 0 {
		return r.DNSServers
	}
	return d.resolver
}

// kdcsOf finds the KDCs of a realm: those configured, else by SRV, else the
// addresses of the realm's domain.
func (d *Finder) kdcsOf(ctx context.Context, realm string) ([]Server, error) {
	r, _ := d.cfg.Realm(realm)
	return d.serversOf(ctx, d.kdcs, realm, r.KDCs, "_kerberos", config.PortKDC, d.share(mostKDCs))
}

// kpasswdOf finds the kpasswd servers of a realm likewise.
func (d *Finder) kpasswdOf(ctx context.Context, realm string) ([]Server, error) {
	r, _ := d.cfg.Realm(realm)
	return d.serversOf(ctx, d.kpasswd, realm, r.KpasswdServers, "_kpasswd", config.PortKpasswd, d.share(mostKpasswd))
}

func (d *Finder) serversOf(ctx context.Context, known map[string]*found[[]Server], realm string, given []config.HostPort, service string, port uint16, most int) ([]Server, error) {
	f := once(ctx, d, known, realm, func(f *found[[]Server]) {
		at := d.dnsFor(realm)
		f.ttl = LongestTTL
		if len(given) > 0 {
			f.value = configured(given)
		} else {
			f.value, f.ttl, f.err = d.findBySRV(ctx, at, realm, service, port)
		}
		here := d.asHere(ctx, at, realm, f.value)
		f.ttl = min(f.ttl, d.resolveAll(ctx, at, f.value))
		f.value = append(f.value, otherwise(f.value, here())...)
		if len(given) == 0 { // how many hosts are configured, no DNS server decides
			capAll(f.value, most)
		}
		f.hold = d.holds(at)
		if len(f.value) == 0 {
			f.hold = missing * d.cfg.Probes.Interval
		}
	})
	return f.value, f.err
}

// missing is how many intervals pass until a realm whose servers were not found is
// looked for again: all its DNS servers may be down, and a fleet is not to beat on them.
const missing = 3

// holds returns how long a realm's servers are good for that these DNS servers
// have named. Their TTL would let the zone decide what a fleet costs them; that a name
// has other answers, its probe shows. Realms that share a DNS server share its patience.
func (d *Finder) holds(at []netip.AddrPort) time.Duration {
	most := 1
	for _, server := range at {
		n := 0
		for _, r := range d.cfg.Realms {
			if slices.Contains(d.dnsFor(r.Name), server) {
				n++
			}
		}
		most = max(most, n)
	}
	return time.Duration(most) * d.cfg.Probes.Rare()
}

// once returns the search for key: an earlier one that has not expired, one that
// is under way, or a new one.
func once[T any](ctx context.Context, d *Finder, searches map[string]*found[T], key string, search func(*found[T])) *found[T] {
	mine := false
	d.mu.Lock()
	f := searches[key]
	if f == nil || !f.until.IsZero() && !time.Now().Before(f.until) {
		maps.DeleteFunc(searches, func(_ string, f *found[T]) bool { return !f.until.IsZero() && !time.Now().Before(f.until) })
		f = &found[T]{done: make(chan struct{})}
		searches[key] = f
		mine = true
	}
	d.mu.Unlock()
	if !mine {
		<-f.done
		return f
	}
	defer close(f.done)
	func() {
		defer rescue(&f.err)
		search(f)
	}()
	if d.ages {
		ttl := max(min(f.ttl, LongestTTL), shortestTTL)
		if f.hold > 0 {
			ttl = f.hold
		}
		if ctx.Err() != nil { // cut short: that says nothing
			ttl = 0
		}
		d.mu.Lock()
		f.until = time.Now().Add(ttl)
		d.mu.Unlock()
	}
	return f
}

// Expire lets go of what was found by a search, so that it is made anew.
func (d *Finder) Expire(of Search) {
	host := of.Name // of a realm the domain
	d.mu.Lock()
	defer d.mu.Unlock()
	switch of.Kind {
	case probe.KDC:
		delete(d.kdcs, of.Name)
	case probe.Kpasswd:
		delete(d.kpasswd, of.Name)
	case probe.Database:
		db, _ := d.cfg.Database(of.Name)
		if host = db.Host; of.Host != "" {
			host = of.Host
		}
	}
	maps.DeleteFunc(d.names, func(key string, _ *found[[]netip.Addr]) bool {
		return strings.HasPrefix(key, strings.ToLower(host)+"[")
	})
}

func configured(hosts []config.HostPort) []Server {
	var out []Server
	for _, h := range hosts {
		out = append(out, Server{Host: h.Host, Port: h.Port, Source: probe.SourceConfigured})
	}
	return out
}

// Addresses returns the addresses of a host, IPv4 first, as this host's DNS
// servers have them.
func (d *Finder) Addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	f := d.lookUp(ctx, d.resolver, host)
	return f.value, f.err
}

// endpoint returns a database as the one server that it is.
func (d *Finder) endpoint(ctx context.Context, db config.Database) ([]Server, error) {
	f := d.lookUp(ctx, d.resolver, db.Host)
	if f.err != nil {
		return nil, f.err
	}
	return []Server{{Host: db.Host, Port: db.Port, Addrs: f.value, Left: LeftOut{Addresses: f.left}}}, nil
}

func (d *Finder) lookUp(ctx context.Context, at []netip.AddrPort, host string) *found[[]netip.Addr] {
	if ip, err := netip.ParseAddr(host); err == nil {
		return &found[[]netip.Addr]{value: []netip.Addr{ip}, ttl: LongestTTL}
	}
	return once(ctx, d, d.names, fmt.Sprint(strings.ToLower(host), at), func(f *found[[]netip.Addr]) {
		f.value, f.ttl, f.half, f.err = d.findAddresses(ctx, at, host)
		if len(f.value) == 0 && d.Else != nil {
			within, cancel := context.WithTimeout(ctx, d.timeout)
			defer cancel()
			if addrs, err := d.Else(within, host); err == nil {
				f.value, f.err = addrs, nil
			}
		}
		f.value, f.left = capAddresses(f.value)
	})
}

func (d *Finder) findAddresses(ctx context.Context, at []netip.AddrPort, host string) (_ []netip.Addr, _ time.Duration, half bool, _ error) {
	var v4, v6 *dns.Answer
	var err4, err6 error
	var wg sync.WaitGroup
	wg.Go(func() { v4, err4 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.A}) })
	wg.Go(func() { v6, err6 = d.ask(ctx, at, dns.Question{Name: host, Type: dns.AAAA}) })
	wg.Wait()
	var out []netip.Addr
	ttl := LongestTTL
	for _, a := range []*dns.Answer{v4, v6} {
		half = half || a == nil || a.Reason() == probe.ReasonDNSServFail || a.Reason() == probe.ReasonDNSRefused
		if a != nil && len(a.Addrs) > 0 {
			out, ttl = append(out, a.Addrs...), min(ttl, a.TTL)
		}
	}
	switch {
	case len(out) > 0:
		return out, ttl, half, nil
	case err4 != nil:
		return nil, 0, half, err4
	case err6 != nil:
		return nil, 0, half, err6
	}
	return nil, 0, half, errNoAddress
}

// KDCs makes a Finder a client.Locator. Addresses come in the order in which
// they are to be tried, the first addresses of all hosts before their second.
func (d *Finder) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	kdcs, err := d.kdcsOf(ctx, realm)
	var out []netip.AddrPort
	for round := 0; ; round++ {
		before := len(out)
		for _, k := range kdcs {
			if round < len(k.Addrs) {
				out = append(out, netip.AddrPortFrom(k.Addrs[round], k.Port))
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
