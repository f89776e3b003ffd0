package diagnose

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// kdcHung is about KDCs that take connections and say nothing, to anybody or to users alone.
func kdcHung(v *view) []match {
	return joined(append(kdcMatch(func(k *kdcAddr) bool { return reason(k.tcp, probe.ReasonTCPSilent) && !answered(k.udp) })(v), v.deafToUsers()...))
}

// deafToUsers returns the KDCs that answered every probe at once, and not what a login sent
// over a connection that it had made: TCP sends again what is lost.
func (v *view) deafToUsers() []match {
	var out []match
	for _, l := range v.logins {
		k := v.unansweredAt(l)
		if k == nil {
			continue
		}
		m := match{affects: []*probe.Result{k.tcp}, spare: v.spareFor(k), words: wordsOf(k.tcp)}
		if l.Outcome != probe.Failed || !answered(l) { // else another KDC or the database refused it
			m.explains = []*probe.Result{l}
		}
		m.words["seen"] = k.addr.String() + ": it answers questions without credentials, and not the login of " + l.Facts[probe.FactUser]
		out = append(out, m)
	}
	return out
}

// unansweredAt returns the KDC that did not answer a login while it answered every probe,
// each the first time; nil where none is, or where packets are lost on the way to several machines. The machine counts: a login may have found it by another port.
func (v *view) unansweredAt(l *probe.Result) *kdcAddr {
	addr, err := netip.ParseAddrPort(l.Facts[probe.FactUnanswered])
	if err != nil {
		return nil
	}
	lost := func(r *probe.Result) bool {
		if r.Silent() { // what is dropped on another port, or over the other transport, is no loss by chance
			return r.ID.Kind == probe.KDC && r.ID.Transport == probe.TCP
		}
		return answered(r) && lostBefore(r) > 0
	}
	if slices.ContainsFunc(v.at[addr.Addr()], lost) || v.everywhere(v.lossesByAddress()) {
		return nil
	}
	for _, k := range v.kdcs {
		if k.addr.Addr() == addr.Addr() && k.usable() {
			return k
		}
	}
	return nil
}
