package results

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// A login of some minutes ago is believed as long as the way there may be open,
// and not once everything that is asked since says that it is not.
func TestWay(t *testing.T) {
	begun := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	at := netip.MustParseAddrPort("10.0.0.1:88")
	res := func(kind probe.Kind, realm string, minute int, outcome probe.Outcome, reason probe.Reason) probe.Result {
		return probe.Result{ID: probe.ID{Kind: kind, Address: at}, Started: begun.Add(time.Duration(minute) * time.Minute), Outcome: outcome, Reason: reason,
			Facts: probe.Facts{probe.FactRealm: realm}}
	}
	login := res(probe.Login, "R", 1, probe.OK, "")
	login.Facts[probe.FactDatabase] = "orders"
	db := res(probe.Database, "", 1, probe.OK, "")
	db.Facts[probe.FactDatabase] = "orders"
	noName := res(probe.Database, "", 2, probe.Failed, probe.ReasonUnresolvable)
	noName.ID.Address, noName.Facts[probe.FactDatabase] = netip.AddrPort{}, "orders"
	dns, udp := res(probe.DNS, "R", 2, probe.OK, ""), res(probe.KDC, "R", 2, probe.OK, "")
	udp.ID.Transport = probe.UDP
	for _, c := range []struct {
		name      string
		others    []probe.Result
		login, db bool // whether they are believed
	}{
		{"all well", []probe.Result{dns, res(probe.KDC, "R", 2, probe.OK, "")}, true, true},
		{"one KDC of two is silent", []probe.Result{dns, res(probe.KDC, "R", 2, probe.OK, ""), res(probe.KDC, "R", 2, probe.Failed, probe.ReasonUDPSilent)}, true, true},
		{"all KDCs are silent", []probe.Result{dns, res(probe.KDC, "R", 2, probe.Failed, probe.ReasonRefused), res(probe.KDC, "R", 2, probe.Failed, probe.ReasonUDPSilent)}, false, true},
		{"they answer over UDP, where no login goes", []probe.Result{dns, udp, res(probe.KDC, "R", 2, probe.Failed, probe.ReasonRefused)}, false, true},
		{"those of another realm are", []probe.Result{dns, res(probe.KDC, "R", 2, probe.OK, ""), res(probe.KDC, "S", 2, probe.Failed, probe.ReasonRefused)}, true, true},
		{"they were, before it", []probe.Result{dns, res(probe.KDC, "R", 0, probe.Failed, probe.ReasonRefused)}, true, true},
		{"they say something bad", []probe.Result{dns, res(probe.KDC, "R", 2, probe.Failed, probe.ReasonKRBServiceUnavailable)}, true, true},
		{"nothing is heard at all", []probe.Result{res(probe.DNS, "R", 2, probe.Failed, probe.ReasonUnreachable), res(probe.KDC, "R", 2, probe.Skipped, probe.ReasonNotAsked)}, false, false},
		{"the database's name has no address", []probe.Result{dns, res(probe.KDC, "R", 2, probe.OK, ""), noName}, false, false},
		{"nothing else is asked", nil, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := wayOf(append(c.others, login, db), func(id probe.ID) bool {
				return id.Kind == probe.Login || id.Kind == probe.Database && id.Address.IsValid()
			}, func(probe.ID) (time.Time, bool) { return time.Time{}, false })
			if w.closed(login) == c.login || w.closed(db) == c.db {
				t.Errorf("the login is not believed: %v; the database: %v", w.closed(login), w.closed(db))
			}
		})
	}
}

// What is asked every ten minutes is believed while the question that is asked every
// interval at the same port is answered, and a failure only until that one is answered
// again: else a server that was away for a minute would look half broken for ten.
func TestWhatIsAskedSeldomIsBelievedAsFarAsItsLeadReaches(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.1:53")
	lead := probe.ID{Kind: probe.DNS, Target: "SOA", Address: at, Transport: probe.UDP}
	name := probe.ID{Kind: probe.DNS, Target: "SRV", Address: at, Transport: probe.UDP}
	kpasswd := probe.ID{Kind: probe.Kpasswd, Target: "dc1", Address: netip.MustParseAddrPort("10.0.0.1:464"), Transport: probe.UDP}
	begun := time.Now()
	s := New(time.Now)
	s.Expect([]Job{{Key: "lead", Asks: []probe.ID{lead}, Beat: time.Minute, Leads: true}, {Key: "name", Asks: []probe.ID{name}, Beat: time.Hour, Slow: true},
		{Key: "kpasswd", Asks: []probe.ID{kpasswd}, Beat: time.Hour, Slow: true, Leads: true}})
	minute := 0
	put := func(id probe.ID, reason probe.Reason) {
		minute++
		res := probe.Result{ID: id, Outcome: probe.OK, Reason: reason, Started: begun.Add(time.Duration(minute) * time.Minute)}
		if reason != "" {
			res.Outcome = probe.Failed
		}
		s.Put(res, time.Minute)
	}
	outcome := func(id probe.ID) probe.Outcome {
		for _, r := range s.Snapshot(diagnose.Limits{}).Results {
			if r.ID == id {
				return r.Outcome
			}
		}
		return ""
	}
	is := func(when string, of probe.ID, want probe.Outcome) {
		t.Helper()
		if got := outcome(of); got != want {
			t.Errorf("%s: %s is %s, want %s", when, of.Target, got, want)
		}
	}
	put(lead, "")
	put(name, "")
	put(kpasswd, "")
	is("all answer", name, probe.OK)
	put(lead, probe.ReasonUDPSilent)
	is("the lead is silent since", name, probe.Skipped)
	is("the machine is silent since", kpasswd, probe.Skipped)
	put(name, "")
	is("the other was answered after that: it is the lead's type", name, probe.OK)
	put(name, probe.ReasonUDPSilent)
	is("it is silent too", name, probe.Failed)
	put(lead, "")
	is("the lead answers again", name, probe.Skipped)
	put(name, probe.ReasonUDPSilent)
	put(lead, "")
	is("it is silent beside a lead that answers", name, probe.Failed)
}
