package diagnose

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

func krb5confKDCRules() []Rule {
	return []Rule{{
		Code: "krb5conf-kdcs-differ", Severity: Error,
		Title: "the krb5.conf and kerbagent.yaml name different KDCs for {realm}",
		Means: "Programs on this host, and kerbagent's own logins, ask the KDCs that the krb5.conf names. kerbagent probes those of kerbagent.yaml. A KDC that only the krb5.conf names is used and not watched; one that only kerbagent.yaml names is watched, and no program falls back to it. The order of the KDCs does not matter. Two names of the same address count as one KDC.",
		Cause: "Programs, and kerbagent's logins, use the KDCs of the krb5.conf; the probes use those of kerbagent.yaml (kdcs of realm {realm}). {seen}.",
		Remedy: do("Find out which of the two is right. If it is the krb5.conf, change kdcs of realm {realm} in kerbagent.yaml and reload the service. If it is kerbagent.yaml, change the krb5.conf: diff shows what kerbagent would write, apply writes it.",
			"kerbagent krb5conf lint", "kerbagent krb5conf diff", "kerbagent krb5conf apply", "systemctl reload kerbagent"),
		match: kdcsDiffer,
	}}
}

// namedKDC is a KDC as a file names it.
type namedKDC struct {
	server string // host:port, in lower case
	place  string // of the krb5.conf
	addrs  []netip.AddrPort
}

// same reports whether two names are of one KDC.
func (k namedKDC) same(o namedKDC) bool {
	return k.server == o.server || slices.ContainsFunc(k.addrs, func(a netip.AddrPort) bool { return slices.Contains(o.addrs, a) })
}

// kdcsDiffer compares what krb5.conf and kerbagent.yaml name for each realm on a login's way.
func kdcsDiffer(v *view) []match {
	var out []match
	for _, realm := range v.names {
		byFile := map[string][]*probe.Result{}
		for _, l := range v.logins {
			if text := l.Facts[probe.FactFileKDCs]; text != "" && l.Outcome != probe.Skipped {
				byFile[text] = append(byFile[text], l)
			}
		}
		if len(byFile) == 0 {
			continue // a look at everything for each of hundreds of realms is too much
		}
		configured := v.configuredKDCs(realm)
		for _, text := range sortedKeys(byFile) {
			written := writtenKDCs(realm, text)
			only, unused := lacking(written, configured), lacking(configured, written)
			if len(written) == 0 || len(configured) == 0 || len(only)+len(unused) == 0 {
				continue
			}
			if m, is := v.differs(realm, byFile[text], only, unused); is {
				out = append(out, m)
			}
		}
	}
	return out
}

// differs makes the match of logins that went by a krb5.conf. A login that failed for
// another reason shows nothing of it; where the file is to be kept, and is not as it
// should be, krb5conf-drift says so.
func (v *view) differs(realm string, logins []*probe.Result, only, unused []namedKDC) (match, bool) {
	m := match{severity: Warning, words: words{"realm": realm}, evidence: evidenceOf(logins[0], probe.FactFileKDCs)}
	broken := false
	for _, l := range logins {
		by := l.Outcome == probe.Failed && len(only) > 0 && (onPath(l) && l.Facts[probe.FactFailedRealm] == realm || askedOne(l, only))
		if broken = broken || by; by || l.Outcome == probe.OK {
			m.affects = append(m.affects, l)
		}
	}
	if len(m.affects) == 0 || !broken && v.drifted() {
		return m, false
	}
	var seen []string
	if len(only) > 0 {
		seen = append(seen, "Only the krb5.conf names "+serversOf(only))
	}
	if len(unused) > 0 {
		seen = append(seen, "only kerbagent.yaml names "+serversOf(unused))
	}
	text := clauses(seen)
	m.words["seen"] = strings.ToUpper(text[:1]) + text[1:]
	return m, true
}

// askedOne reports whether one of the KDCs decided a login.
func askedOne(l *probe.Result, kdcs []namedKDC) bool {
	addr, err := netip.ParseAddrPort(l.Facts[probe.FactKDC])
	return err == nil && slices.ContainsFunc(kdcs, func(k namedKDC) bool { return slices.Contains(k.addrs, addr) })
}

// drifted reports whether the krb5.conf is not what kerbagent would write there.
func (v *view) drifted() bool {
	return slices.ContainsFunc(v.all, func(r *probe.Result) bool {
		return r.ID.Kind == probe.Krb5Conf && r.Facts[probe.FactIssue] == "krb5conf-drift"
	})
}

