package host

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/probe/dns"
)

// heard is what came of one question to one name server.
type heard struct {
	answer  *dns.Answer // nil where nothing came, or nothing that can be read
	bug     any         // what reading it panicked with
	took    time.Duration
	refused bool // the host, a router or the kernel says that it is not reached
	unsent  bool // this host did not let the question out
}

// usable reports whether a program takes the answer, and asks no other server: not
// SERVFAIL, REFUSED and NOTIMP, nor an empty referral (glibc's res_send.c).
func (h heard) usable() bool {
	if h.answer == nil {
		return false
	}
	a := h.answer
	lame := a.Rcode == rcodeSuccess && len(a.Listed) == 0 && !a.Authoritative && !a.Recursive
	return !lame && a.Rcode != rcodeServFail && a.Rcode != rcodeNotImp && a.Rcode != rcodeRefused
}

// The response codes that decide (RFC 1035 §4.1.1).
const (
	rcodeSuccess  = 0
	rcodeServFail = 2
	rcodeNXDomain = 3
	rcodeNotImp   = 4
	rcodeRefused  = 5
)

// search is one look-up in DNS. Each server is asked each question once, in the
// background; how a program's own attempts go is computed from what was heard.
type search struct {
	r      *Resolver
	want   []uint16 // the types of the questions
	answer Answer
	failed bool // a query had no answer from any server
	first  int  // server to begin with, of rotate
	single bool // A and AAAA one after the other: from the start, or since one of two was not answered

	mu    sync.Mutex
	asked map[asking]chan heard
	began map[asking]time.Time
	ctx   context.Context
	stop  context.CancelFunc
	under sync.WaitGroup // questions under way
}

type asking struct {
	server netip.AddrPort
	name   string
	qtype  uint16
}

// reply is what a program has after it asked all servers.
type reply struct {
	addrs   []netip.Addr
	srv     []dns.Service
	glue    map[string][]netip.Addr
	rcode   int
	server  netip.AddrPort
	ttl     time.Duration
	got     bool // some server gave a usable answer
	refused bool // no server was reached at all
}

func (r *Resolver) inDNS(ctx context.Context, name string, want wanted) (Answer, status) {
	s := r.newSearch(ctx)
	defer s.end()
	if want.v4 {
		s.want = append(s.want, dns.A)
	}
	if want.v6 && !r.dns.noAAAA {
		s.want = append(s.want, dns.AAAA)
	}
	if len(s.want) == 0 {
		return s.answer, notFound
	}
	st := s.run(name)
	return s.answer, st
}

// Services asks this host's name servers for the SRV records of a name, as
// libkrb5 does: the name as it is, and DNS alone. They come in the order of preference.
// With them come the addresses that the server added: a look-up more would
// return the same where DNS is what decides (see Decides).
func (r *Resolver) Services(ctx context.Context, name string) ([]dns.Service, map[string][]netip.Addr, Answer) {
	return r.records(ctx, name, dns.SRV, "SRV")
}

// URIs asks for the URI records of a name likewise.
func (r *Resolver) URIs(ctx context.Context, name string) ([]dns.Service, map[string][]netip.Addr, Answer) {
	return r.records(ctx, name, dns.URI, "URI")
}

func (r *Resolver) records(ctx context.Context, name string, qtype uint16, word string) ([]dns.Service, map[string][]netip.Addr, Answer) {
	s := r.newSearch(ctx)
	defer s.end()
	s.want = []uint16{qtype}
	re := s.query(name)
	s.answer.Server, s.answer.TTL, s.answer.Name = re.server, re.ttl, name
	if len(re.srv) == 0 {
		s.answer.Temporary = !re.got
		s.answer.Err = fmt.Errorf("no %s record %s: %s", word, name, sayPassed(s.answer.Passed))
	}
	return re.srv, re.glue, s.answer
}

// Decides says that this host has nothing of a name but what DNS has.
func (r *Resolver) Decides(name string) bool {
	for _, s := range r.services {
		switch _, st := r.inFiles(name, wanted{true, true}); {
		case s.name == SourceDNS:
			return true
		case s.name != SourceFiles || st == success || s.returns(st):
			return false
		}
	}
	return false
}

// Sort puts addresses into the order in which programs try them.
func (r *Resolver) Sort(addrs []netip.Addr) []netip.Addr { return r.order.sort(addrs) }

// Ask sets the name servers, in place of those of resolv.conf.
func (r *Resolver) Ask(servers []netip.AddrPort) { r.dns.servers = servers }

