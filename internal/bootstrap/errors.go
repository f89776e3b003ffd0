package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kerbagent/kerbagent/config"
)

// Exit is how a bootstrap ends, as a script sees it.
type Exit int

// The exit codes of `kerbagent bootstrap`.
const (
	ExitDone        Exit = 0 // all is there, and a login was verified
	ExitWaiting     Exit = 1 // for somebody else, or ended early: run it again
	ExitFailed      Exit = 2
	ExitUsage       Exit = 3 // or configuration
	ExitCredentials Exit = 4 // expired or missing: log in and run it again
	ExitPermission  Exit = 5
	ExitLocked      Exit = 6 // another bootstrap is at it
)

// Error is what ended a bootstrap: at which step, what, and what to do next.
type Error struct {
	Exit   Exit   `json:"exit"`
	Step   string `json:"step"`
	Text   string `json:"text"`
	Next   string `json:"next,omitempty"`
	Policy string `json:"policy,omitempty"` // JSON of the permission that is missing
	Err    error  `json:"-"`
}

// Error is the step and what went wrong.
func (e *Error) Error() string { return e.Step + ": " + e.Text }

// Unwrap gives the error behind it.
func (e *Error) Unwrap() error { return e.Err }

// adviceError is an error with what to do about it.
type adviceError struct {
	exit Exit
	text string
	next string
	err  error // behind it; nil: none
}

// Error is what went wrong.
func (e *adviceError) Error() string { return e.text }

// Unwrap gives the error behind it.
func (e *adviceError) Unwrap() error { return e.err }

func advise(next, format string, args ...any) error {
	return &adviceError{ExitFailed, fmt.Sprintf(format, args...), next, nil}
}

// goOn is what to do where nothing better is known.
const goOn = "mend that and run it again: it goes on where it stopped"

// hint gives an error what to do about it. It passes or not as it did.
func hint(err error, next string) error {
	var advice *adviceError
	if errors.As(err, &advice) {
		return err
	}
	return &adviceError{ExitFailed, text(err), next, err}
}

// blockedError says that somebody else has something to do.
type blockedError struct{ what string }

// Error is what they have to do.
func (e *blockedError) Error() string { return e.what }

// tiredError is a wait that took longer than its budget.
type tiredError struct {
	wait  Wait
	after time.Duration
}

// Error says what was waited for.
func (e *tiredError) Error() string {
	return fmt.Sprintf("waited %s for %s, which usually takes %s", e.after.Round(time.Second), e.wait.For, e.wait.Usual)
}

// credentialsError is of the chain that finds or refreshes credentials.
type credentialsError struct{ err error }

// Error is the chain's.
func (e *credentialsError) Error() string { return e.err.Error() }

// Unwrap gives the chain's error.
func (e *credentialsError) Unwrap() error { return e.err }

// problem puts an error into a script's words.
func problem(step string, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Exit: ExitFailed, Step: step, Text: text(err), Err: err}
	var advice *adviceError
	var blocked *blockedError
	var tired *tiredError
	var locked *lockedError
	var credentials *credentialsError
	var secret *config.SecretError
	switch {
	case errors.As(err, &advice):
		e.Exit, e.Next = advice.exit, advice.next
	case errors.As(err, &blocked):
		e.Text = blocked.what // commands, line by line
		e.Exit, e.Next = ExitWaiting, "run it again when that is done"
	case errors.As(err, &tired):
		e.Exit, e.Next = ExitWaiting, "nothing is lost: run it again to wait on"
	case errors.As(err, &locked):
		e.Exit, e.Next = ExitLocked, "wait for it to end; if it is dead, run it again on that host, or anywhere with --take-lock"
	case errors.As(err, &credentials), slices.Contains(credentialCodes(), code(err)):
		e.Exit, e.Next = ExitCredentials, "log in again (aws sso login, or new keys) and run it again: it goes on where it stopped"
	case slices.Contains(deniedCodes(), code(err)):
		p := missing(err)
		if !strings.HasPrefix(p.resource, "arn:") {
			p.resource = "*"
		}
		e.Exit, e.Policy = ExitPermission, policyText(compile([]permission{p}))
		e.Text = "the permission " + p.action + " is missing: " + e.Text
		e.Next = "have it allowed; kerbagent bootstrap policy prints all that is needed"
	case errors.As(err, &secret):
		e.Exit, e.Next = ExitUsage, secret.Hint()
	case errors.Is(err, context.Canceled), err == context.DeadlineExceeded: // a connection's timeout is one too, behind its own words
		e.Exit, e.Text, e.Next = ExitWaiting, "ended early", "nothing is lost: run it again to go on"
	default:
		e.Next = goOn
	}
	return e
}

