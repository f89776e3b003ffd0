package locate

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/login"
)

// mostKDCs is how many addresses of a realm's KDCs a login is told of: no more at DNS's word.
const mostKDCs = 256

// resolveAll resolves the names of servers, side by side; libkrb5 does so one after the other. Addresses that
// came with SRV records are taken as they are, which saves a round trip; libkrb5 does not know them, so the
// names are looked up all the same, and what comes of it is waited for once the login is over.
func (p *Programs) resolveAll(ctx context.Context, f *found, servers []dns.Service, rooted string) time.Duration {
	r, err := p.Host()
	if err != nil {
		f.lack = err
		return shortest
	}
	var names []string
	for _, s := range servers {
		if !slices.Contains(names, s.Host) {
			names = append(names, s.Host)
		}
	}
	answers, came := make([]host.Answer, len(names)), make([]bool, len(names))
	var wg, beside sync.WaitGroup
	for i, name := range names {
		lookUp := func(group *sync.WaitGroup, ctx context.Context, into *host.Answer) {
			group.Go(func() {
				defer spoils(into)
				ctx, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				*into = r.LookUp(ctx, name+rooted)
				into.Temporary = into.Temporary && f.caller.Err() == nil
			})
		}
		if glue := f.glue[name]; len(glue) > 0 && r.Decides(name+rooted) {
			answers[i], came[i] = host.Answer{Addrs: r.Sort(glue)}, true
			f.late = append(f.late, &late{name: name})
			lookUp(&beside, f.caller, &f.late[len(f.late)-1].answer)
			continue
		}
		lookUp(&wg, ctx, &answers[i])
	}
	wg.Wait()
	f.beside = &beside
	ttl := longest
	f.why = map[string]error{}
	for i, a := range answers {
		if !came[i] {
			f.again(a)
		}
		if a.Err != nil {
			f.why[names[i]] = a.Err
			f.passed = append(f.passed, "KDC "+names[i]+": no address")
		}
		if a.TTL > 0 {
			ttl = min(ttl, a.TTL)
		}
	}
	for i, s := range servers {
		var w *login.Written
		if i < len(f.written) {
			w = &f.written[i]
		}
		p.take(f, s, answers[slices.Index(names, s.Host)], w)
	}
	if len(f.addrs) > 0 {
		f.lack = nil
	}
	return ttl
}

// take adds a server to what a login and libkrb5 go by. w is the line of krb5.conf that names it, or nil.
func (p *Programs) take(f *found, s dns.Service, a host.Answer, w *login.Written) {
	entry := sendto.Server{Host: s.Host, Transport: s.Transport, Wait: a.Wait, Temporary: a.Temporary}
	f.lack = cmp.Or(f.lack, a.Err)
	for _, addr := range a.Addrs {
		if p.Usable != nil && !p.Usable(addr) {
			continue
		}
		at := netip.AddrPortFrom(addr, s.Port)
		entry.Addrs = append(entry.Addrs, at)
		if w != nil {
			w.Addrs = append(w.Addrs, addr)
		}
		if len(f.addrs) < mostKDCs && !slices.Contains(f.addrs, at) {
			if f.hosts == nil {
				f.hosts = map[netip.AddrPort]string{}
			}
			f.addrs, f.hosts[at] = append(f.addrs, at), s.Host
		}
	}
	f.route.Servers = append(f.route.Servers, entry)
}

// late is a look-up of a name whose addresses were there already.
type late struct {
	name   string
	answer host.Answer
}

// end waits for the look-ups beside, and takes over what came of them.
func (f *found) end() {
	if f.beside == nil {
		return
	}
	f.beside.Wait()
	f.ended.Do(func() {
		for _, l := range f.late {
			f.again(l.answer)
			for i := range f.route.Servers {
				if s := &f.route.Servers[i]; s.Host == l.name {
					s.Wait, s.Temporary = l.answer.Wait, l.answer.Temporary
				}
			}
			if l.answer.Temporary {
				f.why[l.name] = l.answer.Err
			}
		}
	})
}

// ends is why a login of a program ends at a name.
func (f *found) ends(at *sendto.Server) error {
	return fmt.Errorf("programs end at the name of the KDC %s, whose look-up fails for now: libkrb5 asks no other KDC then: %w", at.Host, f.why[at.Host])
}
