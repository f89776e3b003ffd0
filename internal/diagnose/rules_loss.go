package diagnose

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// lossRules are about a path, or a server, that works badly rather than not.
func lossRules() []Rule {
	return []Rule{{
		Code: "path-lossy", Severity: Warning,
		Title:     "packets are lost between this host and {place} (about {rate} %)",
		Means:     "Some questions are answered at once; others only when they are repeated, or never. So packets are lost at random on the path, or this host's own packet filter drops some of them. Every service behind that path fails now and then, and large messages fail more often than small ones.",
		Cause:     "Of {asked} questions {lost} were not answered the first time. By address: {each}.",
		Remedy:    do("Measure the loss hop by hop. The first hop after which all later ones lose packets is the place: have its link, queue or rate limit repaired by the people who run it.", "ping -c 50 -i 0.2 {ip}", "mtr -rwc 50 {ip}", "kerbagent check"),
		remedyOf:  ownFilterRemedy,
		DependsOn: []Code{"host-offline"},
		Single:    true,
		match:     pathLossy,
	}}
}

// A SYN that is lost is sent again after one second, then two, then four (RFC
// 6298 §2, §5.5): a connection that took so long is that of a lossy path.
const (
	synAgain = time.Second
	synSlack = 250 * time.Millisecond
)

// lostBefore is how many packets were seen to be lost before r was answered.
func lostBefore(r *probe.Result) int {
	n := int(r.Samples[probe.SampleResends] + r.Samples[probe.SampleUnsent])
	for _, s := range r.Stages {
		if s.Name != "connect" || r.ID.Transport == probe.UDP {
			continue
		}
		for at, again := 1, synAgain; at <= 3; at, again = at+1, 2*again+synAgain {
			if s.Duration >= again && s.Duration < again+synSlack {
				n += at
			}
		}
	}
	return n
}

// losses is what is known of the packets to and from one address.
type losses struct {
	addr                  netip.Addr
	answered, late, tries int // answers; those that needed more than one try; tries without an answer
	silent                []*probe.Result
	own                   bool // this host itself did not let out some of the questions that were answered later
}

func (l *losses) rate() float64 {
	return float64(l.tries+len(l.silent)) / float64(max(1, l.tries+len(l.silent)+l.answered))
}

// lossesByAddress counts, address by address, in the order of the results.
//
// A datagram that was sent again proves no loss where every answer of that server
// comes late: the first one was on its way.
func (v *view) lossesByAddress() []*losses {
	slow, late := v.slowServers(), slowZones(v)
	own := slices.ContainsFunc(v.all, func(r *probe.Result) bool { return answered(r) && r.Samples[probe.SampleUnsent] > 0 })
	var all []*losses
	byAddr := map[netip.Addr]*losses{}
	for _, r := range v.all {
		if !r.ID.Address.IsValid() || r.Outcome == probe.Skipped || r.ID.Kind == probe.Login {
			continue
		}
		a := r.ID.Address.Addr()
		l := byAddr[a]
		if l == nil {
			l = &losses{addr: a}
			byAddr[a], all = l, append(all, l)
		}
		switch {
		case answered(r):
			l.answered++
			l.own = l.own || r.Samples[probe.SampleUnsent] > 0
			if n := lostBefore(r); n > 0 && !slow[r.ID.Address] && !late[slowZone{r.ID.Address, r.Facts[probe.FactRealm]}] {
				l.late++
				l.tries += n
			}
		case reason(r, probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent), own && reason(r, probe.ReasonForbidden):
			l.silent = append(l.silent, r)
		}
	}
	return all
}

// blocked reports that among the silent results all of one port and transport are
// so, and so many, surprising many, that loss does not explain them.
func (v *view) blocked(l *losses, surprising int) map[*probe.Result]bool {
	type way struct {
		port      uint16
		transport probe.Transport
	}
	silent, heard := map[way][]*probe.Result{}, map[way]bool{}
	for _, r := range v.at[l.addr] {
		w := way{r.ID.Address.Port(), r.ID.Transport}
		heard[w] = heard[w] || answered(r)
		if slices.Contains(l.silent, r) {
			silent[w] = append(silent[w], r)
		}
	}
	out := map[*probe.Result]bool{}
	for w, rs := range silent {
		if !heard[w] && len(rs) >= surprising {
			for _, r := range rs {
				out[r] = true
			}
		}
	}
	return out
}

// lossy reports whether what happened at an address is loss. Answers that came late
// prove it; where each question is answered at once or never, it is the question
// (its type, its size), not chance.
func (l *losses) lossy() bool { return l.late >= 2 || l.late == 1 && len(l.silent) > 0 || l.own }

