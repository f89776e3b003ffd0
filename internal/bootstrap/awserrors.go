package bootstrap

import (
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/kerbagent/kerbagent/internal/awsapi"
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
func (e *linkedRoleError) Error() string { return awsapi.Text(e.err) }

// Unwrap returns AWS's error.
func (e *linkedRoleError) Unwrap() error { return e.err }

// missing is the permission that a refusal is about.
func missing(err error) permission {
	if is[*linkedRoleError](err) {
		return permission{action: "iam:CreateServiceLinkedRole", resource: "*"}
	}
	var p permission
	p.action, p.resource = awsapi.Missing(err)
	if unnamed(err) && strings.HasPrefix(p.action, "rds:") && strings.Contains(awsapi.Text(err), "create a secret") { // in the caller's name
		p.action = "secretsmanager:CreateSecret"
	}
	return p
}

// unnamed reports whether a refusal names no permission.
func unnamed(err error) bool {
	_, _, named := awsapi.Named(err)
	return slices.Contains(awsapi.DeniedCodes(), awsapi.Code(err)) && !named
}

// ofKey reports whether a refusal is about the KMS key that a secret or a cluster is
// encrypted with. Neither Secrets Manager nor RDS passes on what KMS has said: which
// action it was, and whose policy refuses it.
func ofKey(err error) bool {
	codes := []string{"KMSKeyNotAccessibleFault", "EncryptionFailure", "DecryptionFailure"}
	return slices.Contains(codes, awsapi.Code(err)) || unnamed(err) && strings.Contains(awsapi.Text(err), "KMS")
}

// ofNewKey marks the refusal of a key that the configuration names: a key, alias or grant that
// was made a moment ago is not known everywhere yet (AWS KMS Developer Guide, "AWS KMS eventual
// consistency"), and the refusal does not tell that from one that stays.
func ofNewKey(err error, key string) error {
	if key == "" || !ofKey(err) {
		return err
	}
	return &notYetError{err, keyBudget}
}

// maybeOfKey reports whether a refusal may be about the key of a secret.
func maybeOfKey(err error) bool {
	action, _ := awsapi.Missing(err)
	return ofKey(err) || unnamed(err) && strings.HasPrefix(action, "secretsmanager:")
}

// whoseRefusal is what to do about a permission that is missing: what helps depends on the kind of policy that lacks it.
func whoseRefusal(err error, action string) string {
	policy, explicit := awsapi.DeniedBy(err)
	switch {
	case policy == "service control policy", policy == "resource control policy":
		return "a " + policy + " of the AWS Organization refuses it, and no policy of this account can allow it: ask the administrators of the organization"
	case policy == "VPC endpoint policy":
		return "the policy of the VPC endpoint that this host uses refuses it: have " + action + " allowed there, or use a host that reaches AWS another way"
	case explicit:
		return "a Deny statement in the " + policy + " refuses it, so a further Allow does not help: have that statement changed"
	case policy == "permissions boundary", policy == "session policy":
		return "the " + policy + " of these credentials does not allow it, whatever their other policies do: have " + action + " allowed there"
	}
	return "ask for this permission; kerbagent bootstrap policy prints the whole policy"
}

// ofAccount is what to do where the account itself is in the way: a quota, AWS's capacity, its registration. Empty: it is not that.
func ofAccount(err error) string {
	code := strings.TrimSuffix(strings.TrimSuffix(awsapi.Code(err), "Exception"), "Fault")
	switch {
	case awsapi.Throttled(err):
		return "the account sends AWS more requests than it takes: run it again in some minutes, it continues where it stopped"
	case strings.HasSuffix(code, "LimitExceeded"), strings.HasSuffix(code, "QuotaExceeded"):
		return "a quota of the account is reached: delete what nobody needs, or ask AWS for more (aws service-quotas request-service-quota-increase), " +
			"and run it again: it continues where it stopped"
	case strings.HasPrefix(code, "Insufficient") && strings.HasSuffix(code, "Capacity"):
		return "AWS has no capacity for it there at the moment: run it again later, or write another cluster.instance_class"
	case slices.Contains([]string{"OptInRequired", "SubscriptionRequired", "PendingVerification", "Blocked"}, code):
		return "the account may not use this service yet, whatever its policies allow: complete its registration (verification, payment), or ask AWS Support"
	}
	return ""
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
	var credentials *awsapi.CredentialsError
	switch {
	case errors.As(err, &credentials): // of a refresh: those of the start are not waited for
		return passes(credentials.Unwrap())
	case awsapi.Throttled(err), slices.Contains(busy, awsapi.Code(err)):
		return true
	case slices.Contains(awsapi.CredentialCodes(), awsapi.Code(err)):
		return false
	case errors.As(err, &status) && status.HTTPStatusCode() >= 500:
		return true
	case awsapi.Code(err) != "":
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
	if is[*awsapi.CredentialsError](err) || is[*notYetError](err) {
		return true
	}
	if c := awsapi.Code(err); c == "" || c == "ServiceException" || c == "ServiceFailure" {
		return false
	}
	return !errors.As(err, &status) || status.HTTPStatusCode() < 500 || awsapi.Throttled(err)
}

// is reports whether a typed error of the SDK is in the chain.
func is[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// deniedByName reports whether a secret is not there, to somebody who may read it if
// it were: without an ARN that a policy could allow, its bare name is refused.
func deniedByName(err error, name string) bool {
	return !strings.HasPrefix(name, "arn:") && slices.Contains(awsapi.DeniedCodes(), awsapi.Code(err)) && missing(err).resource == name
}