// configuredKDCs returns the KDCs of a realm that kerbagent.yaml names; none where they are found by DNS.
func (v *view) configuredKDCs(realm string) []namedKDC {
	var out []namedKDC
	at := map[string]int{}
	for _, r := range v.all {
		if r.ID.Kind != probe.KDC || r.Facts[probe.FactRealm] != realm || r.Facts[probe.FactSource] != probe.SourceConfigured {
			continue
		}
		server := serverKey(r.ID.Target, "")
		if r.ID.Address.IsValid() {
			server = serverKey(r.ID.Target, count(int(r.ID.Address.Port())))
		}
		i, have := at[server]
		if !have {
			i, at[server] = len(out), len(out)
			out = append(out, namedKDC{server: server})
		}
		if a := netip.AddrPortFrom(r.ID.Address.Addr().Unmap(), r.ID.Address.Port()); a.IsValid() && !slices.Contains(out[i].addrs, a) {
			out[i].addrs = append(out[i].addrs, a)
		}
	}
	return out
}

// serverKey is a server in the one spelling by which names are compared.
func serverKey(host, port string) string {
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(host, ".")), port)
}

// writtenKDCs reads the fact of a login: "REALM host:port address,address place; …".
func writtenKDCs(realm, text string) []namedKDC {
	var out []namedKDC
	for entry := range strings.SplitSeq(text, "; ") {
		f := strings.SplitN(entry, " ", 4)
		if len(f) < 4 || f[0] != realm {
			continue
		}
		host, port, _ := net.SplitHostPort(f[1])
		k := namedKDC{server: serverKey(host, port), place: f[3]}
		for a := range strings.SplitSeq(f[2], ",") {
			if addr, err := netip.ParseAddrPort(net.JoinHostPort(a, port)); err == nil {
				k.addrs = append(k.addrs, addr)
			}
		}
		out = append(out, k)
	}
	return out
}

// lacking returns the KDCs that are not among the others. Where a name has no address
// now, it may be another one's: then nothing is said.
func lacking(kdcs, others []namedKDC) []namedKDC {
	if slices.ContainsFunc(others, func(o namedKDC) bool { return len(o.addrs) == 0 }) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(kdcs), func(k namedKDC) bool { return len(k.addrs) == 0 || slices.ContainsFunc(others, k.same) })
}

// serversOf lists KDCs with their places.
func serversOf(kdcs []namedKDC) string {
	var out []string
	for _, k := range kdcs {
		s := k.server
		if k.place != "" {
			s += " (" + k.place + ")"
		}
		out = append(out, s)
	}
	return few(out)
}

// orUnprobed adds to a rule about KDCs the logins that failed, for one of the reasons, at a KDC that no probe asks:
// the krb5.conf alone names it.
func orUnprobed(others func(*view) []match, reasons ...probe.Reason) func(*view) []match {
	return func(v *view) []match { return append(others(v), unprobed(v, reasons)...) }
}

func unprobed(v *view, reasons []probe.Reason) []match {
	var out []match
	at := map[string]int{}
	for _, l := range v.failedLogins(reasons...) {
		realm, kdc := l.Facts[probe.FactFailedRealm], l.Facts[probe.FactKDC]
		addr, err := netip.ParseAddrPort(kdc)
		if err != nil || l.Facts[probe.FactFailedAt] == probe.AtDatabase || v.kdcAt[kdcKey{addr, realm}] != nil {
			continue
		}
		written := slices.DeleteFunc(writtenKDCs(realm, l.Facts[probe.FactFileKDCs]), func(k namedKDC) bool {
			return slices.ContainsFunc(k.addrs, func(a netip.AddrPort) bool { return v.kdcAt[kdcKey{a, realm}] != nil })
		})
		if len(written) == 0 || len(v.configuredKDCs(realm)) > 0 { // krb5conf-kdcs-differ
			continue
		}
		i, have := at[realm+kdc]
		if !have {
			i, at[realm+kdc] = len(out), len(out)
			w := wordsOf(l).and(words{"realm": plain(realm), "domain": plain(domainOf(realm)), "kdc": plain(addr.Addr().String()), "address": kdc, "server": kdc, "place": kdc,
				"ip": addr.Addr().String(), "port": count(int(addr.Port()))})
			w["seen"] = kdc + ": " + said(l.Reason) + ". Only the krb5.conf names " + serversOf(written)
			out = append(out, match{words: w, evidence: evidenceOf(l, probe.FactFileKDCs)})
		}
		out[i].affects = append(out[i].affects, l)
	}
	return out
}
