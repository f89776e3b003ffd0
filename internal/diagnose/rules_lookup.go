package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

func kdcUnresolvable(v *view) []match {
	var out []match
	for _, r := range v.all {
		if r.ID.Kind == probe.KDC && reason(r, probe.ReasonUnresolvable) && r.Facts[probe.FactSource] == probe.SourceConfigured {
			m := match{affects: []*probe.Result{r}, words: wordsOf(r).and(words{"seen": "no DNS server has an address for it"}), evidence: evidenceOf(r)}
			if !slices.ContainsFunc(v.kdcsOf(r.Facts[probe.FactRealm]), (*kdcAddr).usable) {
				m.explains = v.loginsNeeding(r.Facts[probe.FactRealm])
			}
			out = append(out, m)
		}
	}
	return out
}

// kdcLookupFailed joins the logins that end at the same names.
func kdcLookupFailed(v *view) []match {
	var out []match
	at := map[string]int{}
	for _, l := range v.logins {
		hosts := l.Facts[probe.FactLacksHost]
		if hosts == "" && l.Facts[probe.FactForNow] != "" {
			hosts = plain("_kerberos._udp." + domainOf(l.Facts[probe.FactFailedRealm]))
		}
		if l.Outcome != probe.Failed || hosts == "" {
			continue
		}
		i, have := at[hosts]
		if !have {
			i, at[hosts] = len(out), len(out)
			w := wordsOf(l)
			w["kdc"], w["error"] = hosts, "no address"
			if l.Err != nil {
				w["error"] = l.Err.Error()
			}
			out = append(out, match{words: w, evidence: evidenceOf(l, probe.FactLacksHost), unheard: true})
		}
		out[i].affects, out[i].explains = append(out[i].affects, l), append(out[i].explains, l)
	}
	for _, r := range v.all {
		for i := range out {
			if r.ID.Kind == probe.KDC && reason(r, probe.ReasonUnresolvable) && lacks(out[i].explains[0], r.ID.Target) {
				out[i].affects, out[i].explains = append(out[i].affects, r), append(out[i].explains, r)
			}
		}
	}
	return out
}

// failsForNow returns the logins whose look-up of a realm's KDCs failed for now. Where one of the realm's own servers
// refuses, the host's resolver passes that on now and then, though it answers when it is asked again.
func failsForNow(v *view, realm string) []*probe.Result {
	return slices.DeleteFunc(slices.Clone(v.lost), func(r *probe.Result) bool {
		return r.ID.Kind != probe.Login || r.Facts[probe.FactForNow] == "" || r.Facts[probe.FactFailedRealm] != realm
	})
}

// saysNone reports whether a DNS server said that a name has no address.
func saysNone(r *probe.Result) bool {
	return reason(r, probe.ReasonDNSNXDomain) || reason(r, probe.ReasonDNSNoData) && qtypeOf(r) == "A"
}

// lookupFails reports whether a login ends at the name of a KDC. That it has no address then says nothing of its record.
func (v *view) lookupFails(host string) bool {
	return slices.ContainsFunc(v.logins, func(l *probe.Result) bool { return lacks(l, host) })
}

func lacks(l *probe.Result, host string) bool {
	return l.Outcome == probe.Failed && slices.Contains(strings.Split(l.Facts[probe.FactLacksHost], ", "), host)
}

func endpointUnresolvable(v *view) []match {
	return withLostInstances(v, slices.DeleteFunc(unresolvable(v), func(m match) bool { return v.memberless(m) != nil }))
}

// listed reports whether a result is of an instance that its cluster lists; others are configured.
func listed(r *probe.Result) bool {
	return r.Facts[probe.FactInstance] != "" && r.Facts[probe.FactDBRole] != ""
}

// lostInstance is the remedy of an instance that has no address.
func lostInstance(r *probe.Result) string {
	if !listed(r) {
		return ""
	}
	return do("A cluster lists an instance for up to 5 minutes after its deletion; then nothing needs to be done. If the instance exists, ask the DNS server of the database's network: in an AWS VPC that is 169.254.169.253. If that server has the address and this host's does not, have this host's DNS servers forward the name to it.",
		"dig {host} A", "dig @169.254.169.253 {host} A  # on a host in the VPC", "aws rds describe-db-instances --db-instance-identifier {instance}  # AWS")
}

// withLostInstances folds under an endpoint that has no address what does not connect at its
// cluster's instances: only a login by the endpoint could tell whether they still exist.
func withLostInstances(v *view, found []match) (out []match) {
	gone := map[string]int{} // the match of an endpoint, by the database's name
	for _, m := range found {
		if r := m.affects[0]; r.Facts[probe.FactInstance] == "" {
			gone[r.Facts[probe.FactDatabase]] = len(out)
			out = append(out, m)
		}
	}
	for _, m := range found {
		if r := m.affects[0]; r.Facts[probe.FactInstance] != "" {
			if i, is := gone[r.Facts[probe.FactDatabase]]; is {
				out[i].explains = append(append(out[i].explains, m.affects...), m.explains...)
			} else {
				out = append(out, m)
			}
		}
	}
	for _, r := range slices.Concat(v.dbs, v.logins) {
		i, is := gone[r.Facts[probe.FactDatabase]]
		if is && r.Facts[probe.FactInstance] != "" && reason(r, probe.ReasonRefused, probe.ReasonConnectTimeout, probe.ReasonUnreachable, probe.ReasonTCPSilent) &&
			(r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
			out[i].explains = append(out[i].explains, r)
		}
	}
	return out
}

// unresolvable makes a match of each endpoint of a database that has no address.
func unresolvable(v *view) []match {
	byEndpoint := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.dbs, v.logins) {
		if reason(r, probe.ReasonUnresolvable) && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
			byEndpoint[r.Facts[probe.FactEndpoint]] = append(byEndpoint[r.Facts[probe.FactEndpoint]], r)
		}
	}
	questions := map[string][]*probe.Result{} // that the resolver was asked about each
	for _, r := range v.all {
		if r.ID.Kind == probe.DNS && r.Facts[probe.FactDatabase] != "" && r.Outcome == probe.Failed {
			questions[r.Facts[probe.FactEndpoint]] = append(questions[r.Facts[probe.FactEndpoint]], r)
		}
	}
	var out []match
	for _, e := range sortedKeys(byEndpoint) {
		rs := byEndpoint[e]
		m := match{affects: rs, words: wordsOf(rs[0]).and(words{"seen": "this host's resolver has no address for it"}), evidence: evidenceOf(rs[0]),
			spare: aside(rs[0])}
		m.explains = questions[e]
		m.unheard = !slices.ContainsFunc(questions[e], saysNone)
		if listed(rs[0]) {
			m.severity = Info // it may have been deleted a moment ago, and no program is led there
		}
		out = append(out, m)
	}
	return out
}
