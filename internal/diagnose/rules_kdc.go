package diagnose

import (
	"fmt"
	"math"
	"slices"
	"time"

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

// kdcMatch makes a rule about single KDC addresses from a condition.
func kdcMatch(holds func(*kdcAddr) bool) func(*view) []match {
	return func(v *view) []match {
		var out []match
		for _, k := range v.kdcs {
			if holds(k) {
				out = append(out, v.kdcTrouble(k))
			}
		}
		return out
	}
}

// kdcTrouble is a match on all of an address's failed exchanges. It accounts
// for logins when no other KDC of the realm is usable, and for kpasswd at the
// same address when that is dead too: one process serves both on a controller.
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
	if !m.spare {
		m.explains = v.loginsNeeding(k.facts[probe.FactRealm], probe.ReasonKRBServiceUnavailable, probe.ReasonMalformed)
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
	return out
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
			if !m.spare {
				m.explains = v.loginsNeeding(k.facts[probe.FactRealm])
			}
		}
		if lostUDP && lostTCP {
			lost = "UDP and TCP"
		}
		m.words = wordsOf(m.affects[0]).and(words{"lost": lost})
		out = append(out, m)
	}
	return out
}

func clockRules() []Rule {
	return []Rule{{
		Code: "clock-skew", Severity: Error,
		Title:     "this host's clock is {skew} that of every KDC of {realm}",
		Means:     "Every KDC that answers has a clock that differs from this host's. Beyond 5 minutes tickets are refused (KRB_AP_ERR_SKEW, 37).",
		Cause:     "{seen}. The limit is 5 minutes.",
		Remedy:    "chronyc tracking; timedatectl; in AWS the clock is at 169.254.169.123: chronyc makestep",
		DependsOn: []Code{"host-offline"},
		match:     clockSkew,
	}, {
		Code: "clock-skew-one-kdc", Severity: Warning,
		Title:     "the clock of KDC {kdc} ({server}) is {skew} this host's",
		Means:     "One KDC's clock differs from this host's while another one's does not. Logins fail or work with the KDC that was asked.",
		Cause:     "{seen}.",
		Remedy:    "on {kdc}: w32tm /query /status (Windows) or chronyc tracking; set its clock right",
		DependsOn: []Code{"host-offline", "clock-skew"},
		match:     clockSkewOne,
	}}
}

// skews gives the skew of each KDC address of a realm, in seconds, theirs minus ours.
func (v *view) skews(realm string) (ks []*kdcAddr, skew map[*kdcAddr]float64) {
	skew = map[*kdcAddr]float64{}
	for _, k := range v.kdcsOf(realm) {
		for _, r := range present(k.tcp, k.udp) {
			if s, ok := r.Samples[probe.SampleSkew]; ok {
				skew[k] = s
				ks = append(ks, k)
				break
			}
		}
	}
	return ks, skew
}

func off(skew float64) bool { return math.Abs(skew) >= skewWarn.Seconds() }

// skewWord says "10m0s ahead of" or "10m0s behind".
func skewWord(s float64) string {
	d := time.Duration(math.Abs(s) * float64(time.Second)).Round(time.Second)
	if s < 0 {
		return d.String() + " behind"
	}
	return d.String() + " ahead of"
}

func clockSkew(v *view) []match {
	var out []match
	for _, realm := range v.realms() {
		ks, skew := v.skews(realm)
		m := match{explains: v.failedLogins(probe.ReasonKRBSkew)}
		worst, all := 0.0, ""
		for _, k := range ks {
			if !off(skew[k]) {
				ks = nil // one clock agrees with ours
				break
			}
			m.affects = append(m.affects, present(k.udp, k.tcp)...)
			if math.Abs(skew[k]) > math.Abs(worst) {
				worst = skew[k]
			}
			all += fmt.Sprintf("; %s is %s this host", k.addr, skewWord(skew[k]))
		}
		if len(ks) == 0 {
			continue
		}
		m.explains = append(m.explains, v.rejectedTickets(worst)...)
		m.spare = math.Abs(worst) < SkewLimit.Seconds()
		m.words = wordsOf(m.affects[0]).and(words{"skew": skewWord(-worst), "seen": all[2:]})
		m.evidence = map[string]string{"clock_skew_seconds": fmt.Sprintf("%.3f", worst)}
		out = append(out, m)
	}
	return out
}

// rejectedTickets: with a clock far off, a database refuses even good tickets.
func (v *view) rejectedTickets(skew float64) []*probe.Result {
	if math.Abs(skew) < SkewLimit.Seconds() {
		return nil
	}
	return v.failedLogins(probe.ReasonDBTicketRejected)
}

func clockSkewOne(v *view) []match {
	var out []match
	for _, realm := range v.realms() {
		ks, skew := v.skews(realm)
		if len(ks) < 2 {
			continue
		}
		var fine []*kdcAddr
		for _, k := range ks {
			if !off(skew[k]) {
				fine = append(fine, k)
			}
		}
		if len(fine) == 0 {
			continue
		}
		for _, k := range ks {
			if !off(skew[k]) {
				continue
			}
			m := match{affects: present(k.udp, k.tcp), evidence: map[string]string{"clock_skew_seconds": fmt.Sprintf("%.3f", skew[k])}}
			for _, l := range append(v.failedLogins(probe.ReasonKRBSkew), v.rejectedTickets(skew[k])...) {
				if l.Facts[probe.FactKDC] == k.addr.String() {
					m.explains = append(m.explains, l)
				}
			}
			m.words = wordsOf(m.affects[0]).and(words{"skew": skewWord(skew[k]),
				"seen": fmt.Sprintf("%s is %s this host; %s agrees with it", k.addr, skewWord(skew[k]), fine[0].addr)})
			out = append(out, m)
		}
	}
	return out
}

func kpasswdRules() []Rule {
	return []Rule{{
		Code: "kpasswd-blocked", Severity: Warning,
		Title:     "password changes are blocked: {kdc} ({server}) {seen}",
		Means:     "Port 464 answers on neither transport, or on one only. Users whose password has expired cannot change it from here, and kinit says so in a confusing way.",
		Cause:     "{seen}; the KDC at the same address answers.",
		Remedy:    "open {blocked} 464 to {ip}; check: nc -vz {nc}",
		DependsOn: append(serverCauses(), "kdc-hung", "kdc-silent", "kdc-refused"),
		match:     kpasswdBlocked,
	}}
}

func kpasswdBlocked(v *view) []match {
	var out []match
	for _, p := range v.kpw {
		var bad []*probe.Result
		blocked := ""
		for _, r := range p.results() {
			if r.Outcome == probe.Failed {
				bad = append(bad, r)
				if blocked != "" {
					blocked += " and "
				}
				blocked += map[probe.Transport]string{probe.UDP: "UDP", probe.TCP: "TCP"}[r.ID.Transport]
			}
		}
		if len(bad) == 0 {
			continue
		}
		what := "answers over neither UDP nor TCP"
		if len(bad) == 1 && len(p.results()) == 2 {
			what = "does not answer over " + blocked
		}
		w := wordsOf(bad[0])
		out = append(out, match{affects: bad, words: w.and(words{"seen": what + " (" + seen(bad) + ")", "blocked": blocked, "nc": fmt.Sprintf("%s %d", w["ip"], p.addr.Port())}),
			evidence: evidenceOf(bad[0])})
	}
	return out
}
