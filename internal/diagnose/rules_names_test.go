package diagnose

import (
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// An address that only this host has for a KDC's name is a warning where nothing
// answers there, and information where a KDC does; whatever else would be said of it is folded.
func TestNamesDiffer(t *testing.T) {
	here := func(tr probe.Transport, why probe.Reason) probe.Result {
		r := at(kdcResult("10.0.0.99:88", tr, why), probe.KDC, "dc1.r.test", "10.0.0.99:88", "R.TEST")
		r.Facts[probe.FactHostOnly], r.Facts[probe.FactSource] = "true", probe.SourceSRV
		return r
	}
	there := func(tr probe.Transport) probe.Result {
		return at(kdcResult("10.0.0.10:88", tr, ""), probe.KDC, "dc1.r.test", "10.0.0.10:88", "R.TEST")
	}
	healthy := []probe.Result{there(probe.UDP), there(probe.TCP)}
	dead := Explain(Snapshot{Now: testNow, Results: append(slices.Clone(healthy), here(probe.UDP, probe.ReasonUDPSilent), here(probe.TCP, probe.ReasonConnectTimeout))})
	if !slices.Equal(codesOf(dead), []Code{"names-differ"}) || dead.Findings[0].Severity != Warning || dead.Verdict != VerdictDegraded {
		t.Errorf("a stale address: %s, %+v", dead.Verdict, dead.Findings)
	}
	alive := Explain(Snapshot{Now: testNow, Results: append(slices.Clone(healthy), here(probe.UDP, ""), here(probe.TCP, ""))})
	if !slices.Equal(codesOf(alive), []Code{"names-differ"}) || alive.Findings[0].Severity != Info || alive.Verdict != VerdictOK {
		t.Errorf("another view: %s, %+v", alive.Verdict, alive.Findings)
	}
}
