package diagnose

import (
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

func hostRules() []Rule {
	return []Rule{{
		Code: "host-offline", Severity: Error,
		Title:  "this host cannot send: {seen}",
		Means:  "The kernel of this host refused to send, because it has no route or a rule on the host itself forbids it. No packet left, so nothing can be said of the servers.",
		Cause:  "{count} probes ended before a packet left the host: {seen}. Either there is no route (EHOSTUNREACH, ENETUNREACH) or a local firewall rule rejects what is sent (EPERM).",
		Remedy: "ip route get {ip}; nft list ruleset | grep -n -e reject -e drop; iptables -S OUTPUT",
		match:  hostOffline,
	}, {
		Code: "ipv6-broken", Severity: Warning,
		Title:     "IPv6 does not get through to {target}, IPv4 does",
		Means:     "A name has an IPv6 address (AAAA), packets to it vanish, and IPv4 works. Programs that try IPv6 first wait for a timeout before each login.",
		Cause:     "{target} has AAAA records, but no probe over IPv6 was answered ({seen}), while IPv4 to the same name was.",
		Remedy:    "traceroute -6 -n {ip6}; open IPv6 on the path (security groups and NACLs have rules of their own for it), or take the AAAA records out of DNS",
		DependsOn: []Code{"host-offline"},
		match:     ipv6Broken,
	}}
}

func hostOffline(v *view) []match {
	var stuck, lost []*probe.Result
	reached := false
	for _, r := range v.all {
		switch {
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
	if len(stuck) == 0 {
		return nil
	}
	m := match{affects: stuck, words: words{"count": count(len(stuck)), "seen": seen(stuck), "ip": ipOf(stuck)}}
	if !reached {
		m.explains = lost
	} else {
		m.explains = v.failedLogins(probe.ReasonForbidden)
	}
	return []match{m}
}

func ipv6Broken(v *view) []match {
	var broken []*probe.Result
	var targets []string
	for _, r := range v.all {
		if r.ID.Family() != "ipv6" || !onPath(r) {
			continue
		}
		lost, heard := true, false
		for _, other := range v.all {
			if other.ID.Kind != r.ID.Kind || other.ID.Target != r.ID.Target {
				continue
			}
			switch other.ID.Family() {
			case "ipv6":
				lost = lost && onPath(other)
			case "ipv4":
				heard = heard || answered(other)
			}
		}
		if lost && heard {
			broken = append(broken, r)
			if !slices.Contains(targets, r.ID.Target) && r.ID.Kind != probe.DNS {
				targets = append(targets, r.ID.Target)
			}
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return []match{{affects: broken, words: words{"target": list(targets), "seen": seen(broken), "ip6": ipOf(broken)}}}
}
