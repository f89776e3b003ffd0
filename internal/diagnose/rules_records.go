package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// filtered returns the questions of those types that d never answers while it
// answers others: about the realm, or, where all of the realm's are lost, at all.
func (d *dnsServer) filtered() (bad []*probe.Result, types []string) {
	all := map[string][]*probe.Result{}
	answers := false
	for _, r := range d.results {
		if r.Facts[probe.FactRealm] != d.realm || r.Facts[probe.FactDatabase] != "" || r.Outcome == probe.Skipped {
			continue
		}
		if heard, _ := d.answeredOver(r.ID.Transport); !heard && !d.lostOverBoth(r) {
			continue // the transport, then
		}
		qtype := qtypeOf(r)
		all[qtype] = append(all[qtype], r)
		answers = answers || r.Outcome == probe.OK
	}
	unheard := refuses
	if !answers {
		unheard = onPath
	}
	for _, qtype := range sortedKeys(all) {
		if !slices.ContainsFunc(all[qtype], func(r *probe.Result) bool { return !unheard(r) }) {
			bad, types = append(bad, all[qtype]...), append(types, qtype)
		}
	}
	return bad, types
}

// lostOverBoth reports whether a question was not answered over a connection that had been made, nor
// as a datagram, while other datagrams were answered: what is lost is the question or its answer.
func (d *dnsServer) lostOverBoth(r *probe.Result) bool {
	heard, _ := d.answeredOver(probe.UDP)
	return heard && reason(r, probe.ReasonTCPSilent) && slices.ContainsFunc(d.over(probe.UDP), func(o *probe.Result) bool {
		return o.Facts[probe.FactQuestion] == r.Facts[probe.FactQuestion] && reason(o, probe.ReasonUDPSilent)
	})
}

// unheardQuestions returns the questions that d answers over no transport, while it answers others of their type, each at the
// first try: where packets are lost, others need a second one.
func (d *dnsServer) unheardQuestions() (lost []*probe.Result, asked []string) {
	heard := map[string]bool{} // questions, and their types
	for _, r := range d.results {
		switch {
		case !answered(r):
		case lostBefore(r) > 0:
			return nil, nil
		default:
			heard[r.Facts[probe.FactQuestion]] = true
			heard[qtypeOf(r)] = heard[qtypeOf(r)] || r.Outcome == probe.OK && r.ID.Transport == probe.UDP
		}
	}
	if len(d.largeLost()) > 0 {
		return nil, nil
	}
	for _, r := range d.where(onPath) {
		if q := r.Facts[probe.FactQuestion]; r.Facts[probe.FactRealm] == d.realm && r.Facts[probe.FactDatabase] == "" && !heard[q] && heard[qtypeOf(r)] {
			lost, asked = append(lost, r), appendNew(asked, q)
		}
	}
	return lost, asked
}

// qtypeOf is the type of record that a question is for.
func qtypeOf(r *probe.Result) string {
	qtype, _, _ := strings.Cut(r.Facts[probe.FactQuestion], " ")
	return qtype
}

// refuses reports whether a question got no answer, or was not to be answered.
func refuses(r *probe.Result) bool {
	return onPath(r) || reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail)
}

func dnsFiltered(v *view) []match {
	var out []match
	for _, d := range v.dns {
		bad, types := d.filtered()
		if len(bad) == 0 {
			bad, types = d.unheardQuestions()
		}
		own := func(r *probe.Result) bool {
			return !reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail) || !v.refuses(d.realm, qtypeOf(r))
		}
		if len(bad) == 0 || d.role == probe.RoleHost && !slices.ContainsFunc(bad, own) {
			continue // nothing, or what a server behind it says
		}
		m := match{affects: bad, words: d.words().and(words{"types": list(types), "seen": seen(bad)}), evidence: evidenceOf(bad[0], probe.FactRcode)}
		m.spare = slices.ContainsFunc(v.dnsOf(d.realm, d.role), func(o *dnsServer) bool { f, _ := o.filtered(); return o != d && o.knowsZone() && len(f) == 0 })
		if !m.spare {
			m.explains = v.needsDNS(d.realm, d.role)
		}
		if d.role == probe.RoleRealm { // a resolver passes it on
			m.explains = append(m.explains, failsForNow(v, d.realm)...)
			m.explains = append(m.explains, slices.DeleteFunc(v.passedOn(d.realm), func(r *probe.Result) bool { return !slices.Contains(types, qtypeOf(r)) })...)
		}
		// Of the types that it answers, what it does not answer is too large for the same filter.
		m.explains = append(m.explains, d.where(func(r *probe.Result) bool {
			heard, _ := d.answeredOver(r.ID.Transport)
			return heard && onPath(r)
		})...)
		out = append(out, m)
	}
	return out
}

