package diagnose

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

func serverRules() []Rule {
	return []Rule{{
		Code: "trust-realm-unreachable", Severity: Error,
		Title:     "the trust leads to {realm}, and no KDC there can be used from this host",
		Means:     "The database is in another realm than the user, and the user's realm refers the login there over a trust. No KDC of that other realm answers this host usably. A client must reach the domain controllers of both realms itself.",
		Cause:     "{user} was referred to {realm}. KDCs of {realm}: {seen}.",
		Remedy:    do("Open TCP and UDP port 88 from this host to the domain controllers of {realm} too.", "dig +short _kerberos._tcp.{domain} SRV", "nc -vz -w 3 {ip} {port}", "kerbagent check --realm {realm}"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow", "ipv6-broken"},
		match:     trustRealmUnreachable,
	}, {
		Code: "realm-unreachable", Severity: Error,
		Title:     "no KDC (domain controller) of {realm} can be used from this host",
		Means:     "Every known KDC address of the realm was asked, and each one timed out, refused the connection or reported that it is unavailable. No program on this host can get a ticket of this realm.",
		Cause:     "KDC addresses asked: {count}. {seen}.",
		Remedy:    do("See whether there is a route to the domain controllers of {realm}, and add it if not. Open TCP and UDP port {port} to them, in security groups, network ACLs and firewalls.", "ip route get {ip}", "nc -vz -w 3 {ip} {port}", "kerbagent check --realm {realm} --kdc {address}"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow", "ipv6-broken", "trust-realm-unreachable"},
		match:     realmUnreachable,
	}, {
		Code: "dns-srv-stale", Severity: Warning,
		Title: "an SRV record of {domain} names a KDC that cannot be reached: {kdc}",
		Means: "A `_kerberos` SRV record names a host that has no address, or one that is not among the domain's own addresses and whose KDC does not answer usably. Usually this is a domain controller that was removed. Clients that follow the record wait for a timeout.",
		Cause: "The SRV record names {kdc}: {seen}.",
		Remedy: do("Ask the administrators of the directory whether {kdc} still exists. If it does, open the way to it or repair it. CAUTION: the last commands delete DNS records; if the domain controller still runs, clients no longer find it. Use them only for one that was removed for good.",
			"dig +short _kerberos._tcp.{domain} SRV", "getent ahosts {kdc}",
			"nltest /dsderegdns:{kdc}  # Windows", "samba-tool dns delete <server> {domain} _kerberos._tcp SRV '{kdc} <port> <priority> <weight>'  # Samba"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow", "ipv6-broken", "names-differ", "realm-unreachable", "trust-realm-unreachable"},
		match:     srvStale,
	}, {
		Code: "server-down", Severity: Warning,
		Title: "domain controller {kdc}: nothing answers there",
		Means: "Several services of one machine were asked (DNS, Kerberos, kpasswd), and none answers. The cause is the machine itself, the network path to it or a firewall in front of it, rather than one service.",
		Cause: "Asked at {ips} ({ports}): {seen}.",
		Remedy: do("See whether the machine runs and whether packets reach it. If it is down, have it started. If it runs, open the way to it: route, firewalls, security groups. If it was removed for good, take it out of krb5.conf, kerbagent.yaml and DNS.", "ping -c 3 {ip}", "ip route get {ip}",
			"aws ds describe-domain-controllers --directory-id <directory> --query 'DomainControllers[].[DnsIpAddr,Status,StatusReason]'  # AWS Managed AD"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow", "ipv6-broken", "names-differ", "realm-unreachable", "trust-realm-unreachable", "dns-srv-stale"},
		match:     serverDown,
	}}
}

// dead reports whether no exchange with k gave a usable answer.
func (k *kdcAddr) dead() bool {
	rs := present(k.udp, k.tcp)
	for _, r := range rs {
		if !onPath(r) && !reason(r, probe.ReasonKRBServiceUnavailable) {
			return false
		}
	}
	return len(rs) > 0
}

// deadRealm returns the results of a realm's KDCs when every one is dead.
func (v *view) deadRealm(realm string) []*probe.Result {
	var all []*probe.Result
	for _, k := range v.kdcsOf(realm) {
		if !k.dead() {
			return nil
		}
		all = append(all, k.results()...)
	}
	return all
}

// sameHosts returns further results that failed on the path at the addresses
// of rs: the DNS and kpasswd services of the same machines. A service that answers
// over its other transport is there, and is blocked for a reason of its own.
func (v *view) sameHosts(rs []*probe.Result) []*probe.Result {
	of, seen := map[*probe.Result]bool{}, map[netip.Addr]bool{}
	for _, r := range rs {
		of[r] = true
	}
	var out []*probe.Result
	for _, r := range rs {
		ip := r.ID.Address.Addr()
		if seen[ip] {
			continue
		}
		seen[ip] = true
		for _, other := range v.at[ip] {
			alive := func(o *probe.Result) bool {
				return o.ID.Address == other.ID.Address && o.ID.Kind == other.ID.Kind && answered(o)
			}
			if onPath(other) && !of[other] && (other.ID.Kind == probe.KDC || !slices.ContainsFunc(v.at[ip], alive)) {
				out = append(out, other)
			}
		}
	}
	return out
}

// throughHosts returns what this host's resolver could not say of a realm:
// where the realm's own servers are down, it cannot ask them either. A resolver
// that answers nothing at all is no consequence, nor is one whose forwarders live.
func (v *view) throughHosts(realm string) []*probe.Result {
	var out []*probe.Result
	if slices.ContainsFunc(v.dnsOf(realm, probe.RoleRealm), func(d *dnsServer) bool { return d.knowsZone() }) {
		return nil
	}
	for _, d := range v.dnsOf(realm, probe.RoleHost) {
		if !v.heard[d.addr] {
			continue
		}
		out = append(out, d.where(func(r *probe.Result) bool {
			return reason(r, probe.ReasonUDPSilent, probe.ReasonTCPSilent, probe.ReasonClosed, probe.ReasonDNSServFail, probe.ReasonDNSRefused)
		})...)
	}
	return out
}

func trustRealmUnreachable(v *view) []match {
	type trouble struct{ logins, kdcs []*probe.Result }
	byRealm := map[string]*trouble{}
	for _, l := range v.logins {
		realm := l.Facts[probe.FactFailedRealm]
		// The realm's own users make it realm-unreachable instead.
		if l.Outcome != probe.Failed || realm == "" || v.hasUserOf(realm) || l.Facts[probe.FactFailedAt] != probe.AtTGS ||
			!(onPath(l) || reason(l, probe.ReasonUnresolvable, probe.ReasonKRBServiceUnavailable)) {
			continue
		}
		dead := v.deadRealm(realm)
		if len(dead) == 0 && len(v.kdcsOf(realm)) > 0 {
			continue // some of its KDCs answer: another rule's business
		}
		if byRealm[realm] == nil {
			byRealm[realm] = &trouble{kdcs: dead}
		}
		byRealm[realm].logins = append(byRealm[realm].logins, l)
	}
	var out []match
	for _, realm := range sortedKeys(byRealm) {
		t := byRealm[realm]
		w := wordsOf(t.logins[0]).and(words{"realm": plain(realm), "domain": plain(domainOf(realm)), "seen": "no address of them is known, or they did not answer", "ip": "", "port": ""})
		if len(t.kdcs) > 0 {
			at := wordsOf(t.kdcs[0])
			w["seen"], w["ip"], w["port"] = each(t.kdcs), at["ip"], at["port"]
		}
		out = append(out, match{affects: t.logins, explains: slices.Concat(t.kdcs, v.sameHosts(t.kdcs), v.throughHosts(realm)), words: w,
			evidence: evidenceOf(t.logins[0], probe.FactHops, probe.FactFailedRealm)})
	}
	return out
}

func (v *view) hasUserOf(realm string) bool {
	return slices.ContainsFunc(v.logins, func(l *probe.Result) bool { return l.Facts[probe.FactRealm] == realm })
}

func realmUnreachable(v *view) []match {
	var out []match
	for _, realm := range v.names {
		dead := v.deadRealm(realm)
		if len(dead) == 0 {
			continue
		}
		out = append(out, match{affects: dead,
			explains: slices.Concat(v.sameHosts(dead), v.throughHosts(realm), v.loginsNeeding(realm, probe.ReasonKRBServiceUnavailable)),
			words:    wordsOf(dead[0]).and(words{"count": count(len(v.kdcsOf(realm))), "seen": each(dead)})})
	}
	return out
}

func srvStale(v *view) []match {
	var out []match
	for _, r := range v.all {
		if r.ID.Kind == probe.KDC && reason(r, probe.ReasonUnresolvable) && r.Facts[probe.FactSource] == probe.SourceSRV && !v.lookupFails(r.ID.Target) {
			out = append(out, match{affects: []*probe.Result{r}, words: wordsOf(r).and(words{"seen": "the name has no address"})})
		}
	}
	for _, k := range v.kdcs {
		if k.facts[probe.FactSource] != probe.SourceSRV || !k.dead() || v.knownController(k) {
			continue
		}
		rs := k.results()
		out = append(out, match{affects: rs, explains: v.sameHosts(rs), words: wordsOf(rs[0]).and(words{"seen": each(rs) + "; it is none of the domain's own addresses"})})
	}
	return out
}

// knownController reports whether an address is more than an SRV record's: the
// domain has it (each domain controller registers its own), or it is a DNS
// server of the realm.
func (v *view) knownController(k *kdcAddr) bool {
	realm, ip := k.facts[probe.FactRealm], k.addr.Addr().Unmap()
	asked := false
	for _, d := range v.dnsOf(realm, "") {
		if d.role == probe.RoleRealm && d.addr.Addr().Unmap() == ip {
			return true
		}
		for _, qtype := range []string{"A ", "AAAA "} {
			if r := d.question(qtype + d.domain()); r != nil && r.Outcome == probe.OK {
				asked = true
				if slices.Contains(r.Facts.List(probe.FactAnswer), ip.String()) {
					return true
				}
			}
		}
	}
	return !asked
}

// nameHost notes the name of the machine at an address: that of a KDC or
// kpasswd server there, so that a machine's IPv4 and IPv6 addresses are seen as
// one. A domain's own name stands for several machines and is none.
func (v *view) nameHost(r *probe.Result) {
	if r.ID.Kind != probe.KDC && r.ID.Kind != probe.Kpasswd || r.ID.Target == domainOf(r.Facts[probe.FactRealm]) {
		return
	}
	if _, named := v.hosts[r.ID.Address.Addr()]; !named {
		v.hosts[r.ID.Address.Addr()] = r.ID.Target
	}
}

// hostAt names the machine at an address.
func (v *view) hostAt(ip netip.Addr) string {
	if name, named := v.hosts[ip]; named {
		return name
	}
	return ip.String()
}

// serverDown: nothing of one machine answers. A TCP connection that comes to
// be shows that the machine is there, whatever its services do.
func serverDown(v *view) []match {
	byHost := map[string][]*probe.Result{}
	for _, r := range v.all {
		if !r.ID.Address.IsValid() || r.Outcome == probe.Skipped || r.Facts[probe.FactRole] == probe.RoleHost {
			continue
		}
		if r.ID.Kind == probe.DNS || r.ID.Kind == probe.KDC || r.ID.Kind == probe.Kpasswd {
			host := v.hostAt(r.ID.Address.Addr())
			byHost[host] = append(byHost[host], r)
		}
	}
	var out []match
	for _, host := range sortedKeys(byHost) {
		rs := byHost[host]
		var ports, ips []string
		connected := false
		for _, r := range rs {
			connected = connected || r.Reason == probe.ReasonTCPSilent
			ports = appendNew(ports, string(r.ID.Kind))
			ips = appendNew(ips, r.ID.Address.Addr().Unmap().String())
		}
		if len(ports) < 2 || connected || !noneAnswered(rs) {
			continue
		}
		m := match{affects: rs, words: wordsOf(rs[0]).and(words{"kdc": plain(host), "ports": list(ports), "ips": list(ips), "seen": seen(rs)})}
		for _, r := range rs {
			m.explains = append(m.explains, v.throughHosts(r.Facts[probe.FactRealm])...)
		}
		out = append(out, m)
	}
	return out
}

func appendNew(s []string, word string) []string {
	if slices.Contains(s, word) {
		return s
	}
	return append(s, word)
}
