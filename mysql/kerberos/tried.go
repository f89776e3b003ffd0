package kerberos

import (
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// RefusedError reports that a KDC refused the user's secret when it was proved with.
// The same secret is not sent again: a further try could lock the account. A changed
// secret ends that, and so does [Connector.Forget].
type RefusedError struct {
	Err error // a *client.StepError
}

// Error returns the cause, and what ends it.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused by the KDC, and not tried again until the secret changes: %v", e.Err)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// WaitError reports that the KDCs are not asked again before a moment.
type WaitError struct {
	Until time.Time
	Err   error // the error of the latest try
}

// Error returns the moment and the cause.
func (e *WaitError) Error() string {
	return fmt.Sprintf("not tried again before %s: %v", e.Until.UTC().Format(time.RFC3339), e.Err)
}

// Unwrap returns the cause.
func (e *WaitError) Unwrap() error { return e.Err }

// How often a secret is tried. No KRB-ERROR is authenticated, so an error that is no
// word on a secret that was sent must not be final; a pool must not ask for it at the
// speed of its queries either. A try without an answer may have counted against the
// account: two stay below a lockout threshold of three, and 30 minutes is the time
// after which Active Directory usually forgets them.
const (
	askAgain         = time.Minute
	maxUnanswered    = 2
	unansweredWindow = 30 * time.Minute
)

// tried is what came of the tries with one secret.
type tried struct {
	secret     fingerprint
	refused    *RefusedError
	unanswered []time.Time // when tries with the secret began that were not answered
	asked      time.Time   // when the last answer came that was no word on the secret
	last       error
}

// holds returns why the secret must not be tried now; nil where it may be.
func (t *tickets) holds(secret fingerprint) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tried.secret != secret {
		t.tried = tried{secret: secret}
	}
	r, now := &t.tried, t.cfg.Now()
	if r.refused != nil {
		return r.refused
	}
	if n := len(r.unanswered); n >= maxUnanswered {
		if until := r.unanswered[n-maxUnanswered].Add(unansweredWindow); now.Before(until) {
			return &WaitError{Until: until, Err: r.last}
		}
	}
	if until := r.asked.Add(askAgain); !r.asked.IsZero() && now.Before(until) {
		return &WaitError{Until: until, Err: r.last}
	}
	return nil
}

// learn notes what came of a try; sent says whether the KDC was shown a proof of the
// secret. It returns err, in a *RefusedError where that is final.
func (t *tickets) learn(err error, sent bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.tried
	r.last = err
	var krb *kdcwire.KRBError
	answered := errors.As(err, &krb)
	switch {
	case err == nil:
		*r = tried{secret: r.secret}
	case sent && isRefusal(err):
		r.refused = &RefusedError{Err: err}
		return r.refused
	case sent && !answered: // or answered with what is no Kerberos
		r.unanswered = append(r.unanswered, t.cfg.Now())
		r.unanswered = r.unanswered[max(0, len(r.unanswered)-maxUnanswered):]
	case answered || isAnswer(err):
		r.asked = t.cfg.Now()
	}
	return err
}

// forget lets the next connection try the secret, whatever came of it before.
func (t *tickets) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tried = tried{}
}

// KRB-ERROR codes that will be the same for the next try with this secret, and
// may cost the account its last tries (RFC 4120 §7.5.9).
const (
	errNameExpired   = 1
	errRevoked       = 18 // locked or disabled
	errKeyExpired    = 23
	errPreauthFailed = 24
	errIntegrity     = 31 // what some KDCs say in place of 24
)

// isRefusal reports whether the answer to a proof says that the secret or its
// account is of no use.
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

// isAnswer reports whether err is about an answer that is no KRB-ERROR.
func isAnswer(err error) bool {
	var mismatch *client.MismatchError
	if errors.As(err, &mismatch) {
		return true
	}
	for _, e := range []error{client.ErrReplyKey, client.ErrNoKey, client.ErrRC4, client.ErrWeakKey, client.ErrIterations, kdcwire.ErrNotKerberos} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
