package client

import (
	"context"
	"sync"
	"time"
)

// Shared is a ticket granting ticket that several logins use, with the service tickets
// that were got with it: one for each service. It may be used by several goroutines.
type Shared struct {
	tgt *Ticket

	mu       sync.Mutex
	services map[Principal]*service
}

// service is the ticket for one service, and the way to it.
type service struct {
	turn   chan struct{} // held by whoever gets the ticket, or looks whether it is there
	ticket *Ticket
	hops   []Hop
}

// Share makes what the session gets from here on available to further sessions.
func (s *Session) Share() *Shared {
	s.shared = &Shared{tgt: s.tgt, services: map[Principal]*service{}}
	return s.shared
}

// FromShared makes a session of a shared ticket. It opens no connection.
func (c *Client) FromShared(shared *Shared) *Session {
	s := c.FromTicket(shared.tgt)
	s.shared = shared
	return s
}

// Ends returns when the ticket granting ticket ends.
func (s *Shared) Ends() time.Time { return s.tgt.EndTime }

// Has reports whether there is a ticket for a service, or somebody is getting it.
func (s *Shared) Has(of Principal) bool {
	s.mu.Lock()
	one := s.services[of]
	s.mu.Unlock()
	if one == nil {
		return false
	}
	select {
	case one.turn <- struct{}{}:
		defer func() { <-one.turn }()
		return one.ticket != nil
	default:
		return true
	}
}

// ticket returns the ticket for a service: the one that is there, or what get
// returns. Only one session at a time gets it; one that failed is no word on the next.
func (s *Shared) ticket(ctx context.Context, of Principal, now time.Time, get func() (*Ticket, []Hop, error)) (*Ticket, []Hop, error) {
	s.mu.Lock()
	one := s.services[of]
	if one == nil {
		one = &service{turn: make(chan struct{}, 1)}
		s.services[of] = one
	}
	s.mu.Unlock()
	select {
	case one.turn <- struct{}{}:
		defer func() { <-one.turn }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if one.ticket != nil && now.Before(one.ticket.EndTime) {
		return one.ticket, one.hops, nil
	}
	ticket, hops, err := get()
	if err == nil {
		one.ticket, one.hops = ticket, hops
	}
	return ticket, hops, err
}
