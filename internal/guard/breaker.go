package guard

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Breaker guards one user's password. A refusal opens it, for check and the
// daemon alike and across restarts, until the secret is another one. Then the
// hosts of a fleet take their first try one after another.
type Breaker struct {
	guard *Guard
	user  string
}

var _ login.Account = Breaker{}

// Paused returns why an attempt would be held back now; nil where it would not.
func (b Breaker) Paused(secret []byte) error {
	l, err := b.guard.record.Ledger()
	if err != nil {
		return &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: err}
	}
	account := l.Account(b.user)
	if err := account.Paused(secret); err != nil {
		return held(err)
	}
	if !b.guard.o.Repeats {
		return nil
	}
	wait, err := account.FirstTryDelay(secret, b.guard.o.Host)
	if err != nil {
		return held(err)
	}
	if wait == 0 {
		return nil
	}
	if b.guard.o.Delayed != nil {
		b.guard.o.Delayed(b.user, wait)
	}
	now := b.guard.o.Now()
	return held(&ledger.PausedError{Since: now, Until: now.Add(wait), Reason: ledger.ReasonSpread})
}

// Begin records an attempt before it is sent.
func (b Breaker) Begin(secret []byte) (login.Attempt, error) {
	l, err := b.guard.record.Ledger()
	if err != nil {
		return nil, &probe.HeldBack{Reason: probe.ReasonNoRecord, Err: err}
	}
	attempt, err := l.Account(b.user).Begin(secret)
	if err != nil {
		return nil, held(err)
	}
	return attempt, nil
}

// Proven reports whether the directory has accepted the secret since it last changed.
func (b Breaker) Proven(secret []byte) bool {
	l, err := b.guard.record.Ledger()
	return err == nil && l.Account(b.user).Proven(secret)
}

// Unheard keeps that a KDC of the user's realm answered over UDP, and not what followed
// over TCP. Without a record the next login tries it again.
func (b Breaker) Unheard() {
	if l, err := b.guard.record.Ledger(); err == nil {
		_ = l.SetUnheard(b.realm())
	}
}

// Careful reports whether that was within a day.
func (b Breaker) Careful() bool {
	l, err := b.guard.record.Ledger()
	return err == nil && l.Unheard(b.realm())
}

func (b Breaker) realm() string { return b.user[strings.LastIndexByte(b.user, '@')+1:] }

// Open reports whether the breaker of a login's user is open after a run of it.
// told is false where the run says nothing about that.
func Open(res probe.Result) (open, told bool) {
	var paused *ledger.PausedError
	atDatabase := res.Facts[probe.FactFailedAt] == probe.AtDatabase
	switch {
	case res.Reason == probe.ReasonPaused && !atDatabase && errors.As(res.Err, &paused):
		return Refused(probe.Reason(paused.Reason)) || paused.Reason == ledger.ReasonUnanswered, true
	case res.Outcome != probe.Skipped:
		return Refused(res.Reason) && res.Facts[probe.FactFailedAt] == probe.AtPreauth, true
	}
	return false, false
}

// Refused reports whether a reason is a KDC's word after which a secret is not
// tried again.
func Refused(r probe.Reason) bool {
	switch r {
	case probe.ReasonKRBPreauthFailed, probe.ReasonKRBRevoked, probe.ReasonKRBKeyExpired, probe.ReasonKRBClientExpired:
		return true
	}
	return false
}

// Recall returns the refusal that a login is paused for, in place of a result
// that says only that it was not tried: the login is as broken as it was then.
// latest is the latest failure of this process, which knows more than the
// record on disk; nil for none. A login that is not paused, or for which
// nothing was refused, stays as it is.
func Recall(paused probe.Result, latest *probe.Result) probe.Result {
	var p *ledger.PausedError
	if paused.Outcome != probe.Skipped || paused.Reason != probe.ReasonPaused || !errors.As(paused.Err, &p) {
		return paused
	}
	was := paused
	was.Outcome, was.Duration = probe.Failed, 0
	switch {
	case latest != nil:
		was = *latest
	case Refused(probe.Reason(p.Reason)):
		was.Reason, was.Facts = probe.Reason(p.Reason), paused.Facts.With(probe.FactFailedAt, probe.AtPreauth)
	case paused.Facts[probe.FactFailedAt] == probe.AtDatabase && p.Reason != ledger.ReasonUnfinished:
		was.Reason = probe.ReasonDBOtherPlugin
	default:
		return paused
	}
	for _, f := range []probe.Fact{probe.FactSecretFile, probe.FactSecretUnit, probe.FactSecretChanged} {
		if v := paused.Facts[f]; v != "" { // of now: the file may have been changed since
			was.Facts = was.Facts.With(f, v)
		}
	}
	at := p.Since.UTC().Format(time.RFC3339)
	was.Started, was.Facts = p.Since, was.Facts.With(probe.FactRefusedAt, at)
	was.Err = fmt.Errorf("%s at %s; not tried again since", p.Reason, at)
	if !p.Until.IsZero() && Refused(probe.Reason(p.Reason)) { // another secret, after several were refused
		was.Err = fmt.Errorf("%w; several secrets were refused, so this one waits until %s", was.Err, p.Until.UTC().Format(time.RFC3339))
	}
	return was
}
