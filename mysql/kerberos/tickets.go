package kerberos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// RefusedError says that the KDC refused the user's secret. The same secret is
// not sent again: a further try could lock the account.
type RefusedError struct {
	Err error // a *client.StepError
}

// Error gives the cause.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused by the KDC, and not tried again until the secret changes: %v", e.Err)
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// KRB-ERROR codes that will be the same for the next try with this secret, and
// may cost the account its last tries (RFC 4120 §7.5.9).
const (
	errNameExpired   = 1
	errRevoked       = 18 // locked or disabled
	errKeyExpired    = 23
	errPreauthFailed = 24
	errIntegrity     = 31 // what some KDCs say in place of 24
)

func isRefusal(err error) bool {
	if errors.Is(err, client.ErrReplyKey) {
		return true // the reply does not decrypt: the secret is not the account's
	}
	var k *kdcwire.KRBError
	if !errors.As(err, &k) {
		return false
	}
	switch k.Code {
	case errNameExpired, errRevoked, errKeyExpired, errPreauthFailed, errIntegrity:
		return true
	default:
		return false
	}
}

// A ticket is replaced when a quarter of its life is left, at most renewAhead.
const renewAhead = 5 * time.Minute

// tickets keeps the ticket granting ticket of one user, and gets it at most once
// at a time.
type tickets struct {
	cfg    *Config
	user   client.Principal
	client *client.Client

	mu      sync.Mutex
	tgt     *client.Ticket
	flight  *flight       // a login under way
	refused *RefusedError // what the KDC said to the secret of the fingerprint
	secret  fingerprint
}

// flight is a login that several connections may wait for.
type flight struct {
	done chan struct{} // closed when tgt and err are set
	tgt  *client.Ticket
	err  error
}

// session gives a session of the user's, for the caller to close.
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

// land does the login and publishes what came of it.
func (t *tickets) land(ctx context.Context, f *flight) {
	f.tgt, f.err = t.get(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.err == nil {
		t.tgt = f.tgt
	}
	t.flight = nil
	close(f.done)
}

// get reads the secret and asks the KDC, unless it has refused that very secret.
// It runs once at a time.
func (t *tickets) get(ctx context.Context) (*client.Ticket, error) {
	if t.cfg.CCache != "" {
		return t.cfg.readCache(t.user)
	}
	secret, print, err := t.cfg.readSecret()
	if err != nil {
		return nil, err
	}
	if t.refused != nil && t.secret == print {
		return nil, t.refused
	}
	t.refused = nil
	session, err := t.client.TGT(ctx, t.user, secret)
	if err != nil {
		if isRefusal(err) {
			t.refused, t.secret = &RefusedError{Err: err}, print
			return nil, t.refused
		}
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
