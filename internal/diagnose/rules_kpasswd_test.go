package diagnose

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// Whether Windows answers the probe of port 464 has not been seen, so its silence
// beside a KDC that answers must not be called a blocked port, and is never an error.
func TestSilenceOf464BesideAKDCThatAnswers(t *testing.T) {
	kpasswd := func(kind string, tr probe.Transport, why probe.Reason) probe.Result {
		r := kdcResult("10.0.0.1:464", tr, why)
		r.ID.Kind, r.Facts[probe.FactKind] = probe.Kpasswd, kind
		return r
	}
	const doubt = "does not prove that port 464 is blocked"
	for _, c := range []struct {
		name, kind string
		udp, tcp   probe.Reason
		doubted    bool
	}{
		{"Active Directory, silent", "active-directory", probe.ReasonUDPSilent, probe.ReasonTCPSilent, true},
		{"AWS, closed without a word", "aws-managed-ad", probe.ReasonUDPSilent, probe.ReasonClosed, true},
		{"does not connect", "active-directory", probe.ReasonUDPSilent, probe.ReasonConnectTimeout, false},
		{"answers over TCP", "active-directory", probe.ReasonUDPSilent, "", false},
		{"MIT's, which answers", "mit", probe.ReasonUDPSilent, probe.ReasonTCPSilent, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Explain(Snapshot{Now: testNow, Results: []probe.Result{kdcResult("10.0.0.1:88", probe.UDP, ""), kdcResult("10.0.0.1:88", probe.TCP, ""),
				kpasswd(c.kind, probe.UDP, c.udp), kpasswd(c.kind, probe.TCP, c.tcp)}})
			if len(got.Findings) != 1 || got.Findings[0].Code != "kpasswd-blocked" || got.Findings[0].Severity != Warning {
				t.Fatalf("%+v", got.Findings)
			}
			if cause := got.Findings[0].Cause; strings.Contains(cause, doubt) != c.doubted {
				t.Errorf("cause: %s", cause)
			}
		})
	}
	dead := kdcResult("10.0.0.1:88", probe.UDP, probe.ReasonUDPSilent)
	got := Explain(Snapshot{Now: testNow, Results: []probe.Result{dead, kpasswd("active-directory", probe.UDP, probe.ReasonUDPSilent)}})
	for _, f := range got.Findings {
		if strings.Contains(f.Cause, doubt) {
			t.Errorf("with a dead KDC: %s", f.Cause)
		}
	}
}
