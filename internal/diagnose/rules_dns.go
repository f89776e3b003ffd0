package diagnose

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// What lies deeper than any single service of a server.
func serverCauses() []Code {
	return []Code{"host-offline", "path-lossy", "server-slow", "ipv6-broken", "names-differ", "realm-unreachable", "trust-realm-unreachable", "dns-srv-stale", "server-down"}
}

func dnsRules() []Rule {
	return []Rule{{
		Code: "dns-server-silent", Severity: Error,
		Title:     "DNS server {server} of {whose}: no answer",
		Means:     "A DNS server answers no question, over UDP or over TCP. This is an error if no other server can be asked instead.",
		Cause:     "No question to {server} was answered: {seen}.",
		Remedy:    do("Open UDP and TCP port {port} from this host to {ip}. If no other host gets an answer either, have the DNS service there started. If the server was removed for good, take it out of /etc/resolv.conf and kerbagent.yaml.", "dig @{ip} -p {port} {domain} SOA", "dig @{ip} -p {port} +tcp {domain} SOA"),
		DependsOn: serverCauses(),
		match:     dnsSilent,
	}, {
		Code: "dns-udp-blocked", Severity: Warning,
		Title:     "DNS server {server} of {whose}: answers over TCP, not over UDP",
		Means:     "Questions over UDP are lost or refused; the same questions over TCP are answered. Programs ask over UDP first, so each lookup waits for a timeout and then goes to the next server or fails.",
		Cause:     "{server}: {seen}. Over TCP it answered.",
		Remedy:    do("Open UDP port {port} from this host to {ip}, and let the answers back in. A network ACL needs an inbound rule for UDP ports 1024-65535.", "dig @{ip} -p {port} +notcp {domain} SOA"),
		DependsOn: serverCauses(),
		match:     func(v *view) []match { return v.oneTransport(probe.UDP) },
	}, {
		Code: "dns-tcp-blocked", Severity: Warning,
		Title:     "DNS server {server} of {whose}: answers over UDP, not over TCP",
		Means:     "Questions over UDP are answered; the same questions over TCP are lost or refused. A large answer does not fit into a UDP datagram and needs TCP, so programs do not get it.",
		Cause:     "{server}: {seen}. Over UDP it answered.",
		Remedy:    do("Open TCP port {port} from this host to {ip}.", "dig @{ip} -p {port} +tcp {domain} SOA", "nc -vz -w 3 {ip} {port}"),
		DependsOn: serverCauses(),
		match:     func(v *view) []match { return v.oneTransport(probe.TCP) },
	}, {
		Code: "dns-filtered", Severity: Error,
		Title:     "DNS server {server} of {whose}: answers other questions, not those for {types} records",
		Means:     "A DNS server answers some questions about the realm's names and drops or refuses others. Or it drops every question about these names and answers questions about other names. Usually a firewall or DNS filter lets only questions for address records (A) through, not those for SRV or SOA. Or it lets only names from a list through. Programs that look for KDCs in DNS need SRV records.",
		Cause:     "{server}: questions for {types}: {seen}. Other questions were answered.",
		Remedy:    do("Find the filter between this host and {ip}, and allow questions of every type.", "dig @{ip} -p {port} {domain} A", "dig @{ip} -p {port} {domain} SOA", "dig @{ip} -p {port} _kerberos._tcp.{domain} SRV"),
		DependsOn: serverCauses(),
		match:     dnsFiltered,
	}, {
		Code: "dns-refused", Severity: Error,
		Title: "DNS server {server} of {whose}: answers {rcode} for {domain}",
		Means: "One of the realm's own DNS servers answers a question about the realm's names with REFUSED or SERVFAIL.",
		Cause: "{server} says {rcode} when it is asked for names in {domain}.",
		Remedy: do("See on that server whether the DNS service has loaded the zone. If it has not, have the zone loaded there again, or take the server out of dns_servers of realm {realm} in kerbagent.yaml. If it has, allow this host to query it.", "dig @{ip} -p {port} {domain} SOA",
			"Get-DnsServerZone -Name {domain}  # Windows", "samba-tool dns zoneinfo {ip} {domain}  # Samba"),
		DependsOn: serverCauses(),
		match:     dnsRefused,
	}, {
		Code: "dns-zone-missing", Severity: Error,
		Title: "DNS server {server} of this host: does not know {domain}",
		Means: "The directory's own DNS server knows the realm's zone, but the server that this host uses does not. Usually a conditional forwarder or a Route 53 Resolver rule is missing. If none of the directory's own servers answered, this is a warning, because the zone may not exist at all.",
		Cause: "{server} was asked for the zone {domain} and did not return it ({rcode}). {knows}.",
		Remedy: do("Have this host's DNS server forward {domain} to the directory's DNS servers. On Windows, the last command does so. In AWS, create a Route 53 Resolver rule for {domain}, and associate it with this host's VPC; the second command shows whether there is one.", "dig @{ip} -p {port} {domain} SOA",
			"aws route53resolver list-resolver-rules --filters Name=DomainName,Values={domain}.  # AWS",
			"Add-DnsServerConditionalForwarderZone -Name {domain} -MasterServers <address>,<address>  # Windows"),
		DependsOn: append(serverCauses(), "dns-filtered", "dns-refused"),
		match:     dnsZoneMissing,
	}, {
		Code: "realm-not-in-dns", Severity: Error,
		Title: "no DNS server that answered knows {domain}",
		Means: "No DNS server that answered knows the realm's zone. The realm's name may be misspelt. Or only the directory's own DNS servers know the zone, and none of them was asked. If some servers did not answer, this is a warning.",
		Cause: "Asked for the zone {domain}: {seen}.",
		Remedy: do("Check the spelling of {realm}, and ask the directory's own DNS server by its address. If it knows the zone, name it in kerbagent.yaml (dns_servers of realm {realm}), and have this host's DNS server forward {domain} to it. If it does not, correct the realm's name.", "aws ds describe-directories --query 'DirectoryDescriptions[].[Name,DnsIpAddrs]'  # AWS Managed AD",
			"dig @<address> {domain} SOA", "kerbagent check --realm {realm} --dns-server <address>"),
		DependsOn: append(serverCauses(), "dns-filtered", "dns-refused", "dns-server-silent"),
		match:     realmNotInDNS,
	}, {
		Code: "dns-servers-disagree", Severity: Warning,
		Title: "DNS servers give different answers for names in {domain}",
		Means: "Several DNS servers know the realm's zone, but answer the same question differently. Replication is delayed, or somebody changed one copy by hand. Whether a login works can depend on the server that was asked.",
		Cause: "{seen}.",
		Remedy: do("Compare the servers one by one, and see whether the domain controllers replicate. If replication fails, have it repaired on the domain controller that reports the error. If it works, have the record corrected on the server that differs.", "dig @{ip} -p {port} +short _kerberos._tcp.{domain} SRV",
			"repadmin /showrepl  # Windows", "samba-tool drs showrepl  # Samba"),
		DependsOn: append(serverCauses(), "dns-filtered", "dns-refused", "dns-zone-missing", "realm-not-in-dns"),
		match:     dnsDisagree,
	}, {
		Code: "dns-srv-missing", Severity: Warning,
		Title: "no SRV records in {domain}: {short}",
		Means: "The realm's zone lacks `_kerberos` or `_kpasswd` SRV records. Clients that look for KDCs in DNS do not find them there, or fall back to the domain's own addresses. libkrb5 needs `_kerberos._tcp` as soon as an answer is too large for UDP, as those of Active Directory are.",
		Cause: "No server that knows {domain} has {names}.",
		Remedy: do("If the realm's KDCs are meant to be found by DNS, have a domain controller register its records again: run the command for its system on it.", "dig @{ip} -p {port} _kerberos._tcp.{domain} SRV",
			"nltest /dsregdns  # Windows", "samba_dnsupdate --verbose --all-names  # Samba"),
		DependsOn: append(serverCauses(), "dns-filtered", "dns-refused", "dns-zone-missing", "realm-not-in-dns", "dns-servers-disagree"),
		match:     dnsSRVMissing,
	}, {
		Code: "kdc-unresolvable", Severity: Warning,
		Title:     "the configured KDC {kdc} has no address",
		Means:     "The configuration names a KDC, but no DNS server that was asked has an address for this name.",
		Cause:     "Asked for the addresses of {kdc}: {seen}.",
		Remedy:    do("Correct the name in kerbagent.yaml (under kdcs of realm {realm}), or have a DNS record created for it.", "dig {kdc} A", "dig +short _kerberos._tcp.{domain} SRV"),
		DependsOn: append(serverCauses(), "dns-server-silent", "dns-filtered", "dns-refused", "dns-zone-missing", "realm-not-in-dns"),
		match:     kdcUnresolvable,
	}, {
		Code: "kdc-lookup-failed", Severity: Error,
		Title:     "this host's lookup of the KDC {kdc} fails, and logins end there",
		Means:     "Programs on this host do not get the address of a KDC, and do not log in with another KDC instead. MIT's library tries the next KDC when a name does not exist (NXDOMAIN), but ends the login when the lookup of a name fails temporarily: the DNS server answers SERVFAIL or REFUSED, or does not answer. Before it sends a large request, such as the one for the database's ticket, it resolves the names of all SRV records for UDP. So a login can fail because of the name of a KDC that it does not need.",
		Cause:     "The lookup of {kdc} on this host: {error}.",
		Remedy:    do("Have this host's DNS servers answer for {kdc}: repair the server that they ask for this name, or forward the domain to another one. If that KDC is gone, remove the SRV record or the line of krb5.conf that names it.", "getent ahosts {kdc}", "dig {kdc} A", "dig {kdc} AAAA"),
		DependsOn: append(serverCauses(), "dns-server-silent", "dns-udp-blocked", "dns-refused", "dns-filtered", "dns-zone-missing", "realm-not-in-dns"),
		match:     kdcLookupFailed,
	}, {
		Code: "endpoint-unresolvable", Severity: Error,
		Title: "database {database}: its host name {host} has no address",
		Means: "This host's DNS servers have no address for the database's name.",
		Cause: "Asked for the addresses of {host}: {seen}.",
		Remedy: do("Check the spelling (endpoint of database {database} in kerbagent.yaml, or --database) against the list of the clusters. If it is right, ask the DNS server of the database's network: in an AWS VPC that is 169.254.169.253, from a host there. If that server has the address and this host's does not, have this host's DNS servers forward the name to it; from outside the VPC that needs an inbound endpoint of Route 53 Resolver.", "dig {host} A", "dig @169.254.169.253 {host} A  # on a host in the VPC",
			"aws rds describe-db-clusters --query 'DBClusters[].[Endpoint,ReaderEndpoint,CustomEndpoints]'  # AWS"),
		DependsOn: append(serverCauses(), "dns-server-silent", "dns-filtered", "dns-zone-missing", "realm-not-in-dns"),
		remedyOf:  lostInstance,
		match:     endpointUnresolvable,
	}, {
		Code: "servers-left-out", Severity: Info,
		Title:  "DNS names more servers than kerbagent asks: {kdc}",
		Means:  "DNS decides who serves a realm and where a database is, and a DNS answer may list any number of places. kerbagent asks 64 hosts of a realm at most, 8 addresses of a host and 256 addresses of KDCs and kpasswd servers in all; the realms share these equally. The same servers are chosen each time: by the priority of their SRV records, then by name.",
		Cause:  "{error}.",
		Remedy: do("In a large forest nothing needs to be done. To choose the servers yourself, name the KDCs of this host's site in kerbagent.yaml (kdcs of realm {realm}). If there are more servers than you expect, see which ones DNS lists.", "dig +short _kerberos._tcp.{domain} SRV", "dig {kdc} A"),
		match: func(v *view) []match {
			var out []match
			for _, r := range v.all {
				if left := r.Facts[probe.FactLeftOut]; left != "" {
					out = append(out, match{affects: []*probe.Result{r}, words: wordsOf(r).and(words{"error": r.Err.Error()}), evidence: evidenceOf(r, probe.FactLeftOut)})
				}
			}
			return out
		},
	}}
}

