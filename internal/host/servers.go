package host

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// ask puts the questions about a name to a server, unless that was done.
func (s *search) ask(server netip.AddrPort, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, qtype := range s.want {
		key := asking{server, name, qtype}
		if s.asked[key] != nil {
			continue
		}
		c := make(chan heard, 1)
		s.asked[key], s.began[key] = c, time.Now()
		s.under.Go(func() { c <- s.r.exchange(s.ctx, key) })
	}
}

// hear waits for an answer of the i-th server, and asks the ones behind it
// while it is silent. Once one of those has an answer, it is waited for no
// longer than the grace.
func (s *search) hear(i int, name string, qtype uint16) heard {
	servers := s.r.dns.servers
	key := asking{servers[(s.first+i)%len(servers)], name, qtype}
	s.mu.Lock()
	c, began := s.asked[key], s.began[key]
	s.mu.Unlock()
	next, patience := time.NewTimer(max(hedge-time.Since(began), 0)), time.NewTimer(max(grace-time.Since(began), 0))
	defer next.Stop()
	defer patience.Stop()
	late := false
	for {
		select {
		case h := <-c:
			c <- h
			return h
		case <-patience.C:
			late = true
		case <-next.C:
			if i++; i < len(servers) {
				s.ask(servers[(s.first+i)%len(servers)], name)
			}
			if late && s.better(key) {
				return heard{took: grace}
			}
			next.Reset(hedge)
		}
	}
}

// better reports whether a server asked after the one of key has a usable answer.
func (s *search) better(key asking) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other, c := range s.asked {
		if other.server == key.server || other.name != key.name || other.qtype != key.qtype {
			continue
		}
		select {
		case h := <-c:
			c <- h
			if h.usable() {
				return true
			}
		default:
		}
	}
	return false
}

// exchange asks one question of one server, over TCP where the answer is cut short.
func (r *Resolver) exchange(ctx context.Context, k asking) (h heard) {
	defer func() {
		if v := recover(); v != nil { // it is on a goroutine of its own, and reads what strangers send
			h = heard{bug: v}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, min(r.Patience, max(r.dns.timeout, time.Second)))
	defer cancel()
	begun := time.Now()
	q := dns.Question{Name: k.name, Type: k.qtype}
	t := probe.UDP
	if r.dns.overTCP {
		t = probe.TCP
	}
	a, err := dns.AskAsProgram(ctx, r.Dialer, t, k.server, q)
	if err == nil && a.Truncated {
		a, err = dns.AskAsProgram(ctx, r.Dialer, probe.TCP, k.server, q)
	}
	h = heard{answer: a, took: time.Since(begun), refused: err != nil && notReached(err), unsent: err != nil && notLetOut(err)}
	if err != nil {
		h.answer = nil
	}
	return h
}

// notReached reports whether a program knows at once that a server does not answer: glibc hears what the kernel and
// routers say (IP_RECVERR), and turns to the next server (close_and_return_error in resolv/res_send.c).
func notReached(err error) bool {
	if errors.Is(err, syscall.EINVAL) { // a blackhole route
		return true
	}
	switch probe.ReasonOf(err, probe.ReasonUDPSilent) {
	case probe.ReasonRefused, probe.ReasonUnreachable, probe.ReasonForbidden:
		return true
	}
	return false
}

// notLetOut reports whether this host itself, by its packet filter, did not send.
func notLetOut(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

// waitFor is how long a program waits at the i-th server for answers to its
// questions (glibc's resolv/res_send.c).
func (s *search) waitFor(i int, got []heard) time.Duration {
	timeout := s.r.dns.timeout << i // doubled from server to server, and shared among them
	if i > 0 {
		timeout /= time.Duration(len(s.r.dns.servers))
	}
	timeout = max(timeout.Truncate(time.Second), time.Second)
	if s.single && !got[0].usable() && (got[0].refused || got[0].answer != nil) {
		return got[0].took // the second question is not asked there
	}
	var longest time.Duration
	silent := 0
	for _, h := range got {
		switch {
		case h.refused:
			return longest
		case h.answer == nil:
			silent++
		default:
			longest = max(longest, h.took)
		}
	}
	switch {
	case silent == 0:
		return longest
	case silent == len(got) || s.single:
		return timeout
	}
	s.single = true // one of two questions is answered: both are asked again, one after the other
	return 2 * timeout
}
