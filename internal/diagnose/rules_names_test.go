package diagnose

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

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

// The realm's own DNS has an old address, and this host's resolver the real one of a
// machine that refuses: it is not the resolver's record that is wrong.
func TestAnOldAddressInTheRealmsOwnDNS(t *testing.T) {
	here := at(kdcResult("10.0.0.11:88", probe.TCP, probe.ReasonRefused), probe.KDC, "dc2.r.test", "10.0.0.11:88", "R.TEST")
	here.Facts[probe.FactHostOnly] = "true"
	old := at(kdcResult("10.0.0.99:88", probe.TCP, probe.ReasonConnectTimeout), probe.KDC, "dc2.r.test", "10.0.0.99:88", "R.TEST")
	fine := kdcResult("10.0.0.10:88", probe.TCP, "")
	if got := codesOf(Explain(Snapshot{Now: testNow, Results: []probe.Result{fine, here, old}})); slices.Contains(got, "names-differ") || len(got) == 0 {
		t.Errorf("%v", got)
	}
}

// A login that once got no answer from a KDC which answers every probe is no news, beside
// a KDC that answers no probe it is part of what is said of that one.
func TestALoginThatPassedOverAKDCByChance(t *testing.T) {
	late := loginResult("", "")
	late.Outcome = probe.OK
	late.Facts[probe.FactRoute] = "R.TEST 1465 1600 0s 0s dc1.r.test//0s/10.0.0.1:88 dc2.r.test//0s/10.0.0.2:88"
	other := at(kdcResult("10.0.0.2:88", probe.TCP, ""), probe.KDC, "dc2.r.test", "10.0.0.2:88", "R.TEST")
	for reason, want := range map[probe.Reason][]Code{"": nil, probe.ReasonConnectTimeout: {"kdc-silent"}} {
		one := at(kdcResult("10.0.0.1:88", probe.TCP, reason), probe.KDC, "dc1.r.test", "10.0.0.1:88", "R.TEST")
		if got := codesOf(Explain(Snapshot{Now: testNow, Results: []probe.Result{one, other, late}})); !slices.Equal(got, want) {
			t.Errorf("the KDC's probe ends with %q: %v, want %v", reason, got, want)
		}
	}
}

// A KDC that does not take the ticket of another one yet (33) has a clock that is off:
// the login over the trust once was "please report".
func TestTicketNotYetValidIsAClock(t *testing.T) {
	off := func(tr probe.Transport) probe.Result {
		return skewed(kdcResult("10.0.0.10:88", tr, ""), -10*time.Minute)
	}
	fine := skewed(kdcResult("10.0.0.11:88", probe.TCP, ""), 0)
	l := loginResult(probe.ReasonKRBError, probe.AtTGS)
	l.Facts[probe.FactKRBCode], l.Facts[probe.FactKDC], l.Facts[probe.FactFailedRealm] = "33", "10.0.0.10:88", "R.TEST"
	got := Explain(Snapshot{Now: testNow, Results: []probe.Result{off(probe.UDP), off(probe.TCP), fine, l}})
	if !slices.Equal(codesOf(got), []Code{"clock-skew-one-kdc"}) {
		t.Errorf("%v", codesOf(got))
	}
}

// A KDC's name whose lookup fails for now ends every program's login; that was "please report".
func TestTheLookupOfAKDCFails(t *testing.T) {
	l := loginResult(probe.ReasonUnresolvable, probe.AtTGS)
	l.Facts[probe.FactLacksHost], l.Facts[probe.FactFailedRealm] = "dc2.r.test", "R.TEST"
	name := kdcResult("10.0.0.11:88", probe.TCP, probe.ReasonUnresolvable) // its record is not to be deleted: the KDC is alive
	name.ID.Target, name.ID.Address, name.Facts[probe.FactRealm], name.Facts[probe.FactSource] = "dc2.r.test", netip.AddrPort{}, "R.TEST", probe.SourceSRV
	fine := []probe.Result{at(kdcResult("10.0.0.10:88", probe.TCP, ""), probe.KDC, "dc1.r.test", "10.0.0.10:88", "R.TEST"), l, name}
	got := Explain(Snapshot{Now: testNow, Results: fine})
	if !slices.Equal(codesOf(got), []Code{"kdc-lookup-failed"}) || got.Verdict != VerdictFailed || !strings.Contains(got.Findings[0].Title, "dc2.r.test") {
		t.Errorf("%s: %+v", got.Verdict, got.Findings)
	}
}