func (r *Resolver) newSearch(ctx context.Context) *search {
	s := &search{r: r, answer: Answer{Source: SourceDNS}, asked: map[asking]chan heard{}, began: map[asking]time.Time{}, single: r.dns.single}
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// end ends the questions that are under way: none outlives its search.
func (s *search) end() {
	s.stop()
	s.under.Wait()
}

// run goes through the search list as glibc's res_search does. The error is that of the name as it is, if
// that was asked first; else that there is no address, if one query said so, or that a server fails.
func (s *search) run(name string) (st status) {
	conf := s.r.dns
	var noData, servFail bool
	absolute, dots := strings.HasSuffix(name, "."), strings.Count(name, ".")
	asIs, rooted, searched := false, false, false
	if dots >= conf.ndots || absolute {
		if st, done := s.try(strings.TrimSuffix(name, ".")); done || absolute {
			return st
		}
		asIs = true
		defer func(saved bool) { s.answer.Temporary = saved && st != success }(s.answer.Temporary)
	} else {
		defer func() { s.answer.Temporary = st != success && !noData && (servFail || s.answer.Temporary) }()
	}
	last := notFound
	if s.failed {
		last = unavail
	}
	if !absolute {
		for _, domain := range conf.search {
			searched = true
			domain = strings.Trim(domain, ".")
			full := name + "." + domain
			if domain == "" {
				rooted, full = true, name
			}
			re := s.query(full)
			if s.take(re, full) {
				return success
			}
			last = s.status(re)
			s.answer.Temporary = !re.got
			noData = noData || re.got && re.rcode == rcodeSuccess
			servFail = servFail || !re.got && re.rcode == rcodeServFail
			if re.refused {
				return unavail
			}
			if !re.goesOn() {
				break
			}
		}
	}
	if (dots > 0 || !searched || !conf.noTLD) && !asIs && !rooted {
		st, _ := s.try(name)
		return st
	}
	return last
}

func (s *search) try(name string) (status, bool) {
	re := s.query(name)
	if s.take(re, name) {
		return success, true
	}
	s.answer.Temporary = !re.got
	return s.status(re), false
}

// status is what becomes of the look-up if this was its last query. The errno of one that failed stays.
func (s *search) status(re reply) status {
	if s.failed = s.failed || !re.got; s.failed {
		return unavail
	}
	return notFound
}

// goesOn reports whether the next domain of the search list is tried: after a name
// without an address, and after SERVFAIL from all.
func (re reply) goesOn() bool {
	if !re.got {
		return re.rcode == rcodeServFail
	}
	return re.rcode == rcodeSuccess || re.rcode == rcodeNXDomain
}

// take keeps the addresses of a reply, if it has any.
func (s *search) take(re reply, name string) bool {
	if len(re.addrs) == 0 {
		return false
	}
	s.answer.Addrs, s.answer.Name, s.answer.Server, s.answer.TTL = re.addrs, name, re.server, re.ttl
	return true
}

// query asks for one name: the servers in their order, all of them attempts times.
func (s *search) query(name string) reply {
	conf := s.r.dns
	out := reply{refused: true}
	for range conf.attempts {
		for i := range conf.servers {
			server := conf.servers[(s.first+i)%len(conf.servers)]
			s.ask(server, name)
			got := make([]heard, len(s.want))
			for j, qtype := range s.want {
				got[j] = s.hear(i, name, qtype)
			}
			s.unsent(server, name, got)
			wait := s.waitFor(i, got)
			s.answer.Wait += wait
			for _, h := range got {
				out.refused = out.refused && h.refused
				if h.answer != nil {
					out.rcode = h.answer.Rcode
				}
			}
			if out.take(got, server, s.single); out.got {
				if len(out.addrs)+len(out.srv) == 0 {
					s.pass(server, name, sayRcode(out.rcode), wait)
				}
				return out
			}
			s.pass(server, name, sayHeard(got), wait)
		}
	}
	return out
}

// unsent is about questions of which this host did not let one out: glibc then takes no answer to the other one either,
// and sends both again at the next attempt.
func (s *search) unsent(server netip.AddrPort, name string, got []heard) {
	if !slices.ContainsFunc(got, func(h heard) bool { return h.unsent }) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range got {
		got[i] = heard{refused: true, unsent: true}
		delete(s.asked, asking{server, name, s.want[i]})
	}
}

// take joins what one server said to A and AAAA. A program that has no answer
// to the first question does not use the one to the second.
func (re *reply) take(got []heard, server netip.AddrPort, single bool) {
	if got[0].answer == nil || single && !got[0].usable() {
		return
	}
	for _, h := range got {
		if !h.usable() {
			continue
		}
		if !re.got || re.rcode == rcodeSuccess {
			re.rcode = h.answer.Rcode
		}
		re.got, re.server = true, server
		re.srv, re.glue = append(re.srv, h.answer.Services...), h.answer.Glue
		if len(h.answer.Listed)+len(h.answer.Services) > 0 {
			if re.ttl == 0 || h.answer.TTL < re.ttl {
				re.ttl = h.answer.TTL
			}
			re.addrs = append(re.addrs, h.answer.Listed...)
		}
	}
}

func (s *search) pass(server netip.AddrPort, name, what string, wait time.Duration) {
	p := Passed{Source: SourceDNS, Server: server, Name: name, What: what, Wait: wait}
	i := slices.IndexFunc(s.answer.Passed, func(o Passed) bool { return o.Server == server && o.Name == name && o.What == what })
	if i >= 0 {
		s.answer.Passed[i].Wait += wait
		return
	}
	s.answer.Passed = append(s.answer.Passed, p)
}

func sayRcode(code int) string {
	if code == rcodeSuccess {
		return "no address"
	}
	return (&dns.Answer{Rcode: code}).RcodeName()
}

func sayHeard(got []heard) string {
	for _, h := range got {
		switch {
		case h.unsent:
			return "this host did not let the question out"
		case h.refused:
			return "it is not reached"
		case h.bug != nil:
			return fmt.Sprintf("a bug of kerbagent: %v", h.bug)
		case h.answer != nil:
			return sayRcode(h.answer.Rcode)
		}
	}
	return "no answer"
}