func (d *dnsServer) words() words {
	w := wordsOf(d.results[0])
	w["whose"] = "this host"
	if d.role == probe.RoleRealm {
		w["whose"] = w["realm"]
	}
	return w
}

// otherAnswers reports whether a server of the same role answers for the same realm.
func (v *view) otherAnswers(d *dnsServer) bool {
	return slices.ContainsFunc(v.dnsOf(d.realm, d.role), func(o *dnsServer) bool { return o != d && anyAnswered(o.results) })
}

// needsDNS returns what could not be resolved: results that a DNS server's
// trouble accounts for when no other one answers, or, without a role, that the
// realm's zone accounts for when it is not known.
func (v *view) needsDNS(realm string, role string) []*probe.Result {
	var out []*probe.Result
	for _, r := range v.lost {
		switch {
		case r.ID.Kind == probe.Database && role == probe.RoleHost,
			(r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) && role == "" && endpointIn(r, realm),
			r.ID.Kind == probe.KDC && r.Facts[probe.FactRealm] == realm,
			r.ID.Kind == probe.Login && (r.Facts[probe.FactFailedRealm] == realm || role == probe.RoleHost):
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
	return perServer(out)
}

// perServer makes one match of those about one server: this host's resolver is
// asked about each realm.
func perServer(ms []match) []match {
	var out []match
	byAddr := map[netip.AddrPort]int{}
	for _, m := range ms {
		addr := m.affects[0].ID.Address
		if i, have := byAddr[addr]; have {
			out[i].affects = append(out[i].affects, m.affects...)
			out[i].explains = append(out[i].explains, m.explains...)
			out[i].spare = out[i].spare && m.spare
			continue
		}
		byAddr[addr] = len(out)
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
		if blocked == probe.UDP {
			if large := d.largeLost(); len(large) > 0 {
				rs, yes = large, false
			}
		} else if cut := d.cutOverTCP(); len(cut) > 0 {
			rs, yes = cut, false
		}
		if blocked == probe.TCP && len(rs) > 0 && !slices.ContainsFunc(rs, func(r *probe.Result) bool { return !d.lostOverBoth(r) }) {
			continue // dns-filtered: UDP loses the same questions
		}
		if asked && !yes && other && noneAnswered(rs) {
			m := match{affects: rs, words: d.words().and(words{"seen": seen(rs)})}
			if blocked == probe.UDP && !slices.ContainsFunc(v.dnsOf(d.realm, d.role), func(o *dnsServer) bool {
				yes, _ := o.answeredOver(probe.UDP)
				return yes && len(o.largeLost()) == 0
			}) {
				m.explains = v.needsDNS(d.realm, d.role) // programs ask over UDP
			}
			out = append(out, m)
		}
	}
	return perServer(out)
}

// cutOverTCP returns the questions whose connection ended without an answer, or in the middle of
// it, and that were answered over UDP. Packets that are lost do not end a connection.
func (d *dnsServer) cutOverTCP() []*probe.Result {
	return slices.DeleteFunc(d.over(probe.TCP), func(r *probe.Result) bool {
		return !reason(r, probe.ReasonClosed) || d.question(r.Facts[probe.FactQuestion]) == nil
	})
}

// largeLost returns the questions whose answers are lost over UDP where small ones
// arrive: all that was answered over TCP is among them, and chance is no explanation for so many.
func (d *dnsServer) largeLost() []*probe.Result {
	const surprising = 4
	lost := slices.DeleteFunc(d.over(probe.UDP), func(r *probe.Result) bool { return !reason(r, probe.ReasonUDPSilent) })
	heard, _ := d.answeredOver(probe.UDP)
	for _, r := range d.over(probe.TCP) {
		same := func(o *probe.Result) bool { return o.Facts[probe.FactQuestion] == r.Facts[probe.FactQuestion] }
		if answered(r) && !slices.ContainsFunc(lost, same) {
			return nil
		}
	}
	if !heard || len(lost) < surprising || slices.ContainsFunc(d.results, func(r *probe.Result) bool { return lostBefore(r) > 0 && answered(r) }) {
		return nil
	}
	return lost
}

func dnsRefused(v *view) []match {
	var out []match
	for _, d := range v.dns {
		rs := d.where(func(r *probe.Result) bool { return reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail) })
		if filtered, _ := d.filtered(); d.role != probe.RoleRealm || len(rs) == 0 || len(filtered) > 0 {
			continue
		}
		m := match{affects: rs, words: d.words().and(words{"rcode": rs[0].Facts[probe.FactRcode]})}
		m.explains = slices.Concat(v.throughHosts(d.realm), v.passedOn(d.realm), failsForNow(v, d.realm))
		m.spare = slices.ContainsFunc(v.dnsOf(d.realm, ""), func(o *dnsServer) bool { return o != d && o.knowsZone() })
		if !m.spare {
			m.explains = append(m.explains, v.needsDNS(d.realm, d.role)...)
		}
		out = append(out, m)
	}
	return out
}

// refuses reports whether one of a realm's own servers answers REFUSED or SERVFAIL to questions for a type.
func (v *view) refuses(realm, qtype string) bool {
	return slices.ContainsFunc(v.dnsOf(realm, probe.RoleRealm), func(d *dnsServer) bool {
		return len(d.where(func(r *probe.Result) bool {
			return qtypeOf(r) == qtype && reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail)
		})) > 0
	})
}

// passedOn returns what this host's resolvers refuse of a realm: a resolver that
// forwards to several servers passes on what the first of them answers.
func (v *view) passedOn(realm string) []*probe.Result {
	var out []*probe.Result
	for _, d := range v.dnsOf(realm, probe.RoleHost) {
		out = append(out, d.where(func(r *probe.Result) bool {
			return reason(r, probe.ReasonDNSRefused, probe.ReasonDNSServFail) && r.Facts[probe.FactDatabase] == ""
		})...)
	}
	return out
}
