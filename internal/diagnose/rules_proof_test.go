package diagnose

import (
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// A login that was not tried is neither green nor red, and one that RC4 proved is a
// warning where nobody has allowed it.
func TestRC4OfAUser(t *testing.T) {
	skipped := func(why probe.Reason) probe.Result {
		r := loginResult("", "")
		r.Outcome, r.Reason = probe.Skipped, why
		return r
	}
	proved := func(etype, allowed string) probe.Result {
		r := loginResult("", "")
		r.Facts[probe.FactProofType], r.Facts[probe.FactRC4] = etype, allowed
		return r
	}
	for _, c := range []struct {
		name     string
		login    probe.Result
		code     Code
		severity Severity
		verdict  Verdict
	}{
		{"password, RC4 alone", skipped(probe.ReasonRC4Only), "user-rc4", Warning, VerdictDegraded},
		{"password, a weak key", skipped(probe.ReasonWeakKey), "preauth-weak", Warning, VerdictDegraded},
		{"keytab, RC4", proved("23", ""), "user-rc4", Warning, VerdictDegraded},
		{"RC4 that is allowed", proved("23", "true"), "user-rc4", Info, VerdictOK},
		{"AES where RC4 is allowed", proved("18", "true"), "", "", VerdictOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Explain(Snapshot{Now: testNow, Results: []probe.Result{kdcResult("10.0.0.1:88", probe.TCP, ""), c.login}})
			var want []Code
			if c.code != "" {
				want = []Code{c.code}
			}
			if !slices.Equal(codesOf(got), want) || got.Verdict != c.verdict || len(want) > 0 && got.Findings[0].Severity != c.severity {
				t.Errorf("%v, verdict %s: %+v", codesOf(got), got.Verdict, got.Findings)
			}
		})
	}
}
