package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// What lies deeper than any single service of a server.
func serverCauses() []Code {
	return []Code{"host-offline", "ipv6-broken", "realm-unreachable", "trust-realm-unreachable", "dns-srv-stale", "server-down"}
}

func dnsRules() []Rule {
	return []Rule{{
		Code: "dns-server-silent", Severity: Error,
		Title:     "DNS server {server} does not answer ({role})",
		Means:     "A DNS server answers neither over UDP nor over TCP. An error when it is the only one that can be asked.",
		Cause:     "Every question to {server} went unanswered: {seen}.",
		Remedy:    "{dig} {domain} SOA; {dig} +tcp {domain} SOA; open UDP and TCP 53 to {ip}",
		DependsOn: serverCauses(),
		match:     dnsSilent,
	}, {
		Code: "dns-udp-blocked", Severity: Warning,
		Title:     "DNS server {server} answers over TCP, not over UDP",
		Means:     "UDP 53 is blocked and TCP 53 is not. Resolvers ask over UDP first, so each look-up stalls for seconds.",
		Cause:     "UDP questions to {server}: {seen}; the same server answered over TCP.",
		Remedy:    "open UDP 53 to {ip} (security group, NACL, and 1024-65535 back); then: {dig} +notcp {domain} SOA",
		DependsOn: serverCauses(),
		match:     func(v *view) []match { return v.oneTransport(probe.UDP) },
	}, {
		Code: "dns-tcp-blocked", Severity: Warning,
		Title:     "DNS server {server} answers over UDP, not over TCP",
		Means:     "TCP 53 is blocked and UDP 53 is not. Answers that do not fit into a datagram are lost.",
		Cause:     "TCP questions to {server}: {seen}; the same server answered over UDP.",
		Remedy:    "open TCP 53 to {ip}; then: {dig} +tcp {domain} SOA",
		DependsOn: serverCauses(),
		match:     func(v *view) []match { return v.oneTransport(probe.TCP) },
	}, {
		Code: "dns-refused", Severity: Error,
		Title:     "DNS server {server} of {realm} refuses to answer for {domain}",
		Means:     "One of the realm's own DNS servers says REFUSED or SERVFAIL for the realm's zone.",
		Cause:     "{server} says {rcode} when it is asked for {domain}.",
		Remedy:    "{dig} {domain} SOA; check on that server that the DNS service has loaded the zone and that this host's network may query it",
		DependsOn: serverCauses(),
		match:     dnsRefused,
	}, {
		Code: "dns-zone-missing", Severity: Error,
		Title:     "this host's resolver {server} does not know {domain}",
		Means:     "The directory's own DNS server knows the realm's zone, the resolver that this host uses does not: a conditional forwarder or a Route 53 Resolver rule is missing.",
		Cause:     "{server} answers {rcode} for {domain}, while {knows} answers with the zone.",
		Remedy:    "add a conditional forwarder (Route 53 Resolver rule, or DHCP options) for {domain} to the directory's DNS addresses; then: dig {domain} SOA",
		DependsOn: append(serverCauses(), "dns-refused"),
		match:     dnsZoneMissing,
	}, {
		Code: "realm-not-in-dns", Severity: Error,
		Title:     "no DNS server knows {domain}",
		Means:     "Every DNS server that was asked answered, and none knows the realm's zone. The realm's name may be misspelt.",
		Cause:     "Asked for the SOA of {domain}: {seen}.",
		Remedy:    "check the spelling of {realm}; name the directory's DNS addresses: kerbagent check --realm {realm} --dns-server <address of a domain controller>",
		DependsOn: append(serverCauses(), "dns-refused", "dns-server-silent"),
		match:     realmNotInDNS,
	}, {
		Code: "dns-servers-disagree", Severity: Warning,
		Title:     "DNS servers give different answers for {domain}",
		Means:     "Servers that all know the realm's zone answer one question differently: replication lags, or one copy was changed by hand. Logins work or fail with the server that was asked.",
		Cause:     "{seen}",
		Remedy:    "compare: {dig} +short {domain} SOA, and the same on each other server; on a Samba controller: samba-tool drs showrepl; on Windows: repadmin /showrepl",
		DependsOn: append(serverCauses(), "dns-refused", "dns-zone-missing", "realm-not-in-dns"),
		match:     dnsDisagree,
	}, {
		Code: "dns-srv-missing", Severity: Warning,
		Title:     "{domain} has no SRV record {names}",
		Means:     "The realm's zone has no `_kerberos` (or `_kpasswd`) SRV record. Clients that find KDCs by DNS do not find them, or fall back to the domain's own addresses.",
		Cause:     "No server that knows {domain} has {names}.",
		Remedy:    "on a Windows controller: nltest /dsregdns (or restart Netlogon); on Samba: samba_dnsupdate --verbose; then: dig _kerberos._tcp.{domain} SRV",
		DependsOn: append(serverCauses(), "dns-refused", "dns-zone-missing", "realm-not-in-dns", "dns-servers-disagree"),
		match:     dnsSRVMissing,
	}, {
		Code: "kdc-unresolvable", Severity: Warning,
		Title:     "the configured KDC {kdc} has no address",
		Means:     "A KDC is named in the configuration, and no DNS server has an address for the name.",
		Cause:     "{kdc}: {seen}.",
		Remedy:    "dig +short {kdc} A; correct the name under realms: {realm}: kdcs, or the record",
		DependsOn: append(serverCauses(), "dns-server-silent", "dns-refused", "dns-zone-missing", "realm-not-in-dns"),
		match:     kdcUnresolvable,
	}, {
		Code: "endpoint-unresolvable", Severity: Error,
		Title:     "the database's name {host} has no address",
		Means:     "This host's resolver gives no address for the database's endpoint.",
		Cause:     "{host}: {seen}.",
		Remedy:    "dig {host} A; check the spelling under databases: {database}: endpoint, and the VPC's resolver",
		DependsOn: append(serverCauses(), "dns-server-silent"),
		match:     endpointUnresolvable,
	}}
}

