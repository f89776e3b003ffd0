package bootstrap

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

// problem is problem with what to do about credentials: that depends on what is
// wrong with them, and on whether anything has begun.
func (w *world) problem(step string, err error) *Error {
	p := problem(step, err)
	if p.Exit != ExitCredentials {
		return p
	}
	goesOn := ""
	if step != "start" {
		goesOn = ": it continues where it stopped"
	}
	words := strings.ToLower(p.Text)
	switch off := clockOff(err, w.Now()); {
	case off > mostClockOff || off < -mostClockOff:
		p.Exit, p.Text = ExitFailed, fmt.Sprintf("this host's clock differs from AWS's by %s, so AWS refuses what it signs (%s)",
			off.Abs().Round(time.Second), p.Text)
		p.Next = "set the clock (timedatectl), and run it again" + goesOn
	case errors.Is(err, errNobodyToAsk):
		p.Text, p.Next = errNobodyToAsk.Error(), "run it on a terminal; or make temporary credentials first (aws sts get-session-token), and "+
			"put them into the environment"
	case strings.Contains(words, "no ec2 imds role found"), strings.Contains(words, "static credentials are empty"):
		p.Text, p.Next = "no AWS credentials were found", "run aws sso login (or set AWS_PROFILE), and run it again"+goesOn
	case strings.Contains(words, "sso"):
		p.Text, p.Next = "the AWS SSO session has expired, or was never begun",
			"run aws sso login (with --profile, if it is not the default one), and run it again"+goesOn
	case slices.Contains([]string{"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure"}, code(err)) &&
		!slices.Contains(enabledRegions(), w.region):
		p.Next = fmt.Sprintf("if these credentials work in other Regions, %s is not enabled for the account: aws account enable-region "+
			"--region-name %s, and some minutes later run it again; else log in again (aws sso login, or new keys)", w.region, w.region) + goesOn
	case strings.Contains(words, "expired"):
		p.Text, p.Next = "the AWS credentials have expired ("+p.Text+")", "log in again (aws sso login, or new keys), and run it again"+goesOn
	default:
		p.Text, p.Next = "AWS does not accept the credentials ("+p.Text+")", "log in (aws sso login), or set other keys, and run it again"+goesOn
	}
	return p
}

// clockOff is how far this host's clock is ahead of the one that answered.
func clockOff(err error, now time.Time) time.Duration {
	// What a wrong time in a signature is called; a session that has ended is not among them.
	if !slices.Contains([]string{"SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure", "RequestTimeTooSkewed",
		"RequestExpired"}, code(err)) {
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

// enabledRegions are those of the partition aws that an account has without asking
// for them (AWS General Reference, "Managing AWS Regions").
func enabledRegions() []string {
	return []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
		"ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "sa-east-1"}
}
