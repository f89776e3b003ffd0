package diagnose

import (
	"slices"
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

// While packets are lost on the way to several servers, a login that lost time at one which has answered since is
// late by that loss: the daemon began and ended a finding of its own for each such login.
func TestALoginThatLostTimeToLossIsThatLoss(t *testing.T) {
	login := func() probe.Result {
		l := loginResult("", "")
		l.Outcome = probe.OK
		l.Facts[probe.FactPassed], l.Facts[probe.FactPassedAt] = "KDC 10.0.0.1:88: no answer", "10.0.0.1:88"
		l.Samples = probe.Samples{probe.SampleProgramWait: 3}
		return l
	}
	kdc := func(addr string, resends float64) probe.Result {
		r := at(kdcResult(addr, probe.UDP, ""), probe.KDC, addr[:len("10.0.0.1")], addr, "R.TEST")
		r.Samples = probe.Samples{probe.SampleResends: resends}
		return r
	}
	quiet := []probe.Result{login(), kdc("10.0.0.1:88", 0), kdcResult("10.0.0.1:88", probe.TCP, "")}
	if got := codesOf(Explain(Snapshot{Now: testNow, Results: quiet})); !slices.Equal(got, []Code{"login-slow"}) {
		t.Errorf("without loss: %v", got)
	}
	lossy := append(quiet, kdc("10.0.0.2:88", 2), kdc("10.0.0.2:89", 1), kdc("10.0.0.3:88", 2), kdc("10.0.0.3:89", 1))
	r := Explain(Snapshot{Now: testNow, Results: lossy})
	if got := codesOf(r); !slices.Equal(got, []Code{"path-lossy"}) {
		t.Errorf("with loss to two others: %v", got)
	}
	if !strings.Contains(r.Findings[0].Cause, "about 3 s late by it") {
		t.Error(r.Findings[0].Cause)
	}
}
