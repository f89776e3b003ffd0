package bootstrap

import "github.com/kerbagent/kerbagent/internal/awsapi"

// problem is problem with what to do about credentials: that depends on what is
// wrong with them, and on whether anything has begun.
func (w *world) problem(step string, err error) *Error {
	p := problem(step, err)
	if where, why := awsapi.Unsent(err); step == "start" && why != "" && p.Exit == ExitFailed {
		p.Text = "AWS STS (" + plain(where) + ") is not reachable from this host: " + why
		p.Next = "it takes a way to the Internet, a proxy (HTTPS_PROXY), or an interface endpoint; then run it again"
		return p
	}
	if p.Exit != ExitCredentials {
		return p
	}
	t := awsapi.CredentialTrouble(err, w.Now(), w.region)
	if p.Text, p.Next = t.Text, t.Next+", and run it again"; step != "start" {
		p.Next += ": it continues where it stopped"
	}
	if t.Clock {
		p.Exit = ExitFailed
	}
	return p
}
