package client

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// ascent is one login of a user: its AS exchanges.
type ascent struct {
	c       *Client
	as      *AS
	secret  Secret
	addrs   []netip.AddrPort
	request []byte // without credentials
}

func (w *ascent) realm() string { return w.as.user.Realm }

func (w *ascent) fail(step string, addr netip.AddrPort, err error) error {
	return &StepError{Step: step, Realm: w.realm(), Addr: addr, Err: err}
}

func (w *ascent) question(transport string) question {
	return question{realm: w.realm(), step: StepAS, msgType: msgASRep, request: w.request, transport: transport}
}

// firstAnswer asks without credentials, over UDP beside the connects over TCP, which
// saves a round trip: the request with credentials then goes to the address that was
// heard over UDP, on a connection that nothing was asked on. Where programs begin with
// UDP, what ends them there ends the login. Otherwise an answer over UDP that cannot be
// gone on with counts for nothing, and the same is asked over TCP; one that came over UDP
// alone is taken only where programs begin with UDP.
func (w *ascent) firstAnswer(ctx context.Context) (attempt, error) {
	programs := len(w.request) <= w.c.UDPLimit
	if !w.c.Beside && !programs {
		return w.c.race(ctx, ctx, w.question(kdcwire.TCP), w.addrs)
	}
	tcp, stop := context.WithCancel(ctx)
	defer stop()
	udp, end := context.WithCancel(ctx)
	defer end()
	d := &datagrams{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.ask(udp, ctx, w)
		if programs && d.decides() {
			stop()
		}
	}()
	began := time.Now()
	q := w.question(kdcwire.TCP)
	if w.c.Beside {
		q.beside = d
	}
	won, err := w.c.race(tcp, ctx, q, w.addrs)
	longest := time.Duration(0)
	switch {
	case programs && err != nil:
		longest = w.c.timeout()
	case programs && !won.fresh:
		longest = hedge
	}
	select {
	case <-d.done:
	case <-time.After(max(0, longest-time.Since(began))):
		end()
		<-d.done
	}
	if d.err == nil && w.c.Datagram != nil {
		w.c.Datagram(d.won.conn.Addr())
	}
	if d.err != nil || !programs || err == nil && !d.decides() {
		d.won.close()
		return won, err
	}
	won.close()
	w.c.observe(d.won.steps...)
	return d.won, nil
}

// goOn makes a session of the answer to the request without credentials.
func (w *ascent) goOn(ctx context.Context, won attempt, before func() error) (*Session, error) {
	t, err := w.as.Finish(won.reply, w.secret)
	var required *kdcwire.KRBError
	switch {
	case errors.As(err, &required) && required.Code == codePreauthRequired:
		return w.preauthenticate(ctx, won, required, before)
	case err != nil:
		won.close()
		return nil, w.fail(StepAS, won.conn.Addr(), err)
	}
	if won.spare == nil { // over UDP
		won.close()
		return w.c.FromTicket(t), nil
	}
	won.spare.drop()
	return w.c.session(t, w.realm(), won.conn), nil
}

// preauthenticate does the exchange that counts against the account: over a TCP
// connection that nothing was asked on, or with a datagram where nothing answers over TCP.
func (w *ascent) preauthenticate(ctx context.Context, won attempt, required *kdcwire.KRBError, before func() error) (*Session, error) {
	addr := won.conn.Addr()
	request, err := w.as.Preauthenticated(required, w.secret)
	if err != nil {
		won.close()
		return nil, w.fail(StepPreauth, addr, err)
	}
	q, conn := question{realm: w.realm(), step: StepPreauth, msgType: msgASRep, request: request, transport: kdcwire.UDP}, won.conn
	switch {
	case won.fresh:
		q.transport = kdcwire.TCP
	case won.spare != nil:
		_ = won.conn.Close()
		var connect Step
		if conn, connect, err = won.spare.take(); err != nil {
			w.c.observe(connect)
			return nil, err
		}
		q.transport = kdcwire.TCP
	}
	t, err := w.proveOnce(ctx, conn, q, before)
	switch {
	case err == nil && q.transport == kdcwire.TCP:
		return w.c.session(t, w.realm(), conn), nil
	case err == nil:
		_ = conn.Close()
		return w.c.FromTicket(t), nil
	}
	_ = conn.Close()
	if won.fresh && unanswered(err) && !errors.Is(ctx.Err(), context.Canceled) && w.c.Unheard != nil {
		w.c.Unheard()
	}
	return w.second(ctx, addr, err)
}

// unanswered reports whether a request got no answer, or one that was cut: programs
// go on to the next KDC after both (sendto_kdc.c).
func unanswered(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) || closedByPeer(err)
}

func (w *ascent) proveOnce(ctx context.Context, conn *kdcwire.Conn, q question, before func() error) (*Ticket, error) {
	if before != nil {
		if err := before(); err != nil {
			return nil, w.fail(StepPreauth, conn.Addr(), err)
		}
	}
	reply, step, err := w.c.exchange(ctx, conn, q)
	w.c.observe(step)
	if err != nil {
		return nil, err
	}
	t, err := w.as.Finish(reply, w.secret)
	if err != nil {
		return nil, w.fail(StepPreauth, conn.Addr(), err)
	}
	return t, nil
}

// second logs in by another KDC, as libkrb5 does, after one that did not answer the
// request with credentials. BeforeSecond decides whether the account bears that; lost is the error of the
// first, which stays where nothing comes of it.
func (w *ascent) second(ctx context.Context, silent netip.AddrPort, lost error) (*Session, error) {
	rest := slices.DeleteFunc(slices.Clone(w.addrs), func(a netip.AddrPort) bool { return a == silent })
	if w.c.BeforeSecond == nil || !unanswered(lost) || ctx.Err() != nil || len(rest) == 0 {
		return nil, lost
	}
	next := *w
	again := *w.c
	again.BeforeSecond = nil
	next.c = &again
	won, err := next.elsewhere(ctx, silent, rest)
	if err != nil {
		return nil, lost
	}
	declined := false
	s, err := next.goOn(ctx, won, func() error {
		err := w.c.BeforeSecond()
		declined = err != nil
		return err
	})
	switch {
	case declined:
		return nil, lost
	case err != nil:
		return nil, inOneLine(lost, err)
	}
	return s, nil
}

// elsewhere asks without credentials again: addresses of the machine that was silent only
// where no other answers, since there is one try with credentials more, and a slow machine
// would lose the race for it to the silent one's second address.
func (w *ascent) elsewhere(ctx context.Context, silent netip.AddrPort, rest []netip.AddrPort) (won attempt, err error) {
	var others, same []netip.AddrPort
	for _, a := range rest {
		if w.c.SameHost != nil && w.c.SameHost(silent, a) {
			same = append(same, a)
		} else {
			others = append(others, a)
		}
	}
	for _, addrs := range [][]netip.AddrPort{others, same} {
		if len(addrs) == 0 {
			continue
		}
		w.addrs = addrs
		if won, err = w.c.race(ctx, ctx, w.question(kdcwire.TCP), addrs); err == nil {
			return won, nil
		}
	}
	return won, err
}