func (d *dnsServer) words() words {
	return wordsOf(d.results[0]).and(words{"role": map[string]string{
		probe.RoleRealm: "one of the realm's own", probe.RoleHost: "this host's resolver"}[d.role]})
}

// otherAnswers says that a server of the same role answers for the same realm.
func (v *view) otherAnswers(d *dnsServer) bool {
	return slices.ContainsFunc(v.dnsOf(d.realm, d.role), func(o *dnsServer) bool { return o != d && anyAnswered(o.results) })
}

// needsDNS returns what could not be resolved: results that a DNS server's
// trouble accounts for when no other one answers.
func (v *view) needsDNS(realm string, role string) []*probe.Result {
	var out []*probe.Result
	for _, r := range v.all {
		switch {
		case reason(r, probe.ReasonUnresolvable) && r.ID.Kind == probe.Database && role == probe.RoleHost,
			reason(r, probe.ReasonUnresolvable) && r.ID.Kind == probe.KDC && r.Facts[probe.FactRealm] == realm,
			reason(r, probe.ReasonUnresolvable) && r.ID.Kind == probe.Login && (r.Facts[probe.FactFailedRealm] == realm || role == probe.RoleHost):
			out = append(out, r)
		}
	}
	return out
}

func dnsSilent(v *view) []match {
	var out []match
	for _, d := range v.dns {
		asked := d.where(func(r *probe.Result) bool { return r.Outcome != probe.Skipped })
		if !noneAnswered(asked) {
			continue
		}
		m := match{affects: asked, words: d.words().and(words{"seen": seen(asked)}), spare: v.otherAnswers(d)}
		if !m.spare {
			m.explains = append(v.needsDNS(d.realm, d.role), v.throughHosts(d.realm)...)
		}
		out = append(out, m)
	}
	return out
}

func (v *view) oneTransport(blocked probe.Transport) []match {
	open := map[probe.Transport]probe.Transport{probe.UDP: probe.TCP, probe.TCP: probe.UDP}[blocked]
	var out []match
	for _, d := range v.dns {
		yes, asked := d.answeredOver(blocked)
		other, _ := d.answeredOver(open)
		rs := d.over(blocked)
		if asked && !yes && other && noneAnswered(rs) {
			out = append(out, match{affects: rs, words: d.words().and(words{"seen": seen(rs)})})
		}
	}
	return out
}

func dnsRefused(v *view) []match {
	var out []match
	for _, d := range v.dns {
		rs := d.where(func(r *probe.Result) bool { return reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail) })
		if d.role != probe.RoleRealm || len(rs) == 0 {
			continue
		}
		m := match{affects: rs, words: d.words().and(words{"rcode": rs[0].Facts[probe.FactRcode]})}
		m.explains = v.throughHosts(d.realm)
		m.spare = slices.ContainsFunc(v.dnsOf(d.realm, ""), func(o *dnsServer) bool { return o != d && o.knowsZone() })
		if !m.spare {
			m.explains = append(m.explains, v.needsDNS(d.realm, d.role)...)
		}
		out = append(out, m)
	}
	return out
}

// negative returns the realm's questions that d answered without an answer.
func (d *dnsServer) negative() []*probe.Result {
	return d.where(func(r *probe.Result) bool {
		return r.Facts[probe.FactRealm] == d.realm && r.Outcome == probe.Failed && answered(r) && r.Reason != probe.ReasonDNSTruncated
	})
}

