package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

var errNoSecret = errors.New("there is no such secret")

// adviceError is an error with what to do about it.
type adviceError struct {
	exit Exit
	text string
	next string
	err  error // behind it; nil: none
}

// Error returns what went wrong.
func (e *adviceError) Error() string { return e.text }

// Unwrap returns the error behind it.
func (e *adviceError) Unwrap() error { return e.err }

func advise(next, format string, args ...any) error {
	return &adviceError{ExitFailed, fmt.Sprintf(format, args...), next, nil}
}

// goOn is what to do where nothing better is known.
const goOn = "fix that and run it again: it continues where it stopped"

// hint adds to an error what to do about it. Whether the error is worth a retry
// does not change.
func hint(err error, next string) error {
	var advice *adviceError
	if errors.As(err, &advice) {
		return err
	}
	return &adviceError{ExitFailed, awsapi.Text(err), next, err}
}

// blockedError reports that somebody else has something to do.
type blockedError struct{ what string }

// Error returns what they have to do.
func (e *blockedError) Error() string { return e.what }

// tiredError is a wait that took longer than its budget.
type tiredError struct {
	wait  Wait
	after time.Duration
}

// Error returns what was waited for.
func (e *tiredError) Error() string {
	return fmt.Sprintf("waited %s for %s, which usually takes %s", e.after.Round(time.Second), e.wait.For, e.wait.Usual)
}

// problem puts an error into a script's words.
func problem(step string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Exit: ExitFailed, Step: step, Text: awsapi.Text(err), Err: err}
	var advice *adviceError
	var blocked *blockedError
	var tired *tiredError
	var locked *lockedError
	var credentials *awsapi.CredentialsError
	var secret *config.SecretError
	switch {
	case errors.As(err, &advice):
		e.Exit, e.Next = advice.exit, advice.next
	case errors.As(err, &blocked):
		e.Text = blocked.what // commands, line by line
		e.Exit, e.Next = ExitWaiting, "run it again when that is done"
	case errors.As(err, &tired):
		e.Exit, e.Next = ExitWaiting, "no progress is lost: run it again to continue waiting"
	case errors.As(err, &locked):
		e.Exit, e.Next = ExitLocked, "wait for it to end; if it is dead, run it again on that host, or anywhere with --take-lock"
	case errors.As(err, &credentials), slices.Contains(awsapi.CredentialCodes(), awsapi.Code(err)):
		e.Exit, e.Next = ExitCredentials, "log in again (aws sso login, or new keys) and run it again: it continues where it stopped"
	case ofKey(err):
		e.Exit, e.Text = ExitPermission, "the use of the KMS key is refused: "+e.Text
		e.Next = "AWS does not say by what: your policy lacks the kms: actions (kerbagent bootstrap policy prints them), or the key's own " +
			"policy does not admit you, or there is no such key, or it is disabled"
	case slices.Contains(awsapi.DeniedCodes(), awsapi.Code(err)), is[*linkedRoleError](err):
		p := missing(err)
		if !strings.HasPrefix(p.resource, "arn:") {
			p.resource = "*"
		}
		e.Exit, e.Policy = ExitPermission, policyText(compile([]permission{p}))
		e.Text = "the permission " + p.action + " is missing: " + e.Text
		e.Next = whoseRefusal(err, p.action)
		if maybeOfKey(err) {
			e.Next += ". AWS names no permission: if this one is there, the secret's KMS key refuses (its own policy, or kms:Decrypt and " +
				"kms:GenerateDataKey in yours)"
		}
	case errors.As(err, &secret):
		e.Exit, e.Next = ExitUsage, secret.Hint()
	case errors.Is(err, context.Canceled), err == context.DeadlineExceeded: // a connection's timeout is one too, behind its own words
		e.Exit, e.Text, e.Next = ExitWaiting, "interrupted", "no progress is lost: run it again to continue"
	default:
		e.Next = cmp.Or(ofAccount(err), goOn)
	}
	return e
}

// lockedError reports that somebody else is at it.
type lockedError struct{ by string }

// Error names the holder of the lock.
func (e *lockedError) Error() string { return "another bootstrap holds the lock: " + e.by }

// unreadableError is a password that whoever runs this may not read: a watcher,
// as a rule.
type unreadableError struct {
	ref config.BootstrapSecret
	err error
}

// Error names the secret.
func (e *unreadableError) Error() string { return "reading " + e.ref.String() + ": " + e.err.Error() }

// Unwrap returns AWS's refusal.
func (e *unreadableError) Unwrap() error { return e.err }
