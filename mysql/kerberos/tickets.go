package kerberos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// A ticket is replaced when a quarter of its life is left, at most renewAhead.
const renewAhead = 5 * time.Minute

// tickets keeps the ticket granting ticket of one user, and gets it at most once
// at a time.
type tickets struct {
	cfg    *Config
	user   client.Principal
	client *client.Client

	mu     sync.Mutex
	tgt    *client.Ticket
	flight *flight // a login under way
	tried  tried
}

// flight is a login that several connections may wait for.
type flight struct {
	done chan struct{} // closed when tgt and err are set
	tgt  *client.Ticket
	err  error
}

// session returns a session of the user's, for the caller to close.
func (t *tickets) session(ctx context.Context) (*client.Session, error) {
	t.mu.Lock()
	if t.fresh(t.tgt) {
		defer t.mu.Unlock()
		return t.client.FromTicket(t.tgt), nil
	}
	if t.flight == nil {
		t.flight = &flight{done: make(chan struct{})}
		// The login does not end with the ctx of whoever began it: its answer
		// must be known, or a wrong password would be tried again.
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cfg.Timeout)
		go func(f *flight) {
			defer cancel()
			t.land(bound, f)
		}(t.flight)
	}
	f := t.flight
	t.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a ticket: %w", ctx.Err())
	}
	if f.err != nil {
		return nil, f.err
	}
	return t.client.FromTicket(f.tgt), nil
}

// land does the login and publishes what came of it. A panic on the way, in the
// program's own Dialer for example, is the login's error: nobody else is there to
// recover from it.
func (t *tickets) land(ctx context.Context, f *flight) {
	defer func() {
		if v := recover(); v != nil {
			f.tgt, f.err = nil, panicked(v)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if f.err == nil {
			t.tgt = f.tgt
		}
		t.flight = nil
		close(f.done)
	}()
	f.tgt, f.err = t.get(ctx)
}

func panicked(v any) error { return fmt.Errorf("a panic while logging in: %v", v) }

// get reads the secret and asks the KDC, unless what it said to that very secret
// holds that back. It runs once at a time.
func (t *tickets) get(ctx context.Context) (tgt *client.Ticket, err error) {
	if t.cfg.CCache != "" {
		return t.cfg.readCache(t.user)
	}
	secret, print, err := t.cfg.readSecret()
	if err != nil {
		return nil, err
	}
	if err := t.holds(print); err != nil {
		return nil, err
	}
	c, sent := *t.client, false
	c.BeforePreauth = func() error { sent = true; return nil }
	defer func() {
		if v := recover(); v != nil { // it may have come after the secret was shown: that counts
			tgt, err = nil, t.learn(panicked(v), sent)
		}
	}()
	session, err := c.TGT(ctx, t.user, secret)
	if err = t.learn(err, sent); err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Ticket(), nil
}

// fresh reports whether a ticket has enough of its life left.
func (t *tickets) fresh(tgt *client.Ticket) bool {
	if tgt == nil {
		return false
	}
	ahead := min(renewAhead, tgt.EndTime.Sub(tgt.StartTime)/4)
	return t.cfg.Now().Add(ahead).Before(tgt.EndTime)
}