// ignorant says that d answered about the zone's SOA and does not know the zone.
func (d *dnsServer) ignorant() bool {
	return d.question("SOA "+d.domain()) != nil && !d.knowsZone()
}

func dnsZoneMissing(v *view) []match {
	var out []match
	for _, d := range v.dns {
		if d.role != probe.RoleHost || !d.ignorant() {
			continue
		}
		var knows []string
		for _, o := range v.dnsOf(d.realm, probe.RoleRealm) {
			if o.knowsZone() {
				knows = append(knows, o.addr.String())
			}
		}
		if len(knows) == 0 {
			continue
		}
		soa := d.question("SOA " + d.domain())
		affects := d.negative()
		if !slices.Contains(affects, soa) {
			affects = append(affects, soa)
		}
		out = append(out, match{affects: affects, explains: v.needsDNS(d.realm, ""),
			words: d.words().and(words{"rcode": soa.Facts[probe.FactRcode], "knows": list(knows)})})
	}
	return out
}

func realmNotInDNS(v *view) []match {
	var out []match
	for _, realm := range v.realms() {
		servers := v.dnsOf(realm, "")
		var affects []*probe.Result
		var saw []string
		undecided := len(servers) == 0
		for _, d := range servers {
			if d.role == probe.RoleRealm && !d.ignorant() || d.knowsZone() {
				undecided = true // it knows the zone, or was not heard
			}
			if d.ignorant() {
				affects = append(affects, d.question("SOA "+d.domain()))
				affects = append(affects, d.negative()...)
				saw = append(saw, fmt.Sprintf("%s says %s", d.addr, d.question("SOA " + d.domain()).Facts[probe.FactRcode]))
			}
		}
		if undecided || len(affects) == 0 {
			continue
		}
		out = append(out, match{affects: affects, explains: v.needsDNS(realm, ""),
			words: servers[0].words().and(words{"seen": list(saw)})})
	}
	return out
}

func dnsDisagree(v *view) []match {
	var out []match
	for _, realm := range v.realms() {
		var affects []*probe.Result
		var saw []string
		for q, answers := range v.answers(realm) {
			differ := false
			for _, r := range answers {
				differ = differ || r.Facts[probe.FactAnswer] != answers[0].Facts[probe.FactAnswer]
			}
			if !differ {
				continue
			}
			affects = append(affects, answers...)
			var each []string
			for _, r := range answers {
				a := r.Facts[probe.FactAnswer]
				if a == "" {
					a = r.Facts[probe.FactRcode] + " without an answer"
				}
				each = append(each, fmt.Sprintf("%s: %s", r.ID.Address, a))
			}
			saw = append(saw, q+": "+strings.Join(each, "; "))
		}
		if len(affects) == 0 {
			continue
		}
		slices.Sort(saw)
		out = append(out, match{affects: affects, words: wordsOf(affects[0]).and(words{"seen": strings.Join(saw, ". ")})})
	}
	return out
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
	for _, realm := range v.realms() {
		var affects []*probe.Result
		var names []string
		answers := v.answers(realm)
		for _, q := range sortedKeys(answers) {
			name, isSRV := strings.CutPrefix(q, "SRV ")
			if !isSRV || slices.ContainsFunc(answers[q], func(r *probe.Result) bool { return r.Outcome == probe.OK }) {
				continue
			}
			for _, d := range v.dnsOf(realm, "") {
				affects = append(affects, d.where(func(r *probe.Result) bool {
					return r.Facts[probe.FactQuestion] == q && reason(r, probe.ReasonDNSNXDomain, probe.ReasonDNSNoData)
				})...)
			}
			names = append(names, name)
		}
		if len(affects) > 0 {
			out = append(out, match{affects: affects, explains: v.needsDNS(realm, ""), words: wordsOf(affects[0]).and(words{"names": list(names)})})
		}
	}
	return out
}

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

func endpointUnresolvable(v *view) []match {
	byEndpoint := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.dbs, v.logins) {
		if reason(r, probe.ReasonUnresolvable) && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
			byEndpoint[r.Facts[probe.FactEndpoint]] = append(byEndpoint[r.Facts[probe.FactEndpoint]], r)
		}
	}
	var out []match
	for _, e := range sortedKeys(byEndpoint) {
		rs := byEndpoint[e]
		m := match{affects: rs, words: wordsOf(rs[0]).and(words{"seen": "this host's resolver has no address for it"}), evidence: evidenceOf(rs[0])}
		for _, r := range v.all { // the question that the resolver was asked about it
			if r.ID.Kind == probe.DNS && r.Facts[probe.FactDatabase] != "" && r.Facts[probe.FactEndpoint] == e && r.Outcome == probe.Failed {
				m.explains = append(m.explains, r)
			}
		}
		out = append(out, m)
	}
	return out
}
