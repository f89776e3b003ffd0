package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// hedge is how long an address may keep silent before the next one is asked
// too: far above a round trip, far below a timeout.
const hedge = 250 * time.Millisecond

// KRB-ERROR codes (RFC 4120 §7.5.9) that the walk decides on.
const (
	codePreauthRequired    = 25
	codeServiceUnavailable = 29
	codeResponseTooBig     = 52
	codeWrongRealm         = 68
)

// attempt is what came of one address.
type attempt struct {
	index int
	conn  *kdcwire.Conn // open, where err is nil
	spare *spare        // likewise, of an AS exchange over TCP
	fresh bool          // conn is over TCP and nothing was asked on it: the reply came over UDP
	reply []byte
	steps []Step
	err   error // why this address is of no use; a *StepError
}

func (a attempt) close() {
	if a.conn != nil {
		_ = a.conn.Close()
	}
	if a.spare != nil {
		a.spare.drop()
	}
}

// question is a request that is harmless to send twice, and what is to answer it.
type question struct {
	realm, step string
	msgType     uint8
	request     []byte
	transport   string
	ready       *kdcwire.Conn // a connection to the first address; nil where there is none yet
	beside      *datagrams    // the same question over UDP, asked beside the connects over TCP; nil where it is not
}

// sweep is how long it takes at most until every address is asked.
const sweep = 4 * time.Second

// race sends a question to the addresses in turn: to the next one when one fails,
// or has been silent for the hedge. The first usable answer wins, and its
// connection stays open; all others are closed. The error joins those of all
// addresses, in their order. ctx ends the race alone, and outer the winner's spare connection too.
func (c *Client) race(ctx, outer context.Context, q question, addrs []netip.AddrPort) (attempt, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hedge := min(hedge, sweep/time.Duration(max(1, len(addrs))))
	results := make(chan attempt, len(addrs))
	started, pending := 0, 0
	next := func() {
		if started == len(addrs) || ctx.Err() != nil {
			return
		}
		index := started
		started++
		pending++
		go func() {
			a := c.attempt(ctx, outer, q, addrs[index])
			a.index = index
			results <- a
		}()
	}
	errs := make([]error, len(addrs))
	timer := time.NewTimer(hedge)
	defer timer.Stop()
	for next(); pending > 0; {
		select {
		case <-timer.C:
			next()
			timer.Reset(hedge)
		case a := <-results:
			pending--
			c.observe(a.steps...)
			if a.err == nil {
				cancel()
				discard(results, pending)
				return a, nil
			}
			if errs[a.index] = a.err; q.transport == kdcwire.UDP && tooBig(a.err) {
				cancel()
				discard(results, pending)
				return attempt{}, a.err
			}
			next()
			timer.Reset(hedge)
		}
	}
	if err := ctx.Err(); err != nil && started == 0 {
		return attempt{}, &StepError{Step: q.step, Realm: q.realm, Err: err}
	}
	return attempt{}, inOneLine(errs...)
}

// tooBig reports whether a KDC's answer did not fit into a datagram. libkrb5 asks no other KDC over UDP
// then: it begins again over TCP (get_in_tkt.c, sendto_kdc.c).
func tooBig(err error) bool {
	var krb *kdcwire.KRBError
	return errors.As(err, &krb) && krb.Code == codeResponseTooBig
}

// discard waits for the losers of a race, which return at once, and closes what
// they still bring.
func discard(results <-chan attempt, n int) {
	for range n {
		(<-results).close()
	}
}

// attempt connects to one address and asks it. outer outlives the race. A panic, which
// the recover of whoever logs in is beyond, is its error.
func (c *Client) attempt(ctx, outer context.Context, q question, addr netip.AddrPort) (a attempt) {
	defer func() {
		if v := recover(); v != nil {
			a.close()
			a = attempt{steps: a.steps, err: panicked(v, q.step, q.realm, addr)}
		}
	}()
	if q.ready != nil && q.ready.Addr() == addr && q.transport == kdcwire.TCP {
		a.conn = q.ready
		var asked Step
		a.reply, asked, a.err = c.exchange(ctx, a.conn, q)
		if !closedByPeer(a.err) { // it may have been idle for too long
			return a.after(asked)
		}
		_ = a.conn.Close()
	}
	conn, connect, err := c.connect(ctx, q.transport, q.realm, addr)
	a = attempt{conn: conn, steps: []Step{connect}}
	if err != nil || q.step == StepConnect {
		a.err = err
		return a
	}
	if reply, asked, ok := q.beside.wait(ctx, addr, connect.Duration); ok {
		a.reply, a.fresh, a.steps = reply, true, append(a.steps, asked)
		return a
	}
	if q.step == StepAS && q.transport == kdcwire.TCP {
		a.spare = c.openSpare(outer, q.realm, addr)
	}
	var asked Step
	a.reply, asked, a.err = c.exchange(ctx, conn, q)
	return a.after(asked)
}

