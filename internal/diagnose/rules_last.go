package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

func loginRules() []Rule {
	return []Rule{{
		Code: "login-paused", Severity: Info,
		Title:  "no login is tried for {user} until its secret changes",
		Means:  "The directory refused this secret before, or answers to attempts were lost. Another try could lock the account, so kerbagent holds back until the secret file changes.",
		Cause:  "{error}",
		Remedy: "put the right secret into its file, or, if it is right after all (an unlocked account), run once: kerbagent check --ignore-breaker",
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool {
				return r.Outcome == probe.Skipped && r.Reason == probe.ReasonPaused && r.Facts[probe.FactFailedAt] != probe.AtDatabase
			})
		},
	}}
}

// Codes of what nothing else explains.
const (
	codeLoginFailed Code = "login-failed"
	codeProbeFailed Code = "probe-failed"
)

// lastRules make sure that no failure goes without a finding.
func lastRules() []Rule {
	var all []Code
	for _, g := range [][]Rule{hostRules(), dnsRules(), serverRules(), kdcRules(), clockRules(), kpasswdRules(), databaseRules(),
		secretRules(), accountRules(), databaseAccountRules(), serviceRules(), acceptRules(), loginRules()} {
		for _, r := range g {
			all = append(all, r.Code)
		}
	}
	return []Rule{{
		Code: codeLoginFailed, Severity: Error,
		Title:     "the login of {user} on {database} fails",
		Means:     "The login failed in a way that no other code describes.",
		Cause:     "{kdcseen} {error}",
		Remedy:    "look at the stages of the login below; the same by hand: KRB5_TRACE=/dev/stderr kinit {user}; please report it with kerbagent check -o json",
		DependsOn: all,
		match:     loginMatch(func(*probe.Result) bool { return true }),
	}, {
		Code: codeProbeFailed, Severity: Warning,
		Title:     "a probe failed and nothing explains it: {what}",
		Means:     "A probe failed in a way that no other code describes: one lost packet, an unusual answer, or a run that was cut short.",
		Cause:     "{what}: {error}",
		Remedy:    "run kerbagent check again; if it stays, please report it with kerbagent check -o json",
		DependsOn: append(slices.Clone(all), codeLoginFailed),
		match: func(v *view) []match {
			var out []match
			for _, r := range v.all {
				if r.ID.Kind == probe.Login || r.Outcome != probe.Failed || harmless(r) {
					continue
				}
				w := wordsOf(r).and(words{"what": r.ID.String() + " (" + string(r.Reason) + ")"})
				if r.Err != nil {
					w["error"] = r.Err.Error()
				}
				out = append(out, match{affects: []*probe.Result{r}, words: w})
			}
			return out
		},
	}}
}

// harmless are answers that are no fault: a name without an address in one
// family, and a truncated answer where TCP is there to ask again.
func harmless(r *probe.Result) bool {
	return r.ID.Kind == probe.DNS && (reason(r, probe.ReasonDNSNoData) && strings.HasPrefix(r.Facts[probe.FactQuestion], "A") ||
		reason(r, probe.ReasonDNSTruncated) || r.Facts[probe.FactDatabase] != "")
}
