package login

import (
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
)

// Account keeps account of attempts that could lock an account.
type Account interface {
	// Paused reports whether Begin would be refused now.
	Paused(secret []byte) error
	// Begin records an attempt before it is sent. An error, best a
	// *probe.HeldBack, means that it must not be sent.
	Begin(secret []byte) (Attempt, error)
	// Proven reports whether the directory has accepted the secret since it last changed.
	Proven(secret []byte) bool
	// Unheard takes note that a KDC answered over UDP, and not what followed over TCP. Careful
	// reports whether that was lately: the first question then goes over TCP.
	Unheard()
	Careful() bool
}

// Attempt is one that was recorded. Its first end counts.
type Attempt interface {
	Accepted() error
	Refused(reason string) error // the secret or the account is refused: not again
	Unanswered() error
	Withdrawn() error // never sent, or answered in a way that is no word on the secret
}

// Material is what a user proves itself with: a Secret, or a TGT from a cache.
type Material struct {
	Kind     string        // password, keytab or ccache
	Secret   client.Secret // nil where there is a TGT
	Identity []byte        // the value by which an Account recognises the secret
	TGT      *client.Ticket
	Shared   *client.Shared // a TGT that another login of the user got: this one makes no attempt of its own
	KVNO     string         // the version number of a keytab's newest key
	Handed   Handed
}

// Handed is where a service manager copied a secret from when it started the unit; zero for a
// secret that is read where it is.
type Handed struct {
	File, Unit string
	Changed    time.Time // when File was changed after it had been copied; zero where it was not
}

// in returns the facts of a plan with what is known of the secret's file.
func (h Handed) in(facts probe.Facts) probe.Facts {
	if h.File == "" {
		return facts
	}
	out := facts.With(probe.FactSecretFile, h.File).With(probe.FactSecretUnit, h.Unit)
	if h.Changed.IsZero() {
		return out
	}
	return out.With(probe.FactSecretChanged, h.Changed.UTC().Format(time.RFC3339))
}

// MaterialError is a secret that cannot be used. Problem says in a word why.
type MaterialError struct {
	Problem string
	Err     error
}

// Error is the whole of what is wrong.
func (e *MaterialError) Error() string { return e.Err.Error() }

// Unwrap returns the error of reading the secret.
func (e *MaterialError) Unwrap() error { return e.Err }

// Services remembers which service a database announces, so that its ticket can be asked
// for ahead of the announcement. What was announced decides all the same. Services are name@REALM.
type Services interface {
	// Guess returns the service that will probably be announced; empty for none. known says that it was announced before.
	Guess() (service string, known bool)
	// Announced takes note of the service that was announced, and that the KDC gave a ticket for.
	Announced(service string)
	// Refused takes note that the KDC refused a ticket for what Guess returned and did not know: it is no guess any more.
	Refused(service string)
}