// after adds the step that ends the attempt.
func (a attempt) after(asked Step) attempt {
	a.steps = append(a.steps, asked)
	if a.err != nil {
		a.close()
		return attempt{steps: a.steps, err: a.err}
	}
	return a
}

// spare is a second connection to a KDC, made while the first one waits for
// its answer, so that it costs no time. MIT's and Heimdal's KDCs close a
// connection after one reply. The request that follows would often cross the
// close and be lost, and the one with credentials must not be sent again: so
// it goes where nothing has been answered yet.
type spare struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the rest is set
	conn   *kdcwire.Conn
	step   Step
	err    error
}

func (c *Client) openSpare(ctx context.Context, realm string, addr netip.AddrPort) *spare {
	ctx, cancel := context.WithCancel(ctx)
	s := &spare{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer func() {
			if v := recover(); v != nil {
				s.err = panicked(v, StepConnect, realm, addr)
			}
		}()
		s.conn, s.step, s.err = c.connect(ctx, kdcwire.TCP, realm, addr)
	}()
	return s
}

// panicked makes an error of a panic: a bug in reading what one KDC says, or in a
// Dialer, must not end the process.
func panicked(v any, step, realm string, addr netip.AddrPort) error {
	return &StepError{Step: step, Realm: realm, Addr: addr, Err: fmt.Errorf("panic: %v", v)}
}

// take waits for the connection, at most for the connect timeout.
func (s *spare) take() (*kdcwire.Conn, Step, error) {
	<-s.done
	s.cancel()
	return s.conn, s.step, s.err
}

// drop cancels the dial and closes its connection.
func (s *spare) drop() {
	s.cancel()
	<-s.done
	if s.conn != nil {
		_ = s.conn.Close()
	}
}

// connect opens a connection within the timeout; over UDP it sends nothing. The
// error is a *StepError.
func (c *Client) connect(ctx context.Context, transport, realm string, addr netip.AddrPort) (*kdcwire.Conn, Step, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	s := Step{Name: StepConnect, Realm: realm, Addr: addr, Start: c.now()}
	conn, err := kdcwire.Dial(ctx, c.Dialer, transport, addr)
	s.Duration, s.Err = c.now().Sub(s.Start), err
	if err != nil {
		return nil, s, &StepError{Step: StepConnect, Realm: realm, Addr: addr, Err: err}
	}
	return conn, s, nil
}

// exchange asks once, within the patience. A KRB-ERROR is an answer, and no
// error here, unless it says that this KDC is the wrong one to ask. So is whatever
// comes over UDP: libkrb5 takes the first datagram for the answer (sendto_kdc.c). The error
// is a *StepError.
func (c *Client) exchange(ctx context.Context, conn *kdcwire.Conn, q question) ([]byte, Step, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience())
	defer cancel()
	s := Step{Name: q.step, Realm: q.realm, Addr: conn.Addr(), Start: c.now()}
	answered := false
	b, err := conn.Exchange(ctx, q.request)
	if err == nil {
		answered, err = judge(b, q.msgType)
		answered = answered || q.transport == kdcwire.UDP && errors.Is(err, kdcwire.ErrNotKerberos)
	}
	s.Duration, s.Size, s.Err = c.now().Sub(s.Start), len(b), err
	if !answered {
		return nil, s, &StepError{Step: q.step, Realm: q.realm, Addr: conn.Addr(), Err: err}
	}
	return b, s, nil
}

// judge reports whether a reply answers the question, and what error is in it.
// Being asked to preauthenticate is none.
func judge(b []byte, msgType uint8) (answered bool, err error) {
	_, err = parseReply(b, msgType)
	var krb *kdcwire.KRBError
	if !errors.As(err, &krb) {
		return err == nil, err
	}
	switch krb.Code {
	case codeServiceUnavailable, codeResponseTooBig, codeWrongRealm:
		return false, err
	case codePreauthRequired:
		return true, nil
	default:
		return true, err
	}
}