func credentialCodes() []string {
	return []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
		"AuthFailure", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidAccessKeyId", "MissingAuthenticationToken"}
}

func deniedCodes() []string {
	return []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InsufficientPermissionsException"}
}

// code is AWS's word for an error, empty where it is none of AWS's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// text is an error in one line: AWS's own message with the request's id, which
// its support asks for, in place of the SDK's chain.
func text(err error) string {
	var api smithy.APIError
	var op *smithy.OperationError
	if !errors.As(err, &api) {
		return strings.Join(strings.Split(err.Error(), "\n"), "; ")
	}
	s := api.ErrorCode() + ": " + api.ErrorMessage()
	if errors.As(err, &op) {
		s = op.Operation() + ": " + s
	}
	var id interface{ ServiceRequestID() string }
	if errors.As(err, &id) && id.ServiceRequestID() != "" {
		s += " (request " + id.ServiceRequestID() + ")"
	}
	return s
}

// missing is the permission that a refusal is about, with the resource as AWS
// names it, "*" where it does not. AWS names it in most
// messages; the rest is told by the operation that was refused.
func missing(err error) permission {
	p := permission{resource: "*"}
	var api smithy.APIError
	var op *smithy.OperationError
	if errors.As(err, &api) {
		// The services' common wording, from IAM's troubleshooting page.
		m := regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)(?: on resource:? ([^\s"]+))?`).FindStringSubmatch(api.ErrorMessage())
		if m != nil {
			p.action = m[1]
			if at := strings.TrimRight(m[2], "."); at != "" {
				p.resource = at
			}
			return p
		}
	}
	if errors.As(err, &op) {
		prefix := map[string]string{"Directory Service": "ds", "Secrets Manager": "secretsmanager"}[op.Service()]
		if prefix == "" {
			prefix = strings.ToLower(op.Service())
		}
		p.action = prefix + ":" + op.Operation()
	}
	return p
}

// throttled says that AWS refused for the number of requests.
func throttled(err error) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code(err)]
	return ok
}

// passes says that an error is one of those that go away by themselves.
func passes(err error) bool {
	var status *smithyhttp.ResponseError
	var sending *smithyhttp.RequestSendError
	var network net.Error
	var reading *smithy.DeserializationError
	var clock interface{ RetryableError() bool }
	busy := []string{"InvalidDBClusterStateFault", "InvalidDBInstanceState", "InvalidDBInstanceStateFault", "ConcurrentModification",
		"DirectoryUnavailableException", "ServiceException", "ServiceFailure", "InternalError", "InternalFailure", "InternalServiceError", "ServiceUnavailable", "Unavailable"}
	var credentials *credentialsError
	switch {
	case errors.As(err, &credentials): // of a refresh: those of the start are not waited for
		return passes(credentials.err)
	case throttled(err), slices.Contains(busy, code(err)):
		return true
	case slices.Contains(credentialCodes(), code(err)):
		return false
	case errors.As(err, &status) && status.HTTPStatusCode() >= 500:
		return true
	case code(err) != "":
		return false
	}
	return errors.As(err, &sending) || errors.As(err, &network) || errors.As(err, &reading) || errors.As(err, &clock) && clock.RetryableError() ||
		is[*aws.RequestCanceledError](err)
}

// refused says that AWS has answered and done nothing. Without an answer, or
// with one that says that AWS itself failed, that is not known.
func refused(err error) bool {
	var status *smithyhttp.ResponseError
	if is[*credentialsError](err) || is[*notYetError](err) {
		return true
	}
	if c := code(err); c == "" || c == "ServiceException" || c == "ServiceFailure" {
		return false
	}
	return !errors.As(err, &status) || status.HTTPStatusCode() < 500 || throttled(err)
}