func dnsDisagree(v *view) []match {
	var out []match
	for _, realm := range v.names {
		var affects []*probe.Result
		var saw []string
		answers := v.answers(realm)
		for _, q := range sortedKeys(answers) {
			servers := map[string][]string{} // answer → who gives it
			for _, r := range answers[q] {
				a := strings.ReplaceAll(r.Facts[probe.FactAnswer], " ", " and ")
				if a == "" {
					a = withoutAnswer(r)
				}
				servers[a] = append(servers[a], r.ID.Address.String())
			}
			if len(servers) < 2 {
				continue
			}
			affects = append(affects, v.alsoAsked(answers[q], q)...)
			var each []string
			for _, a := range sortedKeys(servers) {
				each = append(each, a+" from "+list(servers[a]))
			}
			saw = append(saw, q+": "+strings.Join(each, "; "))
		}
		without, said := v.withoutZone(realm)
		affects, saw = append(affects, without...), append(said, saw...)
		if len(affects) == 0 {
			continue
		}
		if n := len(saw); n > 2 {
			saw = append(saw[:2], count(n-2)+" more questions with the same answer")
		}
		var lost []*probe.Result
		if know, _, _ := v.realmServers(realm); len(know) == 0 || slices.ContainsFunc(affects, hostLacks) {
			lost = v.needsDNS(realm, "")
		}
		out = append(out, match{affects: affects, explains: lost, words: wordsOf(affects[0]).and(words{"seen": strings.Join(saw, ". ")})})
	}
	return out
}

// hostLacks reports whether one of this host's own servers has no answer: programs
// ask no other.
func hostLacks(r *probe.Result) bool {
	return r.Facts[probe.FactRole] == probe.RoleHost && r.Outcome != probe.OK
}

// alsoAsked returns answers to a question, and what the same servers said to it
// over the other transport.
func (v *view) alsoAsked(answers []*probe.Result, q string) []*probe.Result {
	var out []*probe.Result
	for _, a := range answers {
		for _, r := range v.all {
			if r.ID.Kind == probe.DNS && r.ID.Address == a.ID.Address && answered(r) && strings.EqualFold(r.Facts[probe.FactQuestion], q) {
				out = append(out, r)
			}
		}
	}
	return out
}

// withoutZone returns what those of the realm's own servers said that do not
// know its zone, where another one of them does.
func (v *view) withoutZone(realm string) (affects []*probe.Result, said []string) {
	know, _, _ := v.realmServers(realm)
	for _, d := range v.dnsOf(realm, probe.RoleHost) {
		if d.knowsZone() {
			know = append(know, d.addr.String())
		}
	}
	for _, d := range v.dnsOf(realm, probe.RoleRealm) {
		if len(know) > 0 && d.ignorant() {
			affects = append(affects, d.negative()...)
			said = append(said, d.addr.String()+" does not know "+d.domain()+" ("+withoutAnswer(d.question("SOA "+d.domain()))+"), "+list(know)+" does")
		}
	}
	return affects, said
}

// withoutAnswer reports how a server answered a question that it had no answer to.
func withoutAnswer(r *probe.Result) string {
	switch rcode := r.Facts[probe.FactRcode]; rcode {
	case "NOERROR":
		return "no such record (NOERROR)"
	case "NXDOMAIN":
		return "no such name (NXDOMAIN)"
	default:
		return rcode
	}
}

// answers gives, question by question, what the servers that know the realm's
// zone answered. The SOA is left out: its serial differs while replication
// runs, and each Active Directory server names itself in it.
func (v *view) answers(realm string) map[string][]*probe.Result {
	out := map[string][]*probe.Result{}
	for _, d := range v.dnsOf(realm, "") {
		if !d.knowsZone() {
			continue
		}
		done := map[string]bool{}
		for _, r := range d.results {
			q := r.Facts[probe.FactQuestion]
			if q == "" || done[q] || strings.HasPrefix(q, "SOA ") || r.Facts[probe.FactRealm] != realm {
				continue
			}
			if a := d.question(q); a != nil && (a.Outcome == probe.OK || reason(a, probe.ReasonDNSNXDomain, probe.ReasonDNSNoData)) {
				done[q] = true
				out[q] = append(out[q], a)
			}
		}
	}
	return out
}

func dnsSRVMissing(v *view) []match {
	var out []match
	for _, realm := range v.names {
		var affects []*probe.Result
		var names, short []string
		answers := v.answers(realm)
		for _, q := range sortedKeys(answers) {
			name, isSRV := strings.CutPrefix(q, "SRV ")
			if !isSRV || v.byURI(realm) || slices.ContainsFunc(answers[q], func(r *probe.Result) bool { return r.Outcome == probe.OK }) {
				continue
			}
			for _, d := range v.dnsOf(realm, "") {
				affects = append(affects, d.where(func(r *probe.Result) bool {
					return r.Facts[probe.FactQuestion] == q && reason(r, probe.ReasonDNSNXDomain, probe.ReasonDNSNoData)
				})...)
			}
			names = append(names, name)
			short = append(short, strings.TrimSuffix(name, "."+domainOf(realm)))
		}
		if len(affects) > 0 {
			out = append(out, match{affects: affects, explains: v.needsDNS(realm, ""), words: wordsOf(affects[0]).and(words{"names": list(names), "short": list(short)})})
		}
	}
	return out
}

// byURI reports whether the realm's KDCs are published as URI records, beside which
// libkrb5 asks for no SRV records (MIT Kerberos 1.15).
func (v *view) byURI(realm string) bool {
	return slices.ContainsFunc(v.dnsOf(realm, ""), func(d *dnsServer) bool {
		r := d.question("URI _kerberos." + d.domain())
		return r != nil && r.Outcome == probe.OK
	})
}
