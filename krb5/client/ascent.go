package client

import (
	"context"
	"errors"
	"fmt"
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
	return question{w.realm(), StepAS, msgASRep, w.request, transport}
}

// datagram is what came of the addresses over UDP.
type datagram struct {
	won attempt
	err error
}

// decides reports whether libkrb5 ends with this answer: an error about the user, or
// what is no Kerberos at all.
func (d datagram) decides() bool {
	if d.err != nil {
		return false
	}
	_, err := parseReply(d.won.reply, msgASRep)
	var krb *kdcwire.KRBError
	return err != nil && !(errors.As(err, &krb) && krb.Code == codePreauthRequired)
}

// firstAnswer asks without credentials, over UDP as well where programs begin with
// that. What ends a program over UDP ends the login; otherwise the first answer over TCP
// is taken, since the request with credentials is sent once and a datagram is easily
// lost, and the one over UDP only where nothing answers over TCP.
func (w *ascent) firstAnswer(ctx context.Context) (attempt, error) {
	if len(w.request) > w.c.UDPLimit {
		return w.c.race(ctx, ctx, w.question(kdcwire.TCP), w.addrs)
	}
	tcp, stop := context.WithCancel(ctx)
	defer stop()
	udp, end := context.WithCancel(ctx)
	defer end()
	quiet := *w.c
	quiet.Observe = nil // it hears from this goroutine alone
	heard := make(chan datagram, 1)
	go func() {
		var d datagram
		defer func() {
			if v := recover(); v != nil { // beyond the recover of whoever logs in
				d.won.close()
				d = datagram{err: w.fail(StepAS, netip.AddrPort{}, fmt.Errorf("panic: %v", v))}
			}
			heard <- d
		}()
		d.won, d.err = quiet.race(udp, ctx, w.question(kdcwire.UDP), w.addrs)
		if d.decides() {
			stop()
		}
	}()
	began := time.Now()
	won, err := w.c.race(tcp, ctx, w.question(kdcwire.TCP), w.addrs)
	longest := hedge
	if err != nil {
		longest = w.c.timeout()
	}
	var d datagram
	select {
	case d = <-heard:
	case <-time.After(max(0, longest-time.Since(began))):
		end()
		d = <-heard
	}
	switch {
	case d.err != nil:
		return won, err
	case err == nil && !d.decides():
		d.won.close()
		return won, nil
	case err == nil:
		won.close()
	}
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

// preauthenticate does the exchange that counts against the account: over the
// winner's spare connection, or with a datagram where nothing answers over TCP.
func (w *ascent) preauthenticate(ctx context.Context, won attempt, required *kdcwire.KRBError, before func() error) (*Session, error) {
	addr := won.conn.Addr()
	request, err := w.as.Preauthenticated(required, w.secret)
	if err != nil {
		won.close()
		return nil, w.fail(StepPreauth, addr, err)
	}
	q, conn := question{w.realm(), StepPreauth, msgASRep, request, kdcwire.UDP}, won.conn
	if won.spare != nil {
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
	return w.second(ctx, addr, err)
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
	unanswered := errors.Is(lost, os.ErrDeadlineExceeded) || errors.Is(lost, context.DeadlineExceeded) || closedByPeer(lost)
	rest := slices.DeleteFunc(slices.Clone(w.addrs), func(a netip.AddrPort) bool { return a == silent })
	if w.c.BeforeSecond == nil || !unanswered || ctx.Err() != nil || len(rest) == 0 {
		return nil, lost
	}
	if same := w.c.SameHost; same != nil {
		slices.SortStableFunc(rest, func(a, b netip.AddrPort) int { return rankOf(same(silent, a)) - rankOf(same(silent, b)) })
	}
	next := *w
	next.addrs = rest
	again := *w.c
	again.BeforeSecond = nil
	next.c = &again
	won, err := again.race(ctx, ctx, next.question(kdcwire.TCP), rest)
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

func rankOf(last bool) int {
	if last {
		return 1
	}
	return 0
}
