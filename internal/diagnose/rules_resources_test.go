package diagnose

import (
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// A host that is out of descriptors knows nothing of its peers: one finding, and none
// of them is said to be anything.
func TestOutOfResourcesSaysNothingOfPeers(t *testing.T) {
	const why = probe.ReasonNoResources
	for name, rs := range map[string][]probe.Result{
		"all":                   {kdcResult("10.0.0.1:88", probe.UDP, why), kdcResult("10.0.0.1:88", probe.TCP, why), loginResult(why, probe.AtAS)},
		"one transport":         {kdcResult("10.0.0.1:88", probe.UDP, ""), kdcResult("10.0.0.1:88", probe.TCP, why)},
		"the database's stages": {kdcResult("10.0.0.1:88", probe.TCP, ""), loginResult(why, probe.AtDatabase)},
		"one of two KDCs":       {kdcResult("10.0.0.1:88", probe.TCP, ""), kdcResult("10.0.0.2:88", probe.UDP, why), kdcResult("10.0.0.2:88", probe.TCP, why)},
	} {
		if got := Explain(Snapshot{Now: testNow, Results: rs}); !slices.Equal(codesOf(got), []Code{"host-out-of-resources"}) {
			t.Errorf("%s: %v", name, codesOf(got))
		}
	}
}
