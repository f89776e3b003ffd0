package diagnose

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// What a login loses at KDCs is computed from their probes: measured with kinit and mariadb in the lab, where each
// answer is too large for UDP.
func TestHowLateLoginsAre(t *testing.T) {
	const route = "R.TEST 1465 1600 0s 0s a/udp/0s/10.0.0.1:88 b/udp/0s/10.0.0.2:88 a/tcp/0s/10.0.0.1:88 b/tcp/0s/10.0.0.2:88"
	for _, tt := range []struct {
		what       string
		udp1, tcp1 probe.Reason
		udp2       probe.Reason
		late       string
	}{
		{"silent", probe.ReasonUDPSilent, probe.ReasonConnectTimeout, "", "about 4 s late"},
		{"silent over UDP", probe.ReasonUDPSilent, "", "", "about 2 s late"},
		{"silent over TCP", "", probe.ReasonConnectTimeout, "", "about 2 s late"},
		{"both silent over UDP", probe.ReasonUDPSilent, "", probe.ReasonUDPSilent, "about 4 s late"},
		{"refuses", probe.ReasonRefused, probe.ReasonRefused, "", ""},
		{"answers", "", "", "", ""},
	} {
		l := loginResult("", "")
		l.Outcome = probe.OK
		l.Facts[probe.FactRoute] = route
		results := []probe.Result{l,
			at(kdcResult("10.0.0.1:88", probe.UDP, tt.udp1), probe.KDC, "a", "10.0.0.1:88", "R.TEST"), at(kdcResult("10.0.0.1:88", probe.TCP, tt.tcp1), probe.KDC, "a", "10.0.0.1:88", "R.TEST"),
			at(kdcResult("10.0.0.2:88", probe.UDP, tt.udp2), probe.KDC, "b", "10.0.0.2:88", "R.TEST"), at(kdcResult("10.0.0.2:88", probe.TCP, ""), probe.KDC, "b", "10.0.0.2:88", "R.TEST")}
		r := Explain(Snapshot{Now: testNow, Results: results})
		said := ""
		for _, f := range r.Findings {
			said += f.Cause
		}
		if !strings.Contains(said, tt.late) || tt.late == "" && strings.Contains(said, " late ") {
			t.Errorf("%s: want %q: %+v", tt.what, tt.late, r.Findings)
		}
	}
}
