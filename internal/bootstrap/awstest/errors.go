package awstest

import (
	"fmt"
	"net/http"
)

// fault of the service, in words of this package; each service has its own code for it.
type trouble int

const (
	troubleNone trouble = iota
	troubleNoToken
	troubleUnknownKey
	troubleSignature
	troubleSkew
	troubleExpired
	troubleDenied
	troubleThrottle
	troubleInternal
	troubleUnavailable
)

// apiError is an answer that is no success.
type apiError struct {
	trouble trouble // or, where it is troubleNone:
	status  int
	code    string
	message string
}

// Error returns the code and the message.
func (e *apiError) Error() string { return e.code + ": " + e.message }

func bad(code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func failing(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// answer is how one family of services words a trouble.
type answer struct {
	status int
	code   string
}

// troubles of the services with the query protocol (RDS, IAM, STS), of EC2, and
// of those with JSON, as their "Common errors" pages have them.
func (e *apiError) worded(service string) (status int, code string) {
	if e.trouble == troubleNone {
		return e.status, e.code
	}
	query := map[trouble]answer{
		troubleNoToken:     {403, "MissingAuthenticationToken"},
		troubleUnknownKey:  {403, "InvalidClientTokenId"},
		troubleSignature:   {403, "SignatureDoesNotMatch"},
		troubleSkew:        {403, "SignatureDoesNotMatch"},
		troubleExpired:     {403, "ExpiredToken"},
		troubleDenied:      {403, "AccessDenied"},
		troubleThrottle:    {400, "Throttling"},
		troubleInternal:    {500, "InternalFailure"},
		troubleUnavailable: {503, "ServiceUnavailable"},
	}
	table := query
	switch service {
	case "ec2":
		table = map[trouble]answer{
			troubleNoToken:     {401, "AuthFailure"},
			troubleUnknownKey:  {401, "AuthFailure"},
			troubleSignature:   {401, "AuthFailure"},
			troubleSkew:        {401, "AuthFailure"},
			troubleExpired:     {400, "RequestExpired"},
			troubleDenied:      {403, "UnauthorizedOperation"},
			troubleThrottle:    {503, "RequestLimitExceeded"},
			troubleInternal:    {500, "InternalError"},
			troubleUnavailable: {503, "Unavailable"},
		}
	case "ds", "secretsmanager":
		table = map[trouble]answer{
			troubleNoToken:     {400, "MissingAuthenticationTokenException"},
			troubleUnknownKey:  {400, "UnrecognizedClientException"},
			troubleSignature:   {400, "InvalidSignatureException"},
			troubleSkew:        {400, "InvalidSignatureException"},
			troubleExpired:     {400, "ExpiredTokenException"},
			troubleDenied:      {400, "AccessDeniedException"},
			troubleThrottle:    {400, "ThrottlingException"},
			troubleInternal:    {500, "InternalFailure"},
			troubleUnavailable: {503, "ServiceUnavailable"},
		}
	}
	return table[e.trouble].status, table[e.trouble].code
}
