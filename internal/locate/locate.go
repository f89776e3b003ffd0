// Package locate finds the servers of a login as programs on this host find
// them: names by the host's own resolution, and KDCs by the krb5.conf that
// libkrb5 reads. Where a program finds none, a login goes on with what kerbagent
// knows otherwise, so that the rungs above are seen; but it has failed.
package locate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Names is what kerbagent knows otherwise: by its configuration and the realms' own DNS servers.
type Names interface {
	KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error)
	Addresses(ctx context.Context, host string) ([]netip.Addr, error)
}

// How long a look-up holds: what files say may change at any moment.
const (
	shortest = 5 * time.Second
	longest  = 5 * time.Minute
)

// Programs finds servers as a program on this host. It may be used by several goroutines.
type Programs struct {
	Root   string                         // whose files are read: "/"
	Host   func() (*host.Resolver, error) // reads how names are resolved
	Krb5   func() *reader.Reading         // reads the krb5.conf, as MIT's library does
	Other  Names                          // where programs find nothing
	Usable func(netip.Addr) bool          // whether this host has a way to an address at all; nil: always

	mu    sync.Mutex
	found map[string]*found
}

// found is one look-up.
type found struct {
	once     sync.Once
	until    time.Time // under Programs.mu; zero: under way
	addrs    []netip.AddrPort
	glue     map[string][]netip.Addr // that came with SRV records
	route    sendto.Route            // how libkrb5 asks the KDCs of a realm
	why      map[string]error        // of the names among them whose look-up fails
	caller   context.Context         // outlives the look-up, and not the login that began it
	beside   *sync.WaitGroup         // look-ups under way of names whose addresses came with SRV records; nil where there are none
	late     []*late                 // and what comes of them
	ended    sync.Once
	wait     time.Duration
	resolver netip.AddrPort            // the name server that answered last
	hosts    map[netip.AddrPort]string // whose each KDC's address is
	written  []login.Written           // the KDCs that krb5.conf names
	passed   []string
	passedAt []netip.AddrPort // the servers among them
	silent   []netip.AddrPort // name servers that did not answer a question
	noTCP    error            // a program finds KDCs for datagrams alone
	lack     error            // a program finds nothing
	lackOf   probe.Reason     // what is wrong with the krb5.conf, where that is why
	forNow   bool             // SRV records are not found for now: SERVFAIL, REFUSED or no answer
	err      error            // and neither does kerbagent
	before   *found           // the look-up whose time was over, for logins that went by that one
}

// limit is how long a login waits for names; a program waits longer, and how long is computed.
const limit = 10 * time.Second

func (p *Programs) look(ctx context.Context, key string, do func(context.Context, *found) time.Duration) *found {
	p.mu.Lock()
	f := p.found[key]
	if f == nil || !f.until.IsZero() && time.Now().After(f.until) {
		if p.found == nil {
			p.found = map[string]*found{}
		}
		if f != nil {
			f.before = nil
		}
		f = &found{before: f}
		p.found[key] = f
	}
	p.mu.Unlock()
	f.once.Do(func() {
		ttl := f.fill(ctx, do)
		p.mu.Lock()
		defer p.mu.Unlock()
		f.until = time.Now().Add(ttl)
	})
	return f
}

// fill makes a look-up, and returns how long it holds: not at all where it was cut
// short, or was a bug.
func (f *found) fill(caller context.Context, do func(context.Context, *found) time.Duration) (ttl time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			f.lack, ttl = fmt.Errorf("looking up names: a bug of kerbagent: %v", v), 0
		}
	}()
	ctx, cancel := context.WithTimeout(caller, limit)
	defer cancel()
	f.caller = caller
	ttl = max(min(do(ctx, f), longest), shortest)
	if caller.Err() != nil {
		return 0
	}
	return ttl
}

// spoils makes the error of a look-up of a panic in it, beside which no other recover is.
func spoils(a *host.Answer) {
	if v := recover(); v != nil {
		*a = host.Answer{Err: fmt.Errorf("looking up names: a bug of kerbagent: %v", v)}
	}
}

// mostAddresses is how many addresses of a database are tried: no more at DNS's word.
const mostAddresses = 8

// Addresses returns the addresses of a database's host in the order in which
// programs try them.
func (p *Programs) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	f := p.look(ctx, "host "+name, func(ctx context.Context, f *found) time.Duration {
		a := p.resolve(ctx, f, name)
		for _, addr := range a.Addrs {
			f.addrs = append(f.addrs, netip.AddrPortFrom(addr, 0))
		}
		if f.lack = a.Err; f.lack != nil {
			var others []netip.Addr
			others, f.err = p.Other.Addresses(ctx, name)
			for _, addr := range others {
				f.addrs = append(f.addrs, netip.AddrPortFrom(addr, 0))
			}
		}
		return a.TTL
	})
	var out []netip.Addr
	for _, a := range f.addrs[:min(len(f.addrs), mostAddresses)] {
		out = append(out, a.Addr())
	}
	if len(out) == 0 {
		return nil, cmp.Or(f.lack, f.err)
	}
	return out, nil
}

// resolve looks a name up and notes what a program passed over.
func (p *Programs) resolve(ctx context.Context, f *found, name string) host.Answer {
	r, err := p.Host()
	if err != nil {
		return host.Answer{Err: err}
	}
	a := r.LookUp(ctx, name)
	f.note(a)
	return a
}

