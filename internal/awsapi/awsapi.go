// Package awsapi is what bootstrap and the observer of AWS have in common: how
// credentials are found, what a refusal means, and what is read of a cluster, a
// directory and its security groups. Nothing in it changes anything at AWS, and
// what AWS answers is bounded.
package awsapi

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/smithy-go/logging"
)

// Call is one operation of the SDK: input, output, options. It stands between its
// users and the SDK's clients for the linker's sake: a client that is converted to
// an interface keeps all its operations in the binary, and EC2's alone are 40 MB.
// A function keeps itself.
type Call[I, O, P any] func(context.Context, *I, ...func(*P)) (*O, error)

// Load finds credentials and Region as every AWS tool does: environment,
// files, web identity, container, instance. What is empty is found there.
// askCode asks for the code of a profile with MFA; nil: there is nobody to ask.
func Load(ctx context.Context, region, profile string, askCode func() (string, error),
	more ...func(*awsconfig.LoadOptions) error) (aws.Config, error) {
	if askCode == nil {
		askCode = func() (string, error) { return "", ErrNobodyToAsk }
	}
	more = append(more, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(profile),
		awsconfig.WithLogger(logging.Nop{}), // what it warns of, it tries again in another way
		awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) { o.TokenProvider = askCode }))
	return awsconfig.LoadDefaultConfig(ctx, more...)
}

// Careful returns a configuration whose clients repeat by themselves only what AWS
// refused for the number of requests, or for this host's clock, which the SDK
// corrects then by AWS's: attempts times at most. A connection that hangs for
// patience is one whose answer is lost.
func Careful(cfg aws.Config, attempts int, patience time.Duration) aws.Config {
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
				retry.IsErrorRetryableFunc(clockCorrected)}
		})
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = b.WithTimeout(patience)
	}
	if inner := cfg.Credentials; inner != nil {
		cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			c, err := inner.Retrieve(ctx)
			if err != nil && ctx.Err() == nil {
				err = &CredentialsError{err}
			}
			return c, err
		}))
	}
	return cfg
}

// clockCorrected reports that AWS refused a signature for its time: the SDK marks
// such answers, and signs the next attempt by AWS's clock.
func clockCorrected(err error) aws.Ternary {
	var marked interface{ RetryableError() bool }
	if Code(err) != "" && errors.As(err, &marked) && marked.RetryableError() {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
