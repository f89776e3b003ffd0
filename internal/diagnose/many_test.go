package diagnose

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// A thousand KDCs that do not answer are one finding, which somebody can still read.
func TestAThousandServersAreReadable(t *testing.T) {
	var results []probe.Result
	for i := range 1000 {
		at := fmt.Sprintf("10.1.%d.%d:88", i/250, i%250+1)
		results = append(results, kdcResult(at, probe.UDP, probe.ReasonRefused), kdcResult(at, probe.TCP, probe.ReasonRefused))
	}
	alive := []probe.Result{kdcResult("10.2.0.1:88", probe.UDP, ""), kdcResult("10.2.0.1:88", probe.TCP, "")}
	for code, results := range map[Code][]probe.Result{"kdc-refused": append(results, alive...), "realm-unreachable": results} {
		rep := Explain(Snapshot{Results: results, Now: testNow})
		if len(rep.Findings) != 1 || rep.Findings[0].Code != code || len(rep.Findings[0].Affects) != 2000 {
			t.Fatalf("findings %v, not %s", codesOf(rep), code)
		}
		f := rep.Findings[0]
		for what, text := range map[string]string{"title": f.Title, "cause": f.Cause, "remedy": f.Remedy} {
			if len(text) > 2000 {
				t.Errorf("%s: the %s has %d characters: %.300s …", code, what, len(text), text)
			}
		}
		if !strings.Contains(f.Cause, "and 988 more") {
			t.Errorf("%s: cause: %s", code, f.Cause)
		}
	}
}
