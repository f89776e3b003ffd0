package diagnose

import (
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

func kdcRules() []Rule {
	again := "kerbagent check --realm {realm} --kdc {address}"
	return []Rule{{
		Code: "kdc-not-kerberos", Severity: Error,
		Title:     "KDC {place}: what answers there is not Kerberos",
		Means:     "Something accepts connections on the KDC's port, but answers in another protocol or closes the connection without an answer: a proxy, TLS inspection or another service.",
		Cause:     "{seen}.",
		Remedy:    do("Find out what listens at {address}. Then correct the KDC's address, or make the proxy leave its port alone.", "openssl s_client -connect {address} </dev/null", again),
		DependsOn: serverCauses(),
		match: orUnprobed(kdcMatch(func(k *kdcAddr) bool {
			return reason(k.tcp, probe.ReasonMalformed) || reason(k.udp, probe.ReasonMalformed) || reason(k.tcp, probe.ReasonClosed) && !answered(k.udp)
		}), probe.ReasonMalformed, probe.ReasonClosed),
	}, {
		Code: "kdc-unavailable", Severity: Warning,
		Title: "KDC {place}: reports that it is unavailable",
		Means: "The KDC answers KDC_ERR_SVC_UNAVAILABLE (29) instead of doing its work. Often it is starting, overloaded, or cut off from its database.",
		Cause: "{seen}.",
		Remedy: do("Wait a minute and check again. If the KDC still reports this, look at the KDC service on {kdc} and at what it logs. If it does not recover, restart it. CAUTION: a restart interrupts everybody who uses that domain controller.", again,
			"Get-Service kdc  # Windows", "systemctl status samba-ad-dc  # Samba", "systemctl status krb5-kdc  # MIT",
			"Restart-Service kdc  # Windows", "systemctl restart samba-ad-dc  # Samba", "systemctl restart krb5-kdc  # MIT"),
		DependsOn: serverCauses(),
		match: kdcMatch(func(k *kdcAddr) bool {
			return reason(k.udp, probe.ReasonKRBServiceUnavailable) || reason(k.tcp, probe.ReasonKRBServiceUnavailable)
		}),
	}, {
		Code: "kdc-wrong-realm", Severity: Error,
		Title: "KDC {place}: probably does not serve {realm}",
		Means: "The KDC answers, but probably belongs to another realm. Either it reports this itself (KDC_ERR_WRONG_REALM), or it does not know a user that another KDC of the realm knows. A user that was created minutes ago and is not yet replicated looks the same.",
		Cause: "{seen}.",
		Remedy: do("If {kdc} does not belong to {realm}, remove it from where that realm's KDCs are listed: kerbagent.yaml (kdcs of realm {realm}), krb5.conf, or the SRV records in DNS.", "dig +short _kerberos._tcp.{domain} SRV",
			"grep -n {ip} /etc/krb5.conf", again),
		DependsOn: serverCauses(),
		match:     kdcWrongRealm,
	}, {
		Code: "kdc-hung", Severity: Warning,
		Title: "KDC {place}: accepts TCP connections, then does not answer",
		Means: "TCP connects, but no answer arrives: the KDC is stuck, or a proxy or load balancer accepts connections for a KDC that it cannot reach. libkrb5 waits 10 seconds for it. " +
			"Some KDCs still answer requests without credentials, but not a login or the request for a ticket. Then the KDC waits for something else: its database, or a domain controller that can write.",
		Cause: "{seen}. A SYN proxy in front of a dead KDC looks the same.",
		Remedy: do("Let programs ask {kdc} last. "+lastInOrder+" On {kdc}, see whether the KDC service runs and what it logs. CAUTION: a restart of the service interrupts everybody who uses that domain controller; restart it only if it does not answer on that host either.",
			again, "Get-Service kdc  # Windows", "systemctl status samba-ad-dc  # Samba", "systemctl status krb5-kdc  # MIT",
			"Restart-Service kdc  # Windows", "systemctl restart samba-ad-dc  # Samba", "systemctl restart krb5-kdc  # MIT"),
		DependsOn: serverCauses(),
		match:     orUnprobed(kdcHung, probe.ReasonTCPSilent),
	}, {
		Code: "kdc-refused", Severity: Warning,
		Title: "KDC {place}: refuses connections",
		Means: "The connection to the KDC's port is refused at once (RST, or ICMP port unreachable): no KDC listens there, or a firewall rejects the connection.",
		Cause: "{seen}.",
		Remedy: do("Check that {kdc} is a KDC of {realm}. If it is not, remove it from where the realm's KDCs are listed: kerbagent.yaml (kdcs of realm {realm}), krb5.conf, or the SRV records in DNS. If it is, start the KDC service there. If the service runs, a firewall rejects the connection: allow it.", "nc -vz -w 3 {ip} {port}",
			"Get-Service kdc  # Windows", "systemctl status samba-ad-dc  # Samba", "systemctl status krb5-kdc  # MIT",
			"Start-Service kdc  # Windows", "systemctl start samba-ad-dc  # Samba", "systemctl start krb5-kdc  # MIT"),
		DependsOn: serverCauses(),
		match:     orUnprobed(kdcMatch(func(k *kdcAddr) bool { return reason(k.tcp, probe.ReasonRefused) && !answered(k.udp) }), probe.ReasonRefused),
	}, {
		Code: "kdc-silent", Severity: Warning,
		Title:     "KDC {place}: no answer, and TCP does not connect",
		Means:     "A KDC address cannot be reached over TCP and does not answer over UDP. The machine is down, the route is missing or a firewall drops the packets.",
		Cause:     "{seen}.",
		Remedy:    do("See whether the machine runs. If it does, open TCP and UDP from this host to {server}: in security groups, network ACLs and firewalls, and with a route. If it was removed for good, take it out of krb5.conf, kerbagent.yaml and the SRV records.", "ip route get {ip}", "nc -vz -w 3 {ip} {port}", again),
		DependsOn: serverCauses(),
		match: orUnprobed(kdcMatch(func(k *kdcAddr) bool {
			return reason(k.tcp, probe.ReasonConnectTimeout, probe.ReasonUnreachable, probe.ReasonForbidden) && !answered(k.udp)
		}), probe.ReasonConnectTimeout, probe.ReasonUnreachable, probe.ReasonForbidden, probe.ReasonUDPSilent),
	}, {
		Code: "kdc-tcp-blocked", Severity: Error,
		Title: "KDC {place}: answers over UDP, not over TCP",
		Means: "The KDC answers over UDP, so it is running. Over TCP, connections fail or data is lost, usually because of a firewall or a proxy on the path. Tickets of Active Directory rarely fit into a UDP datagram: the KDC tells the client to retry over TCP (error 52), and there the login fails.",
		Cause: "{seen}. Over UDP it answers.",
		Remedy: do("Open TCP from this host to {server}, in every security group, network ACL and firewall on the way. If this host's own security group is the cause, the last command opens it.", "nc -vz -w 3 {ip} {port}",
			"aws ec2 authorize-security-group-egress --group-id <group of this host> --protocol tcp --port {port} --cidr {cidr}  # AWS"),
		DependsOn: serverCauses(),
		match:     kdcMatchOver(probe.TCP, func(k *kdcAddr) bool { return onPath(k.tcp) && answered(k.udp) }),
	}, {
		Code: "kdc-udp-blocked", Severity: Warning,
		Title:     "KDC {place}: answers over TCP, not over UDP",
		Means:     "The KDC answers over TCP and not over UDP. Clients that try UDP first wait a second or more for each request.",
		Cause:     "{seen}. Over TCP it answers.",
		Remedy:    do("Open UDP from this host to {server} and let the answers back in. Or set udp_preference_limit = 1 in [libdefaults] of krb5.conf, so that clients begin with TCP.", again),
		DependsOn: serverCauses(),
		match:     kdcMatchOver(probe.UDP, func(k *kdcAddr) bool { return onPath(k.udp) && answered(k.tcp) }),
	}, {
		Code: "kdc-large-messages-lost", Severity: Warning,
		Title: "KDC {place}: large messages are lost",
		Means: "The KDC answers small messages, but not large ones. Either fragments are dropped, or packets are too big for a link on the way and a filter drops the ICMP message that reports it. kerbagent's large test message and the KDC's answer to it are equally large, so kerbagent cannot tell which direction loses the packets.",
		Cause: "A small message was answered, one of 3,000 bytes was not. {seen}.",
		Remedy: do("Let ICMP \"fragmentation needed\" (type 3 code 4) through and clamp the MSS on the VPN, or lower this host's MTU. If only UDP loses large messages, write udp_preference_limit = 1 in krb5.conf.",
			"ip route get {ip}", "ping -M do -c 3 -s 1472 {ip}", "ping -M do -c 3 -s 1372 {ip}", again),
		DependsOn: append(serverCauses(), "kdc-hung", "kdc-tcp-blocked", "kdc-udp-blocked", "kdc-silent", "kdc-refused", "kdc-not-kerberos", "kdc-unavailable"),
		match:     kdcLarge,
	}}
}

// kdcMatch makes a rule about KDCs from a condition on single addresses: one
// match for a realm, whichever of its KDCs and their addresses are concerned.
func kdcMatch(holds func(*kdcAddr) bool) func(*view) []match {
	return func(v *view) []match {
		var out []match
		for _, k := range v.kdcs {
			if holds(k) {
				out = append(out, v.kdcTrouble(k))
			}
		}
		return joined(out)
	}
}

// kdcMatchOver is kdcMatch for trouble of one transport: what the other one
// loses is another trouble, and over UDP alone no login dies.
func kdcMatchOver(t probe.Transport, holds func(*kdcAddr) bool) func(*view) []match {
	return func(v *view) []match {
		var out []match
		for _, k := range v.kdcs {
			if !holds(k) {
				continue
			}
			m := v.kdcTrouble(k)
			m.affects = slices.DeleteFunc(m.affects, func(r *probe.Result) bool { return r.ID.Transport != t })
			m.words["seen"] = each(m.affects)
			if t == probe.UDP {
				m.explains = nil
			}
			out = append(out, m)
		}
		return joined(out)
	}
}

// joined makes one match for each realm of matches on single addresses.
func joined(ms []match) []match {
	var realms []string
	byRealm := map[string][]match{}
	for _, m := range ms {
		realm := m.affects[0].Facts[probe.FactRealm]
		if byRealm[realm] == nil {
			realms = append(realms, realm)
		}
		byRealm[realm] = append(byRealm[realm], m)
	}
	var out []match
	for _, realm := range realms {
		out = append(out, joint(byRealm[realm]))
	}
	return out
}

// joint is the same trouble at several addresses. The words of a command stay
// those of the first one.
func joint(ms []match) match {
	m := ms[0]
	for _, other := range ms[1:] {
		m.affects = append(m.affects, other.affects...)
		m.explains = append(m.explains, other.explains...)
		m.spare = m.spare && other.spare
	}
	kdcs, servers, all := distinct(ms, "kdc"), distinct(ms, "server"), distinct(ms, "seen")
	m.words["kdc"], m.words["server"], m.words["seen"] = list(kdcs), list(servers), clauses(all)
	m.words["place"] = placeOf(m.words["kdc"], m.words["server"])
	return m
}

// distinct returns what the matches have for a word, each once.
func distinct(ms []match, word string) []string {
	var out []string
	had := map[string]bool{"": true}
	for _, m := range ms {
		if w := m.words[word]; !had[w] {
			had[w], out = true, append(out, w)
		}
	}
	return out
}

// kdcTrouble is a match on all of an address's failed exchanges. It accounts
// for logins that died there, for all of the realm's when no other KDC is
// usable, and for kpasswd at the same address when that is dead too: one
// process serves both on a controller.
func (v *view) kdcTrouble(k *kdcAddr) match {
	var failed []*probe.Result
	for _, r := range k.results() {
		if r.Outcome == probe.Failed {
			failed = append(failed, r)
		}
	}
	m := match{affects: failed, spare: v.spareFor(k)}
	w := wordsOf(failed[0])
	w["seen"] = each(present(k.udp, k.tcp))
	m.words, m.evidence = w, evidenceOf(failed[0], probe.FactKRBCode, probe.FactKRBText)
	m.explains = v.loginsAt(k)
	if !m.spare {
		var answers []probe.Reason // by which a login does not fail at a KDC that is silent
		if slices.ContainsFunc(failed, func(r *probe.Result) bool { return !onPath(r) }) {
			answers = []probe.Reason{probe.ReasonKRBServiceUnavailable, probe.ReasonMalformed}
		}
		m.explains = append(m.explains, v.loginsNeeding(k.facts[probe.FactRealm], answers...)...)
	}
	if !answered(k.tcp) && !answered(k.udp) {
		for _, p := range v.kpwOf[k.addr.Addr()] {
			if noneAnswered(p.results()) {
				m.explains = append(m.explains, p.results()...)
			}
		}
	}
	return m
}

func kdcWrongRealm(v *view) []match {
	var out []match
	for _, k := range v.kdcs {
		var says string
		switch {
		case reason(k.udp, probe.ReasonKRBWrongRealm) || reason(k.tcp, probe.ReasonKRBWrongRealm):
			says = "answered KDC_ERR_WRONG_REALM (68)"
		case v.saidNotUs(k):
			says = "cannot read tickets of the realm (error 35)"
		case k.saysCode("6") && v.anotherKnowsUser(k):
			says = "does not know the user (error 6), another KDC of the realm does"
		default:
			continue
		}
		rs := present(k.udp, k.tcp)
		m := match{affects: rs, spare: v.spareFor(k), words: wordsOf(rs[0]).and(words{"seen": k.addr.String() + " " + says})}
		// A ticket for this realm cannot be read by the KDC of another one: 35
		// (KRB_AP_ERR_NOT_US), or 7 for the service.
		for _, l := range v.failedLogins(probe.ReasonKRBClientUnknown, probe.ReasonKRBWrongRealm, probe.ReasonKRBServerUnknown, probe.ReasonKRBError) {
			if k.asked(l) && (!reason(l, probe.ReasonKRBError) || l.Facts[probe.FactKRBCode] == "35") {
				m.explains = append(m.explains, l)
			}
		}
		out = append(out, m)
	}
	return joined(out)
}

// saidNotUs reports whether a login showed k a ticket for the realm, and that k answered
// 35 (KRB_AP_ERR_NOT_US): it has not the realm's key.
func (v *view) saidNotUs(k *kdcAddr) bool {
	return slices.ContainsFunc(v.failedLogins(probe.ReasonKRBError), func(l *probe.Result) bool {
		return l.Facts[probe.FactKRBCode] == "35" && k.asked(l)
	})
}

func (k *kdcAddr) saysCode(code string) bool {
	return slices.ContainsFunc(present(k.udp, k.tcp), func(r *probe.Result) bool { return r.Facts[probe.FactKRBCode] == code })
}

// anotherKnowsUser: another KDC of the realm asks the same user for
// preauthentication (25), or says anything of the user but "unknown".
func (v *view) anotherKnowsUser(k *kdcAddr) bool {
	for _, o := range v.kdcsOf(k.facts[probe.FactRealm]) {
		if o.addr != k.addr && anyAnswered(present(o.udp, o.tcp)) && !o.saysCode("6") && !o.saysCode("68") && o.facts[probe.FactUser] == k.facts[probe.FactUser] {
			return true
		}
	}
	return false
}

func kdcLarge(v *view) []match {
	var out []match
	for _, k := range v.kdcs {
		lostUDP := onPath(k.bigUDP) && answered(k.udp)
		lostTCP := onPath(k.bigTCP) && answered(k.tcp)
		if !lostUDP && !lostTCP {
			continue
		}
		m := match{spare: v.spareFor(k)}
		if lostUDP {
			m.affects = append(m.affects, k.bigUDP)
		}
		if lostTCP {
			m.affects = append(m.affects, k.bigTCP)
			m.explains = v.loginsAt(k)
			if !m.spare {
				m.explains = append(m.explains, v.loginsNeeding(k.facts[probe.FactRealm])...)
			}
		}
		m.words = wordsOf(m.affects[0]).and(words{"seen": each(m.affects)})
		out = append(out, m)
	}
	return joined(out)
}
