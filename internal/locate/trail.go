package locate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/sendto"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Trail says how a program found what a login went to: the KDCs of realms, and a database's host.
func (p *Programs) Trail(name string, h login.Heard) login.Trail {
	for _, realm := range h.Realms {
		if f := p.last("realm " + realm); f != nil {
			f.end()
		}
	}
	t := login.Trail{NoTCP: map[string]error{}, ForNow: map[string]bool{}, Written: map[string][]login.Written{}}
	chance := false                  // a name server that answers left a question unanswered: the next time it may answer at once
	late := map[bool]time.Duration{} // what exchanges take: those for the first ticket, and those for services
	add := func(f *found) {
		t.Wait += f.wait
		t.Passed, t.At = append(t.Passed, f.passed...), append(t.At, f.passedAt...)
	}
	for i, realm := range h.Realms {
		f := p.last("realm " + realm)
		if f == nil {
			continue
		}
		f.end()
		add(f)
		chance = chance || f.resolver.IsValid() && slices.Contains(f.silent, f.resolver)
		if each := f.eachExchange(); len(f.passedAt) == 0 && each >= slowExchange && f.resolver.IsValid() {
			t.Passed = append(t.Passed, fmt.Sprintf("name server %s: lookups of KDCs of %s take %s at each exchange", f.resolver, realm, each.Round(time.Second/10)))
			t.At = append(t.At, f.resolver)
		}
		if len(f.written) > 0 {
			t.Written[realm] = f.written
		}
		t.ForNow[realm] = f.forNow
		if f.noTCP != nil {
			t.NoTCP[realm] = f.noTCP
		}
		route := f.route
		route.Largest = h.Largest[realm]
		t.Routes = append(t.Routes, route)
		switch {
		case t.Lack != nil:
		case f.lack != nil:
			t.Lack, t.LackRealm, t.LackAt, t.LackHost = f.lack, realm, stage(i > 0), strings.Join(slices.Sorted(maps.Keys(f.why)), ", ")
			t.LackOf = f.lackOf
		default:
			for _, s := range f.endsAt(&t, realm, h, i) {
				late[s.Service] += s.Waited
			}
		}
	}
	for service, wait := range late {
		if t.Lack == nil && wait > longestWait && !chance {
			t.Lack, t.LackOf, t.LackRealm, t.LackAt = tooLate(wait), probe.ReasonTooLate, h.Realms[0], stage(service)
		}
	}
	if f := p.last("host " + name); f != nil {
		add(f)
		if f.lack != nil && t.Lack == nil {
			t.Lack = f.lack
		}
	}
	return t
}

// eachExchange is how long the look-ups take that libkrb5 makes at each exchange.
func (f *found) eachExchange() time.Duration {
	all := f.route.Find + f.route.Primary
	for _, s := range f.route.Servers[:min(1, len(f.route.Servers))] {
		all += s.Wait
	}
	return all
}

// last returns the latest look-up that is over.
func (p *Programs) last(key string) *found {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.found[key]
	if f != nil && f.until.IsZero() { // another login is looking it up anew
		f = f.before
	}
	return f
}

// endsAt notes where a program's exchanges with the KDCs of a realm end at a name whose look-up fails for now, by who
// answered this login: KDCs that libkrb5 comes to before that are silent, or the login would have been answered by them.
// It returns the exchanges.
func (f *found) endsAt(t *login.Trail, realm string, h login.Heard, i int) []sendto.Step {
	does := func(a sendto.Asked) sendto.Does {
		switch {
		case a.Transport == sendto.UDP && a.Addr == h.Datagram, a.Transport == sendto.TCP && a.Addr == h.KDCs[realm]:
			return sendto.Does{Answers: true}
		case h.Told(a.Addr):
			return sendto.Does{Refuses: true}
		}
		return sendto.Does{}
	}
	route := t.Routes[len(t.Routes)-1]
	steps := route.Service(route.Largest, does)
	if i == 0 {
		steps = route.Home(does)
	}
	for _, s := range steps {
		if s.Ends != nil {
			t.Lack, t.LackRealm, t.LackAt, t.LackHost = f.ends(s.Ends), realm, stage(s.Service), s.Ends.Host
			break
		}
	}
	return steps
}

// longestWait is how long a ticket may take. libkrb5 itself has no such limit, but whoever waits for it has: pools
// of connections give up after 30 s (HikariCP's connectionTimeout), and the database ends a connection sooner.
const longestWait = 45 * time.Second

func tooLate(wait time.Duration) error {
	return fmt.Errorf("a program on this host needs about %s for a ticket, longer than programs wait: libkrb5 repeats its lookups for each request",
		wait.Round(time.Second))
}

func stage(service bool) string {
	if service {
		return probe.AtTGS
	}
	return probe.AtAS
}