// toll is what a finding of loss says: how much was asked and lost, and where.
type toll struct {
	asked, lost     int
	places, figures []string
}

func (t *toll) add(place, figure string, asked, lost int) {
	t.places, t.figures = appendNew(t.places, place), append(t.figures, figure)
	t.asked, t.lost = t.asked+asked, t.lost+lost
}

func pathLossy(v *view) []match {
	var m match
	var t toll
	slow := v.slowServers()
	all := v.lossesByAddress()
	everywhere, surprising := v.everywhere(all), 4
	if everywhere { // of many servers and rounds one has bad luck now and then
		surprising = 12
	}
	for _, l := range all {
		if alone := v.lostQuestion(l); !l.lossy() && alone != nil {
			l.silent = []*probe.Result{alone}
		} else if !l.lossy() && !(everywhere && len(l.silent) > 0) {
			continue
		}
		blocked := v.blocked(l, surprising)
		l.silent = slices.DeleteFunc(l.silent, func(r *probe.Result) bool { return blocked[r] })
		if len(l.silent) == 0 && l.late == 0 {
			continue
		}
		first := len(m.affects)
		m.affects = append(m.affects, l.silent...)
		for _, r := range v.at[l.addr] {
			if answered(r) && lostBefore(r) > 0 && !slow[r.ID.Address] {
				m.affects = append(m.affects, r)
			}
		}
		m.explains = append(m.explains, v.lostLogins(m.affects[first:])...)
		t.add(v.hostAt(l.addr), fmt.Sprintf("%s %d %%", l.addr, percent(l.rate())), l.answered+len(l.silent)+l.tries, l.tries+len(l.silent))
	}
	m.explains = append(m.explains, v.lostNames(m.affects)...)
	for _, l := range v.lostAlone(m) {
		kdc, _ := netip.ParseAddrPort(l.Facts[probe.FactKDC])
		heard := len(v.answeredAt(kdc.Addr()))
		m.affects = append(m.affects, l)
		t.add(v.hostAt(kdc.Addr()), fmt.Sprintf("%s answered %d questions, and one of the login of %s not", kdc, heard, l.Facts[probe.FactUser]), heard+1, 1)
	}
	addLostAtDatabases(v, &m, &t)
	if len(m.affects) == 0 {
		return nil
	}
	place := few(t.places)
	if len(t.places) > 3 {
		place = count(len(t.places)) + " servers"
	}
	if own := ownFilter(m.affects...); own > 0 {
		// the remedy is for the first
		slices.SortStableFunc(m.affects, func(a, b *probe.Result) int { return cmp.Compare(ownFilter(b), ownFilter(a)) })
		t.figures = append(t.figures, fmt.Sprintf("this host itself did not let out %d datagrams (\"operation not permitted\")", own))
	}
	m.words = wordsOf(m.affects[0]).and(words{"ip": v.ipOfAny(m.affects), "place": place, "each": clauses(t.figures),
		"rate": count(percent(float64(t.lost) / float64(t.asked))), "asked": count(t.asked), "lost": count(t.lost)})
	return []match{m}
}

// ownFilter counts the datagrams that this host itself did not let out.
func ownFilter(rs ...*probe.Result) (n int) {
	for _, r := range rs {
		if n += int(r.Samples[probe.SampleUnsent]); reason(r, probe.ReasonForbidden) {
			n++
		}
	}
	return n
}

func ownFilterRemedy(r *probe.Result) string {
	if ownFilter(r) == 0 {
		return ""
	}
	return do("This host's own packet filter drops some of what it sends: at random, above a rate, or because its table of connections is full. Find the rule for outgoing packets, or raise the limit.",
		"nft list ruleset", "iptables -S OUTPUT", "journalctl -k -g 'nf_conntrack: table full'", "kerbagent check")
}

// lostAlone returns the logins beyond those of m that lost an exchange with a KDC
// which answered every probe, large ones too: nothing is blocked there.
func (v *view) lostAlone(m match) []*probe.Result {
	var out []*probe.Result
	for _, l := range v.logins {
		silent := l.Outcome == probe.Failed && reason(l, probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent)
		addr, err := netip.ParseAddrPort(l.Facts[probe.FactKDC])
		if !silent || err != nil || l.Facts[probe.FactFailedAt] == probe.AtDatabase || slices.Contains(m.explains, l) || v.unansweredAt(l) != nil {
			continue
		}
		if k := v.kdcAt[kdcKey{addr, l.Facts[probe.FactFailedRealm]}]; k != nil && k.usable() && !v.slowServers()[addr] {
			out = append(out, l)
		}
	}
	return out
}

