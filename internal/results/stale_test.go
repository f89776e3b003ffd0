package results

import (
	"net/netip"
	"testing"
	"time"

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
			})
			if w.closed(login) == c.login || w.closed(db) == c.db {
				t.Errorf("the login is not believed: %v; the database: %v", w.closed(login), w.closed(db))
			}
		})
	}
}
