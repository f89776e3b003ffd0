package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

func kdcRules() []Rule {
	return []Rule{{
		Code: "kdc-not-kerberos", Severity: Error,
		Title:     "what answers on {server} is not Kerberos ({kdc})",
		Means:     "Something answers on the KDC's port, and what it says is no Kerberos message: a proxy, TLS inspection, or another service.",
		Cause:     "{transport} {server}: {error}.",
		Remedy:    "find what listens there: openssl s_client -connect {server} </dev/null; route port 88 around the proxy, or correct the KDC's address",
		DependsOn: serverCauses(),
		match: kdcMatch(func(k *kdcAddr) bool {
			return reason(k.tcp, probe.ReasonMalformed) || reason(k.udp, probe.ReasonMalformed) || reason(k.tcp, probe.ReasonClosed) && !answered(k.udp)
		}),
	}, {
		Code: "kdc-unavailable", Severity: Warning,
		Title:     "KDC {kdc} ({server}) says that it is unavailable",
		Means:     "The KDC answers with KDC_ERR_SVC_UNAVAILABLE (29): it is starting, or overloaded, or cannot reach its database.",
		Cause:     "{server} answered error 29.",
		Remedy:    "wait a minute and run kerbagent check again; if it stays, look at the domain controller {kdc} (services, load, replication)",
		DependsOn: serverCauses(),
		match: kdcMatch(func(k *kdcAddr) bool {
			return reason(k.udp, probe.ReasonKRBServiceUnavailable) || reason(k.tcp, probe.ReasonKRBServiceUnavailable)
		}),
	}, {
		Code: "kdc-wrong-realm", Severity: Error,
		Title:     "KDC {kdc} ({server}) does not serve {realm}",
		Means:     "The KDC answers, but for another realm: it does not know a user whom another KDC of the realm knows, or says so outright (KDC_ERR_WRONG_REALM).",
		Cause:     "{server} {seen}.",
		Remedy:    "take {kdc} out of the KDCs of {realm} (kerbagent.yaml: realms: {realm}: kdcs; krb5.conf; or the SRV record that names it)",
		DependsOn: serverCauses(),
		match:     kdcWrongRealm,
	}, {
		Code: "kdc-hung", Severity: Warning,
		Title:     "KDC {kdc} ({server}) accepts connections and says nothing",
		Means:     "TCP 88 connects, and no answer comes. A stuck KDC process; or a proxy in between accepts for a KDC that it cannot reach. libkrb5 waits 10 seconds for it.",
		Cause:     "{seen}. A SYN proxy or a load balancer in front of a dead KDC looks the same.",
		Remedy:    "restart the KDC service on {kdc}; until then put it last in krb5.conf; check: KRB5_TRACE=/dev/stderr kinit {user}",
		DependsOn: serverCauses(),
		match:     kdcMatch(func(k *kdcAddr) bool { return reason(k.tcp, probe.ReasonTCPSilent) }),
	}, {
		Code: "kdc-refused", Severity: Warning,
		Title:     "KDC {kdc} refuses connections on {server}",
		Means:     "Port 88 refuses (RST or ICMP port unreachable): the host is there, no KDC listens.",
		Cause:     "{seen}.",
		Remedy:    "check that {kdc} is the right host and that its KDC service runs; a firewall that rejects looks the same: nc -vz {nc}",
		DependsOn: serverCauses(),
		match:     kdcMatch(func(k *kdcAddr) bool { return reason(k.tcp, probe.ReasonRefused) && !answered(k.udp) }),
	}, {
		Code: "kdc-silent", Severity: Warning,
		Title:     "KDC {kdc} does not answer on {server}",
		Means:     "One KDC address answers on neither transport, and TCP does not connect.",
		Cause:     "{seen}.",
		Remedy:    "open TCP and UDP 88 to {ip}: security group, NACL, on-premises firewall; check: nc -vz {nc}",
		DependsOn: serverCauses(),
		match: kdcMatch(func(k *kdcAddr) bool {
			return reason(k.tcp, probe.ReasonConnectTimeout, probe.ReasonUnreachable, probe.ReasonForbidden) && !answered(k.udp)
		}),
	}, {
		Code: "kdc-tcp-blocked", Severity: Error,
		Title:     "TCP 88 is blocked to {kdc} ({server}): every login with a PAC fails there",
		Means:     "The KDC answers over UDP and not over TCP. Active Directory's tickets do not fit into a datagram, so the client is told to use TCP (error 52), which does not get through.",
		Cause:     "UDP is answered; TCP: {seen}.",
		Remedy:    "open TCP 88 to {ip}: aws ec2 authorize-security-group-egress --group-id <sg-…> --protocol tcp --port 88 --cidr {ip}/32, and the same on any firewall in between; check: nc -vz {nc}",
		DependsOn: serverCauses(),
		match: kdcMatch(func(k *kdcAddr) bool {
			return onPath(k.tcp) && k.tcp.Reason != probe.ReasonTCPSilent && answered(k.udp)
		}),
	}, {
		Code: "kdc-udp-blocked", Severity: Warning,
		Title:     "UDP 88 is blocked to {kdc} ({server})",
		Means:     "The KDC answers over TCP and not over UDP. Clients that try UDP first wait a second or more for each exchange.",
		Cause:     "TCP is answered; UDP: {seen}.",
		Remedy:    "open UDP 88 to {ip} (and the answers back), or set udp_preference_limit = 1 in krb5.conf so that clients use TCP",
		DependsOn: serverCauses(),
		match:     kdcMatch(func(k *kdcAddr) bool { return onPath(k.udp) && answered(k.tcp) }),
	}, {
		Code: "kdc-large-messages-lost", Severity: Warning,
		Title:     "large messages to or from {kdc} ({server}) are lost",
		Means:     "Small exchanges with the KDC work, large ones vanish: fragments are dropped, or packets are too big for a path that filters ICMP. The request is as large as the reply, so which direction loses it stays open.",
		Cause:     "An exchange of 3,000 bytes got no answer over {lost}, a small one did.",
		Remedy:    "let ICMP type 3 code 4 through, clamp the MSS on the VPN, or lower the MTU; find the size: ping -M do -s 1472 {ip}; for UDP alone: udp_preference_limit = 1",
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

// joined makes one match for each realm of matches on single addresses.
func joined(ms []match) []match {
	var out []match
	byRealm := map[string]int{}
	for _, m := range ms {
		realm := m.affects[0].Facts[probe.FactRealm]
		if i, have := byRealm[realm]; have {
			out[i].join(m)
			continue
		}
		byRealm[realm] = len(out)
		out = append(out, m)
	}
	return out
}

// join takes in the same trouble at another address. The words of a command
// stay those of the first one.
func (m *match) join(other match) {
	m.affects = append(m.affects, other.affects...)
	m.explains = append(m.explains, other.explains...)
	m.spare = m.spare && other.spare
	for _, w := range []string{"server", "kdc"} {
		if !slices.Contains(strings.Split(m.words[w], ", "), other.words[w]) {
			m.words[w] += ", " + other.words[w]
		}
	}
	if other.words["seen"] != "" && m.words["seen"] != other.words["seen"] {
		m.words["seen"] += "; " + other.words["seen"]
	}
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
	w["seen"], w["nc"] = each(present(k.udp, k.tcp)), fmt.Sprintf("%s %d", w["ip"], k.addr.Port())
	if failed[0].Err != nil {
		w["error"] = failed[0].Err.Error()
	}
	m.words, m.evidence = w, evidenceOf(failed[0], probe.FactKRBCode, probe.FactKRBText)
	m.explains = v.loginsAt(k)
	if !m.spare {
		m.explains = append(m.explains, v.loginsNeeding(k.facts[probe.FactRealm], probe.ReasonKRBServiceUnavailable, probe.ReasonMalformed)...)
	}
	if !answered(k.tcp) && !answered(k.udp) {
		for _, p := range v.kpw {
			if p.addr.Addr() == k.addr.Addr() && noneAnswered(p.results()) {
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
		case k.saysCode("6") && v.anotherKnowsUser(k):
			says = "does not know the user (error 6), another KDC of the realm does"
		default:
			continue
		}
		rs := present(k.udp, k.tcp)
		m := match{affects: rs, spare: v.spareFor(k), words: wordsOf(rs[0]).and(words{"seen": says})}
		for _, l := range v.failedLogins(probe.ReasonKRBClientUnknown, probe.ReasonKRBWrongRealm) {
			if l.Facts[probe.FactKDC] == k.addr.String() {
				m.explains = append(m.explains, l)
			}
		}
		out = append(out, m)
	}
	return joined(out)
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
		lost := ""
		if lostUDP {
			m.affects, lost = append(m.affects, k.bigUDP), "UDP"
		}
		if lostTCP {
			m.affects, lost = append(m.affects, k.bigTCP), "TCP"
			m.explains = v.loginsAt(k)
			if !m.spare {
				m.explains = append(m.explains, v.loginsNeeding(k.facts[probe.FactRealm])...)
			}
		}
		if lostUDP && lostTCP {
			lost = "UDP and TCP"
		}
		m.words = wordsOf(m.affects[0]).and(words{"lost": lost, "seen": each(m.affects)})
		out = append(out, m)
	}
	return joined(out)
}