// ipOfAny is the address of the first of rs that has one; a login has its KDC's.
func (v *view) ipOfAny(rs []*probe.Result) string {
	if ip := ipOf(rs); ip != "" {
		return ip
	}
	addr, _ := netip.ParseAddrPort(rs[0].Facts[probe.FactKDC])
	return addr.Addr().Unmap().String()
}

func (v *view) answeredAt(a netip.Addr) []*probe.Result {
	var out []*probe.Result
	for _, r := range v.all {
		if r.ID.Kind != probe.Login && r.ID.Address.IsValid() && r.ID.Address.Addr() == a && answered(r) {
			out = append(out, r)
		}
	}
	return out
}

// lostQuestion returns the one question of a DNS server that was not answered, where the
// same one was over the other transport, and another one over the same: no filter
// does that.
func (v *view) lostQuestion(l *losses) *probe.Result {
	var lost *probe.Result
	for _, r := range l.silent {
		if r.ID.Kind != probe.DNS || lost != nil {
			return nil
		}
		lost = r
	}
	if lost == nil {
		return nil
	}
	same, over := false, false
	for _, r := range v.answeredAt(l.addr) {
		if r.ID.Kind == probe.DNS && r.ID.Address == lost.ID.Address {
			same = same || r.Facts[probe.FactQuestion] == lost.Facts[probe.FactQuestion]
			over = over || r.ID.Transport == lost.ID.Transport
		}
	}
	if same && over {
		return lost
	}
	return nil
}

// everywhere reports whether packets are lost on the way to several machines: then a
// few questions that another one did not answer are lost on the same way.
func (v *view) everywhere(all []*losses) bool {
	var hosts []string
	for _, l := range all {
		if l.lossy() {
			hosts = appendNew(hosts, v.hostAt(l.addr))
		}
	}
	return len(hosts) > 1
}

// percent rounds to five: more than that no handful of questions tells.
func percent(rate float64) int { return max(1, int(math.Round(rate*20))*5) }

// lostNames returns the databases and KDCs without an address that nobody said have none: the
// answers about them are among what was lost.
func (v *view) lostNames(rs []*probe.Result) []*probe.Result {
	heard := func(d *dnsServer) bool {
		return !slices.ContainsFunc(rs, func(r *probe.Result) bool { return r.ID.Address == d.addr })
	}
	host := slices.ContainsFunc(rs, func(r *probe.Result) bool { return r.Facts[probe.FactRole] == probe.RoleHost })
	return slices.DeleteFunc(slices.Clone(v.lost), func(r *probe.Result) bool {
		if own := v.dnsOf(r.Facts[probe.FactRealm], probe.RoleRealm); r.ID.Kind == probe.KDC {
			return len(own) == 0 || slices.ContainsFunc(own, heard)
		}
		return !host || r.ID.Kind != probe.Database || slices.ContainsFunc(v.all, func(o *probe.Result) bool {
			return o.ID.Kind == probe.DNS && o.Facts[probe.FactEndpoint] == r.Facts[probe.FactEndpoint] && saysNone(o)
		})
	})
}

// lostLogins returns the logins that died of silence while they asked one of
// the servers of rs, or while they looked for one.
func (v *view) lostLogins(rs []*probe.Result) []*probe.Result {
	var out []*probe.Result
	for _, l := range v.logins {
		silent := reason(l, probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonUnresolvable, probe.ReasonDBAuthTimeout)
		if l.Outcome != probe.Failed || !silent {
			continue
		}
		kdc, err := netip.ParseAddrPort(l.Facts[probe.FactKDC])
		for _, r := range rs {
			atKDC := err == nil && r.ID.Address.Addr() == kdc.Addr() && !reason(l, probe.ReasonUnresolvable)
			looking := (err != nil || reason(l, probe.ReasonUnresolvable)) && r.ID.Kind != probe.Database && (r.Facts[probe.FactRealm] == l.Facts[probe.FactFailedRealm] || r.Facts[probe.FactRole] == probe.RoleHost)
			atDatabase := l.Facts[probe.FactFailedAt] == probe.AtDatabase && (r.ID.Kind == probe.Database || r.Facts[probe.FactRole] == probe.RoleHost)
			if atDatabase || l.Facts[probe.FactFailedAt] != probe.AtDatabase && (atKDC || looking) {
				out = append(out, l)
				break
			}
		}
	}
	return out
}
