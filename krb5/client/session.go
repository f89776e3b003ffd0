package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// Session is a ticket granting ticket and the connections that it was used on.
// It is not for several goroutines at once.
type Session struct {
	c     *Client
	tgt   *Ticket
	conns map[string]*kdcwire.Conn // one connection per realm; it may have ended

	shared *Shared // nil where no other session shares the ticket

	ahead        *ahead // what goes on ahead; nil where nothing does
	refusedAhead *kdcwire.KRBError
	reach        *Reach // connections to realms on the way; may be nil
}

// Hop is one TGS exchange of a walk.
type Hop struct {
	Realm string         // the realm whose KDC was asked
	Addr  netip.AddrPort // the address that answered; zero where none did
	Asked Principal      // the server that a ticket was asked for; Realm is the asked realm
	Got   Principal      // the server of the ticket that came back; zero where there is an Err
	Err   error          // as ServiceTicket returns it
}

// maxHops bounds the realms that a walk comes through.
const maxHops = 8

// FromTicket makes a session of a ticket from a credential cache or another
// session. It opens no connection.
func (c *Client) FromTicket(tgt *Ticket) *Session {
	if !c.TimeSync && tgt.Ahead != 0 { // a cache's, which libkrb5 then passes over too
		own := *tgt
		own.Ahead = 0
		tgt = &own
	}
	return &Session{c: c, tgt: tgt, conns: map[string]*kdcwire.Conn{}}
}

// Ticket is the ticket granting ticket.
func (s *Session) Ticket() *Ticket { return s.tgt }

// String names the ticket.
func (s *Session) String() string { return "session with " + s.tgt.String() }

// Close ends the connections.
func (s *Session) Close() {
	s.endAhead()
	s.reach.Close()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
}

// ServiceTicket gets a ticket for service, and the path to it.
//
// Where the service's realm is another one than the ticket's, the KDCs on the
// way are asked for krbtgt/SERVICE.REALM, and those of that realm for the
// service. Where it is the same or empty, the ticket's realm is asked for the
// service and may refer to another. The error is a *StepError or joins
// several; the hops before it are returned with it.
func (s *Session) ServiceTicket(ctx context.Context, service Principal) (*Ticket, []Hop, error) {
	if s.shared == nil {
		return s.get(ctx, service)
	}
	return s.shared.ticket(ctx, service, s.c.now().Add(s.tgt.Ahead), func() (*Ticket, []Hop, error) { return s.get(ctx, service) })
}

// walk asks for the ticket, realm by realm.
func (s *Session) walk(ctx context.Context, service Principal) (*Ticket, []Hop, error) {
	tgt := s.tgt
	realm, _ := tgt.grants()
	seen := map[string]bool{realm: true}
	arrived := false // from here on only the KDCs' referrals lead on
	var hops []Hop
	for range maxHops {
		asked := Principal{Name: service.Name, Realm: realm}
		arrived = arrived || service.Realm == "" || service.Realm == realm
		if !arrived {
			asked = tgs(service.Realm, realm)
		}
		t, addr, err := s.ask(ctx, tgt, realm, asked)
		hop := Hop{Realm: realm, Addr: addr, Asked: asked, Err: err}
		if err != nil {
			return nil, append(hops, hop), err
		}
		hop.Got = t.Server
		hops = append(hops, hop)
		next, referral := t.Referral()
		if !referral || arrived && t.Server.Name == service.Name {
			return t, hops, nil
		}
		if seen[next] {
			return nil, hops, &StepError{Step: StepTGS, Realm: realm, Addr: addr, Err: fmt.Errorf("referral to %q: %w", next, ErrLoop)}
		}
		seen[next] = true
		tgt, realm = t, next
	}
	return nil, hops, &StepError{Step: StepTGS, Realm: realm, Err: fmt.Errorf("after %d realms: %w", maxHops, ErrLoop)}
}

// CrossRealm gets a ticket granting ticket of another realm, over as many
// realms as the KDCs lead through. After error 7 it tells a missing trust from
// a missing service.
func (s *Session) CrossRealm(ctx context.Context, realm string) (*Session, error) {
	t, _, err := s.ServiceTicket(ctx, Principal{Name: "krbtgt/" + realm})
	if err != nil {
		return nil, err
	}
	return s.c.FromTicket(t), nil
}

// ask does one TGS exchange with the realm: on the connection that is there,
// else with the realm's addresses as TGT does.
func (s *Session) ask(ctx context.Context, tgt *Ticket, realm string, server Principal) (*Ticket, netip.AddrPort, error) {
	t := NewTGS(tgt, server, s.c.Now)
	if s.c.nonce != nil {
		t.nonce = s.c.nonce
	}
	request, err := t.Request()
	if err != nil {
		return nil, netip.AddrPort{}, &StepError{Step: StepTGS, Realm: realm, Err: err}
	}
	conn, reply, err := s.exchange(ctx, realm, request)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	got, err := t.Finish(reply)
	if err != nil {
		return nil, conn.Addr(), &StepError{Step: StepTGS, Realm: realm, Addr: conn.Addr(), Err: err}
	}
	return got, conn.Addr(), nil
}

func (s *Session) exchange(ctx context.Context, realm string, request []byte) (*kdcwire.Conn, []byte, error) {
	q := question{realm: realm, step: StepTGS, msgType: msgTGSRep, request: request, transport: kdcwire.TCP}
	if conn := s.conns[realm]; conn != nil {
		if conn.Reusable() {
			reply, step, err := s.c.exchange(ctx, conn, q)
			// A close that crossed the request is how some KDCs end a
			// connection; asking again is all that there is to it.
			if !closedByPeer(err) {
				s.c.observe(step)
			}
			if err == nil || ctx.Err() != nil {
				return conn, reply, err
			}
		}
		_ = conn.Close()
		delete(s.conns, realm)
	}
	addrs, err := s.c.locate(ctx, realm)
	if err != nil {
		return nil, nil, err
	}
	if one := s.reach.take(ctx, realm); one != nil {
		s.c.observe(one.steps...)
		if one.err != nil {
			return nil, nil, one.err
		}
		q.ready, addrs = one.won.conn, firstAt(one.won.conn.Addr(), addrs)
	}
	won, err := s.c.race(ctx, ctx, q, addrs)
	if err != nil && len(request) <= s.c.UDPLimit && ctx.Err() == nil {
		q.transport = kdcwire.UDP
		if won, again := s.c.race(ctx, ctx, q, addrs); again == nil {
			defer won.close() // the next ticket may be larger
			return won.conn, won.reply, nil
		}
	}
	if err != nil {
		if q.ready != nil { // the race may not have begun
			_ = q.ready.Close()
		}
		return nil, nil, err
	}
	s.conns[realm] = won.conn
	return won.conn, won.reply, nil
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
