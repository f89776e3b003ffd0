package diagnose

import (
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

func hostRules() []Rule {
	offline, ipv6 := hostOfflineRule(), ipv6Rule()
	return slices.Concat([]Rule{resourcesRule(), offline}, lossRules(), slowRules(), []Rule{ipv6, namesDifferRule()})
}

func hostOfflineRule() Rule {
	return Rule{
		Code: "host-offline", Severity: Error,
		Title:  "this host cannot send: {seen}",
		Means:  "No packet left this host: there is no route, or this host's own rules forbid sending. Nothing is known about the servers, because no packet reached them.",
		Cause:  "Probes that ended this way: {count} ({seen}). \"No route\" comes from this host's kernel or a router (EHOSTUNREACH, ENETUNREACH), \"not permitted\" from this host itself, mostly its packet filter (EPERM, EACCES).",
		Remedy: do("Look at this host's routes and at its packet filter for outgoing packets. If there is no route, bring the network interface up or add the route. If a rule forbids sending, change it: let packets out to DNS (53), Kerberos (88, 464) and the database's port.", "ip route get {ip}", "nft list ruleset", "iptables -S OUTPUT"),
		Single: true,
		match:  hostOffline,
	}
}

func resourcesRule() Rule {
	return Rule{
		Code: "host-out-of-resources", Severity: Error,
		Title:  "this host is out of file descriptors, memory or network buffers",
		Means:  "Probes could not be sent because the kernel of this host had no file descriptor, memory or socket buffer left for them (EMFILE, ENFILE, ENOMEM, ENOBUFS). Nothing is known about the servers that were to be asked. If the limit is the host's and not kerbagent's own, other programs on this host fail in the same way.",
		Cause:  "Probes that ended this way: {count}. The first: {error}.",
		Remedy: do("Find the program that uses them up and stop it, or raise the limit (LimitNOFILE= of the unit, or fs.file-max).", "cat /proc/sys/fs/file-nr", "ls /proc/$(pgrep -o kerbagent)/fd | wc -l", "ss -s", "free -m", "journalctl -k -g 'out of memory'"),
		match: func(v *view) []match {
			var short []*probe.Result
			for _, r := range v.all {
				if reason(r, probe.ReasonNoResources) {
					short = append(short, r)
				}
			}
			if len(short) == 0 {
				return nil
			}
			w := words{"count": count(len(short)), "error": ""}
			if short[0].Err != nil {
				w["error"] = short[0].Err.Error()
			}
			return []match{{affects: short, words: w}}
		},
	}
}

func ipv6Rule() Rule {
	return Rule{
		Code: "ipv6-broken", Severity: Warning,
		Title:     "{target} answers over IPv4 but not over IPv6",
		Means:     "A name has both IPv6 and IPv4 addresses, but it answers only over IPv4. Programs that try IPv6 first wait for a timeout before each login.",
		Cause:     "No probe of {target} over IPv6 was answered ({seen}), probes of the same name over IPv4 were.",
		Remedy:    do("Open the path for IPv6: security groups and network ACLs have separate rules for it. Or have the AAAA records removed from DNS, if nobody uses them.", "ip -6 route get {ip6}", "ping -6 -c 3 {ip6}", "nc -vz -w 3 {ip6} {port}"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow"},
		match:     ipv6Broken,
	}
}

func namesDifferRule() Rule {
	return Rule{
		Code: "names-differ", Severity: Warning,
		Title: "this host resolves {kdc} to {ips}, which the DNS of {domain} does not have",
		Means: "Programs on this host resolve a name of the realm to an address that the realm's own DNS servers do not have. The address comes from /etc/hosts, or from a DNS server with its own copy of the zone. If nothing answers at that address, the record is stale and this is a warning: programs lose time there, or fail. If a server answers, this is information only, because two views of one zone are often intended.",
		Cause: "{kdc} is {ips} on this host only: {seen}.",
		Remedy: do("See which source has the address (/etc/hosts, or the DNS server in /etc/resolv.conf), and correct it there.", "getent ahosts {kdc}", "dig {kdc} A",
			"grep -n {kdc} /etc/hosts"),
		DependsOn: []Code{"host-offline", "path-lossy", "server-slow"},
		match:     namesDiffer,
	}
}

func namesDiffer(v *view) []match {
	var out []match
	for _, k := range v.kdcs {
		if k.facts[probe.FactHostOnly] == "" || v.refusedBesideSilent(k) {
			continue
		}
		rs := present(k.udp, k.tcp)
		m := match{affects: rs, severity: Info, words: wordsOf(rs[0]).and(words{"ips": k.addr.Addr().Unmap().String(), "seen": "a KDC answers there"})}
		if k.dead() {
			m.severity, m.words["seen"] = Warning, each(rs)
			m.explains = append(v.sameHosts(rs), v.loginsAt(k)...)
			m.explains = append(m.explains, k.results()...)
			if !slices.ContainsFunc(v.kdcsOf(k.facts[probe.FactRealm]), func(o *kdcAddr) bool { return o.facts[probe.FactHostOnly] != "" && o.usable() }) {
				m.explains = append(m.explains, v.loginsNeeding(k.facts[probe.FactRealm])...)
			}
		}
		out = append(out, m)
	}
	return out
}

// refusedBesideSilent reports whether a machine refuses at the address that this host alone
// has, and none is heard at those of the realm's own DNS for the same name: then it is
// the realm's record that is the old one.
func (v *view) refusedBesideSilent(k *kdcAddr) bool {
	silent := 0
	for _, o := range v.kdcsOf(k.facts[probe.FactRealm]) {
		if o.target != k.target || o.facts[probe.FactHostOnly] != "" {
			continue
		}
		for _, r := range o.results() {
			if answered(r) || !lostOnTheWay(r) {
				return false
			}
		}
		silent++
	}
	refused := func(r *probe.Result) bool { return reason(r, probe.ReasonRefused) }
	return silent > 0 && slices.ContainsFunc(k.results(), refused)
}

func hostOffline(v *view) []match {
	var stuck, lost []*probe.Result
	reached := false
	for _, r := range v.all {
		switch {
		case r.ID.Kind == probe.Krb5Conf || r.ID.Kind == probe.Application: // a file is read without a network
		case answered(r):
			reached = true
		case reason(r, probe.ReasonForbidden):
			stuck = append(stuck, r)
		case r.Outcome == probe.Failed && (onPath(r) || reason(r, probe.ReasonUnresolvable, probe.ReasonCanceled)):
			lost = append(lost, r)
		}
	}
	if !reached {
		unreachable := slices.DeleteFunc(slices.Clone(lost), func(r *probe.Result) bool { return r.Reason != probe.ReasonUnreachable })
		// A server that only its router calls unreachable is one server's
		// trouble; a host is offline when that is all that it hears.
		if len(unreachable)*2 > len(lost) {
			stuck = append(stuck, unreachable...)
		}
	}
	// Where another target answers, this host can send: a router on the way to
	// this one forbids it (ICMPv6 "administratively prohibited" is EACCES too,
	// RFC 4443 §3.1), and the rules about that target say so.
	if len(stuck) == 0 || reached {
		return nil
	}
	return []match{{affects: stuck, explains: lost, words: words{"count": count(len(stuck)), "seen": seen(stuck), "ip": ipOf(stuck)}}}
}

// ipv6Broken goes by names, which have addresses of both families: a service of
// a name is lost over IPv6 and heard over IPv4, or a machine is heard over IPv4
// and at its IPv6 address nothing is, whichever service was asked. A DNS server
// is asked by its address, so that one alone proves nothing.
func ipv6Broken(v *view) []match {
	var broken []*probe.Result
	var targets []string
	ips := map[netip.Addr]bool{}
	for _, r := range v.all {
		if r.ID.Kind == probe.DNS || r.ID.Family() != "ipv6" || !lostOnTheWay(r) {
			continue
		}
		sameService := func(o *probe.Result) bool { return o.ID.Kind == r.ID.Kind && o.ID.Target == r.ID.Target }
		sameMachine := func(o *probe.Result) bool { return o.ID.Address.Addr() == r.ID.Address.Addr() || v.sameName(o, r) }
		if v.onlyOverIPv4(sameService) || v.onlyOverIPv4(sameMachine) {
			broken = append(broken, r)
			targets = appendNew(targets, r.ID.Target)
			ips[r.ID.Address.Addr()] = true
		}
	}
	if len(broken) == 0 {
		return nil
	}
	for _, r := range v.all {
		if r.ID.Kind == probe.DNS && onPath(r) && ips[r.ID.Address.Addr()] {
			broken = append(broken, r)
		}
	}
	return []match{{affects: broken, words: wordsOf(broken[0]).and(words{"target": few(targets), "seen": seen(broken), "ip6": ipOf(broken)})}}
}

// lostOnTheWay reports whether nothing came back: who refuses, or takes a connection, was reached.
func lostOnTheWay(r *probe.Result) bool {
	return onPath(r) && !reason(r, probe.ReasonRefused, probe.ReasonClosed, probe.ReasonTCPSilent)
}

// sameName reports whether both results are of one machine, by its name.
func (v *view) sameName(a, b *probe.Result) bool {
	ofA, named := v.hosts[a.ID.Address.Addr()]
	ofB, also := v.hosts[b.ID.Address.Addr()]
	return named && also && ofA == ofB
}

// onlyOverIPv4 says that of these results all over IPv6 were lost on the way,
// and one of the same sort over IPv4 was answered.
func (v *view) onlyOverIPv4(of func(*probe.Result) bool) bool {
	var heard, lost []probe.Kind
	for _, r := range v.all {
		if !r.ID.Address.IsValid() || r.Outcome == probe.Skipped || !of(r) {
			continue
		}
		switch r.ID.Family() {
		case "ipv6":
			if !lostOnTheWay(r) {
				return false
			}
			lost = append(lost, r.ID.Kind)
		case "ipv4":
			if answered(r) {
				heard = append(heard, r.ID.Kind)
			}
		}
	}
	return slices.ContainsFunc(heard, func(k probe.Kind) bool { return slices.Contains(lost, k) })
}
