package awsapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// mostClockOff is what AWS takes of a difference between the clocks.
const mostClockOff = 4 * time.Minute

// Trouble is why AWS does not take a host's credentials.
type Trouble struct {
	Text  string // what is wrong
	Next  string // what to do about it
	Clock bool   // not the credentials: this host's clock
}

// NoCredentials reports whether an error is of the credentials: none were found, or
// AWS does not take them.
func NoCredentials(err error) bool {
	var chain *CredentialsError
	return errors.As(err, &chain) || slices.Contains(CredentialCodes(), Code(err))
}

// CredentialTrouble returns what is wrong with the credentials that err is about.
func CredentialTrouble(err error, now time.Time, region string) Trouble {
	said := Text(err)
	words := strings.ToLower(said)
	switch off := clockOff(err, now); {
	case off > mostClockOff || off < -mostClockOff:
		return Trouble{fmt.Sprintf("this host's clock differs from AWS's by %s, so AWS refuses what it signs (%s)",
			off.Abs().Round(time.Second), said), "set the clock (timedatectl)", true}
	case errors.Is(err, ErrNobodyToAsk):
		return Trouble{Text: ErrNobodyToAsk.Error(),
			Next: "use a terminal; or make temporary credentials first (aws sts get-session-token), and put them into the environment"}
	case strings.Contains(words, "multifactorauthentication failed"):
		return Trouble{Text: "AWS does not accept the MFA code (" + said + ")", Next: "wait for the next code"}
	case strings.Contains(words, "sts:assumerole"):
		return Trouble{Text: "the role of the AWS profile cannot be assumed (" + said + ")",
			Next: "have the trust policy of that role, and the permission sts:AssumeRole of the profile's own credentials, corrected; or " +
				"use another profile"}
	case strings.Contains(words, "no ec2 imds role found"), strings.Contains(words, "static credentials are empty"):
		return Trouble{Text: "no AWS credentials were found", Next: "run aws sso login (or set AWS_PROFILE)"}
	case strings.Contains(words, "sso") && strings.Contains(words, "forbiddenexception"): // of GetRoleCredentials: the session is good
		return Trouble{Text: "the SSO user has no access to the account and permission set of the AWS profile",
			Next: "correct sso_account_id and sso_role_name of the profile, or ask the administrator of IAM Identity Center for access"}
	case strings.Contains(words, "sso"):
		return Trouble{Text: "the AWS SSO session has expired, or was never begun",
			Next: "run aws sso login (with --profile, if it is not the default one)"}
	case slices.Contains([]string{"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}, Code(err)) &&
		!slices.Contains(EnabledRegions(), region):
		return Trouble{said, fmt.Sprintf("if these credentials work in other Regions, %s is not enabled for the account: "+
			"aws account enable-region --region-name %s, and wait some minutes; else log in again (aws sso login, or new keys)",
			region, region), false}
	case strings.Contains(words, "expired"):
		return Trouble{Text: "the AWS credentials have expired (" + said + ")", Next: "log in again (aws sso login, or new keys)"}
	}
	return Trouble{Text: "AWS does not accept the credentials (" + said + ")", Next: "log in (aws sso login), or set other keys"}
}

// clockOff is how far this host's clock is ahead of the one that answered.
func clockOff(err error, now time.Time) time.Duration {
	// What a wrong time in a signature is called; a session that has ended is not among them.
	if !slices.Contains([]string{"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestTimeTooSkewed",
		"RequestExpired"}, Code(err)) {
		return 0
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil {
		return 0
	}
	date, bad := http.ParseTime(answer.Response.Header.Get("Date"))
	if bad != nil {
		return 0
	}
	return now.Sub(date)
}

// EnabledRegions are those of the partition aws that an account has without asking
// for them (AWS General Reference, "Managing AWS Regions").
func EnabledRegions() []string {
	return []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "sa-east-1"}
}
