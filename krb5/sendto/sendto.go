// Package sendto computes how MIT's library sends a request to the KDCs of a realm: in which order, over which
// transport, how long it waits for each, and where it ends. It sends nothing: what each KDC does is handed in.
//
// It follows libkrb5 1.20 (k5_sendto in sendto_kdc.c, k5_locate_server in locate_kdc.c). internal/check holds
// in the lab what comes of it against the time that kinit and mariadb take.
package sendto

import (
	"net/netip"
	"time"
)

// Transports. A server of either may be asked over both: so are those of krb5.conf. DNS and plugins name one.
const (
	Either = ""
	UDP    = "udp"
	TCP    = "tcp"
)

// Server is an entry of the list that libkrb5 makes of a realm's KDCs.
type Server struct {
	Host      string
	Transport string
	Addrs     []netip.AddrPort // in the order in which they are asked
	Wait      time.Duration    // that the look-up of its name takes
	Temporary bool             // the look-up fails with EAI_AGAIN, which ends the exchange
}

// Route is how libkrb5 finds and asks the KDCs of a realm.
type Route struct {
	Realm    string
	Servers  []Server
	Find     time.Duration // that the look-ups take which make the list; they are made anew for each exchange
	Primary  time.Duration // likewise of those after an answer, which ask whether a primary KDC gave it
	UDPLimit int           // udp_preference_limit
	Largest  int           // the size of the largest reply of these KDCs, in bytes
}

// Does is what a KDC does with a request over one transport.
type Does struct {
	Answers bool
	After   time.Duration // how long that takes; of TCP with the connect
	Refuses bool          // it says at once that nobody listens, or there is no way to it
	Accepts bool          // it takes the connection, and is silent then
}

// Asked is a KDC over one transport.
type Asked struct {
	Addr      netip.AddrPort
	Transport string
}

// Outcome is what becomes of one exchange.
type Outcome struct {
	By     Asked         // who answered; its address is invalid where nobody did
	Waited time.Duration // in all
	Silent []Asked       // who was waited for in vain before, each once
	Ends   *Server       // whose name the exchange ended at; nil where it did not
}

// The times of k5_sendto: how long it waits for one address, after the first pass, and after each of the others.
// A TCP connection that was accepted is waited for ten seconds from then on, and nobody else is asked meanwhile.
const (
	each     = time.Second
	accepted = 10 * time.Second
)

func afterPasses() [3]time.Duration {
	return [3]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}
}

// Send makes an exchange with a request of size bytes. tcpOnly is how a request is sent again whose answer fitted
// no datagram. does says what an address does.
func (r Route) Send(size int, tcpOnly bool, does func(Asked) Does) Outcome {
	s := sending{does: does, now: r.Find}
	first, second := TCP, UDP
	if size <= r.UDPLimit && !tcpOnly {
		first, second = UDP, TCP
	}
	var later []Asked
	for i, server := range r.Servers {
		if tcpOnly && server.Transport == UDP {
			continue
		}
		s.now += server.Wait
		if server.Temporary {
			s.out.Ends = &r.Servers[i]
			return s.end()
		}
		for _, a := range server.Addrs {
			switch {
			case server.Transport == Either:
				if !tcpOnly {
					later = append(later, Asked{a, second})
				}
				s.ask(Asked{a, first})
			case server.Transport != first: // a request that is too large for UDP, or a server for TCP alone, as URI records name them
				later = append(later, Asked{a, server.Transport})
			default:
				s.ask(Asked{a, first})
			}
			if s.done {
				return s.answered(r.Primary)
			}
		}
	}
	for _, a := range later {
		if s.ask(a); s.done {
			return s.answered(r.Primary)
		}
	}
	for pass, rest := range afterPasses() {
		if pass > 0 {
			s.again()
		}
		if s.wait(rest); s.done {
			return s.answered(r.Primary)
		}
	}
	return s.end()
}

// sending is an exchange under way.
type sending struct {
	does  func(Asked) Does
	now   time.Duration
	open  []pending
	began []Asked
	out   Outcome
	done  bool
}

// pending is a socket that something is waited for at.
type pending struct {
	asked   Asked
	answers bool
	at      time.Duration // of the answer
	held    time.Duration // until when an accepted connection is waited for; 0: it is none
}

// ask turns to one address and waits for it.
func (s *sending) ask(a Asked) {
	d := s.does(a)
	if d.Refuses { // while others are waited for, that shortens nothing (measured: kinit 1.20.1)
		s.wait(each)
		return
	}
	p := pending{asked: a, answers: d.Answers, at: s.now + d.After}
	if a.Transport == TCP && (d.Accepts || d.Answers && d.After < 2*each) { // the connect is half of an answer
		p.held = s.now + d.After/2 + accepted
	}
	s.open, s.began = append(s.open, p), append(s.began, a)
	s.wait(each)
}

// again is a later pass: each datagram is sent once more.
func (s *sending) again() {
	for _, p := range s.open {
		if s.done {
			return
		}
		if p.asked.Transport == UDP {
			s.wait(each)
		}
	}
}

// wait goes on until an answer comes, or the time is over.
func (s *sending) wait(interval time.Duration) {
	if s.done || len(s.open) == 0 {
		return
	}
	until := s.now + interval
	for i := range s.open {
		p := &s.open[i]
		if p.held == 0 || p.held-accepted > until { // no connection, or one that is not accepted yet
			continue
		}
		until = max(until, p.held)
		if !p.answers {
			p.held = 0 // waited for, once
		}
	}
	for i := range s.open {
		p := &s.open[i]
		if p.answers && p.at <= until {
			until, s.out.By, s.done = max(p.at, s.now), p.asked, true
		}
	}
	s.now = until
}

func (s *sending) answered(primary time.Duration) Outcome {
	s.now += primary
	for _, a := range s.began {
		if a != s.out.By {
			s.out.Silent = append(s.out.Silent, a)
		}
	}
	return s.end()
}

func (s *sending) end() Outcome {
	s.out.Waited = s.now
	if !s.out.By.Addr.IsValid() {
		s.out.Silent = s.began
	}
	return s.out
}
