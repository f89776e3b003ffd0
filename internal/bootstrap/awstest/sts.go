package awstest

import (
	"fmt"
	"strings"
	"time"
)

// sessionLife is how long a session of AssumeRole lasts where nobody says.
const sessionLife = time.Hour

func stsActions() map[string]action {
	return map[string]action{"GetCallerIdentity": {run: getCallerIdentity}, "AssumeRole": {run: assumeRole}}
}

// getCallerIdentity needs no permission, and no policy can deny it.
func getCallerIdentity(r *request) (any, error) {
	return struct {
		ARN     string `xml:"Arn"`
		ID      string `xml:"UserId"`
		Account string
	}{r.who.arn, r.who.id, r.cloud.options.Account}, r.form.done()
}

// assumeRole makes a session that may do what its maker may. With MFACode, a role
// is taken with that code alone.
func assumeRole(r *request) (any, error) {
	f := r.form
	if err := f.need("RoleArn", "RoleSessionName"); err != nil {
		return nil, err
	}
	role, session, serial, code := f.text("RoleArn"), f.text("RoleSessionName"), f.text("SerialNumber"), f.text("TokenCode")
	f.text("DurationSeconds")
	if want := r.cloud.options.MFACode; want != "" && (code != want || serial == "") {
		return nil, &apiError{trouble: troubleDenied, message: "MultiFactorAuthentication failed with invalid MFA one time pass code. "}
	}
	name := role[strings.LastIndex(role, "/")+1:]
	r.cloud.serial++
	p := &principal{arn: r.cloud.arn("sts", "", "assumed-role/"+name+"/"+session), id: "AROA" + name + ":" + session, policies: r.who.policies,
		key: fmt.Sprintf("ASIATEST%08d", r.cloud.serial), secret: "secret of the session " + session,
		token: "token of the session " + session, expires: r.now.Add(sessionLife)}
	r.cloud.people[p.key] = p
	type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
	type assumed struct{ Arn, AssumedRoleId string }
	return struct {
		Credentials     credentials
		AssumedRoleUser assumed
	}{credentials{p.key, p.secret, p.token, p.expires.UTC().Format(time.RFC3339)}, assumed{p.arn, p.id}}, f.done()
}
