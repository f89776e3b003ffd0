package client

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// ahead is a walk to a service that nobody has asked for yet. All but the first three
// is set when done is closed.
type ahead struct {
	service Principal
	cancel  context.CancelFunc
	done    chan struct{}

	ticket *Ticket
	hops   []Hop
	err    error
	steps  []Step
}

// Ahead begins to get a ticket for a service that ServiceTicket will probably be called
// for. What comes of it is only told to that call; where another service is asked for,
// or none, it was never there, but for RefusedAhead.
func (s *Session) Ahead(ctx context.Context, service Principal) {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{service: service, cancel: cancel, done: make(chan struct{})}
	s.ahead = a
	quiet := *s.c
	quiet.Observe = func(step Step) { a.steps = append(a.steps, step) }
	inner := &Session{c: &quiet, tgt: s.tgt, conns: s.conns, reach: s.reach} // s waits for a before it uses them
	go func() {
		defer close(a.done)
		defer func() {
			if v := recover(); v != nil {
				a.err = panicked(v, StepTGS, service.Realm, netip.AddrPort{})
			}
		}()
		a.ticket, a.hops, a.err = inner.walk(ctx, service)
	}()
}

// get takes what was got ahead, where that is the service, or walks.
func (s *Session) get(ctx context.Context, service Principal) (*Ticket, []Hop, error) {
	a := s.ahead
	if a == nil || a.service != service {
		s.endAhead()
		return s.walk(ctx, service)
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		a.cancel() // its error says where the walk was
	}
	s.endAhead()
	s.refusedAhead = nil // it was no guess
	s.c.observe(a.steps...)
	return a.ticket, a.hops, a.err
}

// endAhead ends what goes on ahead, and keeps a KDC's refusal. An answer that is on its way
// is waited for: the connection can be used again then.
func (s *Session) endAhead() {
	a := s.ahead
	if a == nil {
		return
	}
	s.ahead = nil
	late := time.AfterFunc(hedge, a.cancel)
	<-a.done
	late.Stop()
	a.cancel()
	var krb *kdcwire.KRBError
	if errors.As(a.err, &krb) {
		s.refusedAhead = krb
	}
}

// RefusedAhead returns with what error a KDC refused the service that was asked for
// Ahead, where ServiceTicket was not called for it; nil where it did not. It is for after Close.
func (s *Session) RefusedAhead() *kdcwire.KRBError { return s.refusedAhead }

// Reach is connections to the KDCs of realms that a login will probably come to.
type Reach struct {
	cancel context.CancelFunc
	realms map[string]*reached
}

// reached is a connection to one realm. All but done is set when that is closed.
type reached struct {
	done  chan struct{}
	won   attempt
	err   error
	steps []Step
}

// Reach begins to connect to a KDC of each realm, as a walk would that came there. It sends
// nothing. The session that it is given to closes what was not used, or Close does.
func (c *Client) Reach(ctx context.Context, realms ...string) *Reach {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reach{cancel: cancel, realms: map[string]*reached{}}
	for _, realm := range realms {
		one := &reached{done: make(chan struct{})}
		r.realms[realm] = one
		quiet := *c // now: c may be changed for its own login meanwhile
		go func() {
			defer close(one.done)
			defer func() {
				if v := recover(); v != nil {
					one.err = panicked(v, StepConnect, realm, netip.AddrPort{})
				}
			}()
			quiet.Observe = func(step Step) { one.steps = append(one.steps, step) }
			var addrs []netip.AddrPort
			if addrs, one.err = quiet.locate(ctx, realm); one.err == nil {
				q := question{realm: realm, step: StepConnect, transport: kdcwire.TCP}
				one.won, one.err = quiet.race(ctx, ctx, q, addrs)
			}
		}()
	}
	return r
}

// Along gives the session connections to realms that its walk may come through.
func (s *Session) Along(r *Reach) { s.reach = r }

// Close ends what was not used.
func (r *Reach) Close() {
	if r == nil {
		return
	}
	r.cancel()
	for _, one := range r.realms {
		<-one.done
		one.won.close()
	}
}

// take returns the connection to a realm, once; nil where none was begun.
func (r *Reach) take(ctx context.Context, realm string) *reached {
	if r == nil || r.realms[realm] == nil {
		return nil
	}
	one := r.realms[realm]
	select {
	case <-one.done:
	case <-ctx.Done():
		return nil
	}
	delete(r.realms, realm)
	return one
}

// firstAt puts an address in front of the others.
func firstAt(addr netip.AddrPort, addrs []netip.AddrPort) []netip.AddrPort {
	rest := slices.DeleteFunc(slices.Clone(addrs), func(a netip.AddrPort) bool { return a == addr })
	return append([]netip.AddrPort{addr}, rest...)
}
