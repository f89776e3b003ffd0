package bootstrap

import (
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// notYetError is a refusal that has been seen to pass: what AWS was told a
// moment ago has not reached all of it.
type notYetError struct {
	err    error
	budget time.Duration // how long it has been seen to last
}

// Error returns what was refused.
func (e *notYetError) Error() string { return e.err.Error() }

// Unwrap returns AWS's error.
func (e *notYetError) Unwrap() error { return e.err }

// linkedRoleError is RDS's refusal to make its own service-linked role in the
// caller's name: of a permission that is missing, or of a role that is on its
// way. Its text does not tell which.
type linkedRoleError struct{ err error }

// Error returns what was refused.
func (e *linkedRoleError) Error() string { return text(e.err) }

// Unwrap returns AWS's error.
func (e *linkedRoleError) Unwrap() error { return e.err }

// credentialsError is of the chain that finds or refreshes credentials.
type credentialsError struct{ err error }

// Error returns the chain's text.
func (e *credentialsError) Error() string { return e.err.Error() }

// Unwrap returns the chain's error.
func (e *credentialsError) Unwrap() error { return e.err }

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
	if is[*linkedRoleError](err) {
		p.action = "iam:CreateServiceLinkedRole"
		return p
	}
	var api smithy.APIError
	var op *smithy.OperationError
	if errors.As(err, &api) {
		// The services' common wording, from IAM's troubleshooting page.
		wording := regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)(?: on resource:? ([^\s"]+))?`)
		m := wording.FindStringSubmatch(api.ErrorMessage())
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

// throttled reports whether AWS refused for the number of requests.
func throttled(err error) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code(err)]
	return ok
}

// passes reports whether an error is one of those that go away by themselves.
func passes(err error) bool {
	var status *smithyhttp.ResponseError
	var sending *smithyhttp.RequestSendError
	var network net.Error
	var reading *smithy.DeserializationError
	var clock interface{ RetryableError() bool }
	busy := []string{"InvalidDBClusterStateFault", "InvalidDBInstanceState", "InvalidDBInstanceStateFault", "ConcurrentModification",
		"DirectoryUnavailableException", "ServiceException", "ServiceFailure", "InternalError", "InternalFailure", "InternalServiceError",
		"ServiceUnavailable", "Unavailable"}
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
	return errors.As(err, &sending) || errors.As(err, &network) || errors.As(err, &reading) || errors.As(err, &clock) &&
		clock.RetryableError() ||
		is[*aws.RequestCanceledError](err)
}

// refused reports whether AWS has answered and done nothing. Without an answer, or
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

// errNobodyToAsk is in the way of a profile with MFA where there is no terminal.
var errNobodyToAsk = errors.New("the profile needs an MFA code, and there is no terminal to ask for it")

// is reports whether a typed error of the SDK is in the chain.
func is[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// deniedByName reports whether a secret is not there, to somebody who may read it if
// it were: without an ARN that a policy could allow, its bare name is refused.
func deniedByName(err error, name string) bool {
	return !strings.HasPrefix(name, "arn:") && slices.Contains(deniedCodes(), code(err)) && missing(err).resource == name
}