// noted is what is worth a word: programs do not notice less.
const noted = time.Second

// slowExchange is what lookups take at one exchange where their server is slow. libkrb5 makes some six, one after
// another: 2 s are more than the distance to the far side of the world.
const slowExchange = 2 * time.Second

// note keeps what made a program wait: servers without an answer, and one that answered late.
func (f *found) note(a host.Answer) {
	f.again(a)
	f.wait += a.Wait
}

// again is note of a look-up that a program makes for each exchange with a KDC, so that its time is the route's.
func (f *found) again(a host.Answer) {
	rest := a.Wait
	for _, w := range a.Passed {
		rest -= w.Wait
		if w.Wait >= noted {
			if w.What == "no answer" {
				f.silent = append(f.silent, w.Server)
			}
			f.lost(w.Server, fmt.Sprintf("name server %s: %s for %s", w.Server, w.What, w.Name))
		}
	}
	if a.Server.IsValid() {
		f.resolver = a.Server
	}
	if rest >= noted && a.Server.IsValid() {
		f.lost(a.Server, fmt.Sprintf("name server %s: an answer after %s for %s", a.Server, rest.Round(100*time.Millisecond), a.Name))
	}
}

func (f *found) lost(at netip.AddrPort, what string) {
	f.passed = append(f.passed, what)
	if at.IsValid() {
		f.passedAt = append(f.passedAt, at)
	}
}

// KDCs makes Programs a client.Locator: SSSD's choice where there is one, the
// entries of the realm in krb5.conf, or else SRV records where the file lets DNS be asked.
func (p *Programs) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	f := p.look(ctx, "realm "+realm, func(ctx context.Context, f *found) time.Duration {
		ttl := p.findKDCs(ctx, f, realm)
		if len(f.addrs) > 0 {
			return ttl
		}
		f.lack = fmt.Errorf("programs on this host find no KDC of %s: %w", realm, f.lack)
		f.addrs, f.err = p.Other.KDCs(ctx, realm)
		return ttl
	})
	if len(f.addrs) == 0 {
		return nil, cmp.Or(f.lack, f.err)
	}
	return f.addrs, nil
}

// UDPLimit returns the size in bytes up to which libkrb5 sends a request over UDP first.
func (p *Programs) UDPLimit() int { return p.Krb5().UDPLimit.Value }

// ETypes returns the encryption types that libkrb5 asks for by the krb5.conf; nil where that says nothing of them.
func (p *Programs) ETypes() []int32 {
	types := p.Krb5().TicketETypes
	if types.From.IsZero() {
		return nil
	}
	return types.IDs
}

// TimeSync reports whether libkrb5 takes the KDC's time where this host's differs.
func (p *Programs) TimeSync() bool { return p.Krb5().TimeSync.Value }

// SameHost reports whether both addresses are of one KDC of a realm that was looked up.
func (p *Programs) SameHost(a, b netip.AddrPort) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.found {
		if !f.until.IsZero() && f.hosts[a] != "" && f.hosts[a] == f.hosts[b] {
			return true
		}
	}
	return false
}

func (p *Programs) findKDCs(ctx context.Context, f *found, realm string) time.Duration {
	file := p.Krb5()
	f.route = sendto.Route{Realm: realm, UDPLimit: file.UDPLimit.Value}
	if file.Reader == reader.MIT { // the others load no plugins of libkrb5
		if p.chosen(ctx, f, realm) {
			return shortest
		}
		p.nameWinbind(f, realm)
	}
	entry, _ := file.Realm(realm)
	switch {
	case file.Err != nil:
		f.lack, f.lackOf = file.Err, probe.ReasonFileUnparsable
		return shortest
	case noETypes(file) != nil:
		f.lack, f.lackOf = noETypes(file), probe.ReasonNoETypes
		return shortest
	case entry.Err != nil: // one line that is refused, and libkrb5 takes none
		f.lack, f.lackOf = errors.New("krb5.conf: "+file.CannotFind(realm)), probe.ReasonNoKDCInFile
		return shortest
	}
	var servers []dns.Service
	ttl := longest
	for _, k := range entry.KDCs {
		if strings.HasPrefix(k.Transport, "http") {
			f.proxied(realm, k.Host)
		} else if k.Err == nil {
			servers = append(servers, dns.Service{Host: k.Host, Port: uint16(k.Port), Transport: k.Transport})
			f.written = append(f.written, login.Written{Host: k.Host, Port: uint16(k.Port), Place: k.From.String()})
		}
	}
	rooted := ""
	if len(servers) == 0 {
		if why := file.CannotFind(realm); why != "" {
			f.lack, f.lackOf = errors.New("krb5.conf: "+why), probe.ReasonNoKDCInFile
			return shortest
		}
		servers, rooted, ttl, f.lack = p.services(ctx, f, realm)
	}
	return min(ttl, p.resolveAll(ctx, f, servers, rooted))
}

// noETypes returns the error of a list that leaves libkrb5 no encryption type to ask for a ticket with.
func noETypes(file *reader.Reading) error {
	for _, e := range []reader.ETypes{file.TicketETypes, file.ServiceETypes, file.PermittedETypes} {
		if errors.Is(e.Err, reader.ErrNoETypes) {
			return fmt.Errorf("krb5.conf: %w of %q", e.Err, e.Text)
		}
	}
	return nil
}
