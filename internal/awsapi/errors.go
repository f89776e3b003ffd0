package awsapi

import (
	"cmp"
	"errors"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

// CredentialsError is of the chain that finds or refreshes credentials.
type CredentialsError struct{ err error }

// Error returns the chain's text.
func (e *CredentialsError) Error() string { return e.err.Error() }

// Unwrap returns the chain's error.
func (e *CredentialsError) Unwrap() error { return e.err }

// ErrNobodyToAsk is in the way of a profile with MFA where there is no terminal.
var ErrNobodyToAsk = errors.New("the profile needs an MFA code, and there is no terminal to ask for it")

// CredentialCodes returns AWS's words for credentials that it does not take.
func CredentialCodes() []string {
	return []string{"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
		"AuthFailure", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidAccessKeyId", "MissingAuthenticationToken"}
}

// DeniedCodes returns AWS's words for a permission that is missing.
func DeniedCodes() []string {
	return []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "InsufficientPermissionsException"}
}

// Code is AWS's word for an error, empty where it is none of AWS's.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// Text is an error in one line: AWS's own message with the request's id, which
// its support asks for, in place of the SDK's chain.
func Text(err error) string {
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

// Missing is the permission that a refusal is about, with the resource as AWS
// names it, "*" where it does not. AWS names it in most messages; the rest is told
// by the operation that was refused.
func Missing(err error) (action, resource string) {
	var op *smithy.OperationError
	if action, resource, ok := Named(err); ok {
		return action, resource
	}
	if errors.As(err, &op) {
		prefix := map[string]string{"Directory Service": "ds", "Secrets Manager": "secretsmanager"}[op.Service()]
		if prefix == "" {
			prefix = strings.ToLower(op.Service())
		}
		action = prefix + ":" + op.Operation()
	}
	return action, "*"
}

// Named is the permission that AWS's own message names, with its resource; false where
// it names none.
func Named(err error) (action, resource string, ok bool) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", "", false
	}
	// The services' common wording, from IAM's troubleshooting page.
	wording := regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)(?: on resource:? ([^\s"]+))?`)
	m := wording.FindStringSubmatch(api.ErrorMessage())
	if m == nil {
		return "", "", false
	}
	return m[1], cmp.Or(strings.TrimRight(m[2], "."), "*"), true
}

// Throttled reports whether AWS refused for the number of requests.
func Throttled(err error) bool {
	_, ok := retry.DefaultThrottleErrorCodes[Code(err)]
	// The SDK takes this one for a throttle. In Secrets Manager and KMS it is a quota that is reached (their API references).
	return ok && Code(err) != "LimitExceededException"
}

// DeniedBy is the kind of policy that refuses, in the words that AWS's services share (IAM User Guide, "Troubleshoot access
// denied error messages"), and whether it has a Deny statement; empty where they do not tell.
func DeniedBy(err error) (policy string, explicit bool) {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", false
	}
	kinds := `(service control policy|resource control policy|permissions boundary|session policy|VPC endpoint policy|resource-based policy|identity-based policy)`
	if m := regexp.MustCompile(`with an explicit deny in an? ` + kinds).FindStringSubmatch(api.ErrorMessage()); m != nil {
		return m[1], true
	}
	if m := regexp.MustCompile(`because no ` + kinds + ` allows`).FindStringSubmatch(api.ErrorMessage()); m != nil {
		return m[1], false
	}
	return "", false
}
