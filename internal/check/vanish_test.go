package check

import (
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// A name without an address is said once: of a custom endpoint whose cluster answers, that it
// has no members; of a cluster that was deleted, whose names are all gone, that they are.
func TestANameWithoutAddressIsSaidOnce(t *testing.T) {
	const cluster = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
	for _, c := range []struct {
		host string
		gone []string
		code diagnose.Code
	}{
		{customEndpoint, []string{customEndpoint}, "endpoint-members"},
		{readerEndpoint, []string{readerEndpoint}, "endpoint-unresolvable"},
		{cluster, []string{cluster, readerEndpoint, customEndpoint}, "endpoint-unresolvable"},
	} {
		w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range c.gone {
			w.SetMembers(host)
		}
		rep := judged(t, w, c.host)
		w.Close()
		if len(rep.Findings) != 1 || rep.Findings[0].Code != c.code || rep.Findings[0].Severity != diagnose.Error || rep.Verdict != diagnose.VerdictFailed {
			t.Errorf("without %v: %s", c.gone, rep.Verdict)
			for _, f := range rep.Findings {
				t.Errorf("%s %s: %s", f.Severity, f.Code, f.Title)
			}
		}
	}
}
