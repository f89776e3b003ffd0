package diagnose

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

func loginRules() []Rule {
	return []Rule{{
		Code: "login-paused", Severity: Error,
		Title: "login of {user} is paused: the answers to its last attempts were lost",
		Means: "kerbagent tried this secret twice and received no answer. The directory may have counted each attempt as a wrong password. Another attempt could lock the account, so kerbagent waits half an hour. A login whose secret was refused is paused too, but has the code of the refusal, for example password-wrong.",
		Cause: "{error}.",
		Remedy: do("Find out why the answers are lost (see the other findings), and remove the cause. kerbagent makes the next attempt after half an hour. The second command makes one now. CAUTION: the directory may count it as a wrong password, and lock the account.",
			"kerbagent check", "kerbagent check --ignore-breaker"),
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool {
				return r.Outcome == probe.Skipped && r.Reason == probe.ReasonPaused && r.Facts[probe.FactFailedAt] != probe.AtDatabase
			})
		},
	}, {
		Code: "login-slow", Severity: Warning,
		Title:  "logins take about {late} s longer than they should",
		Means:  "Programs on this host lose time at each login: they first ask name servers, KDCs or database addresses that do not answer, or answer late, and wait each time. If a program needs more than 45 s for its tickets, the login counts as failed: nobody waits that long. kerbagent itself waits less. The time shown is calculated: how long libkrb5, the C library and the kernel wait.",
		Cause:  "A program loses about {late} s at: {seen}.",
		Remedy: do("Repair the servers that do not answer. If they no longer exist, remove them where they are named: /etc/resolv.conf, krb5.conf or DNS.", "KRB5_TRACE=/dev/stderr kinit {user}", "getent ahosts {host}"),
		DependsOn: append(kdcCauses(), "dns-server-silent", "dns-udp-blocked", "dns-filtered", "dns-srv-stale", "dns-zone-missing", "dns-refused", "db-silent", "db-refused",
			"db-connection-cut"),
		match: loginSlow,
	}}
}

// slowLogin is what is worth a finding, in seconds.
const slowLogin = 1

// loginSlow joins logins that lose time at the same places. Where a finding is about
// these places, it says how late logins are.
func loginSlow(v *view) []match {
	var out []match
	var at [][]string
	byPlaces := map[string]int{}
	for _, l := range v.logins {
		if l.Outcome != probe.OK && !reason(l, probe.ReasonTooLate) {
			continue
		}
		lost := v.programWait(l)
		places := strings.Join(lost.places, "; ")
		if places == "" && l.Err != nil && l.Outcome != probe.OK {
			places = l.Err.Error()
		}
		if lost.wait.Seconds() < slowLogin || places == "" {
			continue
		}
		if i, have := byPlaces[places]; have {
			out[i].explains = append(out[i].explains, l)
			continue
		}
		byPlaces[places] = len(out)
		at = append(at, lost.at)
		out = append(out, match{affects: v.failedAt(lost.at), explains: []*probe.Result{l}, evidence: evidenceOf(l, probe.FactPassed),
			words: wordsOf(l).and(words{"late": count(int(lost.wait.Seconds() + 0.5)), "seen": places})})
	}
	for i := range out {
		out[i].says = "Logins are about " + out[i].words["late"] + " s late by it: " + out[i].words["seen"]
		if lost := v.lostOnTheWay(at[i]); len(lost) > 0 {
			out[i].affects = lost
		}
		if len(out[i].affects) == 0 {
			out[i].affects = out[i].explains
		}
	}
	return out
}

// lostOnTheWay returns what path-lossy affects where it accounts for what a login lost at some addresses: what else was
// not answered there is lost as well; where all was answered since, packets are lost to that machine, or to several.
func (v *view) lostOnTheWay(at []string) []*probe.Result {
	found := pathLossy(v)
	if len(found) == 0 {
		return nil
	}
	all := v.lossesByAddress()
	for _, a := range at {
		failed := v.failedAt([]string{a})
		if slices.ContainsFunc(failed, func(r *probe.Result) bool { return !slices.Contains(found[0].affects, r) }) {
			return nil
		}
		here := func(l *losses) bool {
			p, err := netip.ParseAddrPort(a)
			return err == nil && l.lossy() && l.addr == p.Addr()
		}
		if len(failed) == 0 && !v.everywhere(all) && !slices.ContainsFunc(all, here) {
			return nil
		}
	}
	return found[0].affects
}

// failedAt returns what was not answered on the path at any of the addresses, or only late.
func (v *view) failedAt(addrs []string) []*probe.Result {
	var out []*probe.Result
	for _, r := range v.all {
		if r.ID.Kind != probe.Login && r.ID.Address.IsValid() && slices.Contains(addrs, r.ID.Address.String()) && (onPath(r) || lostBefore(r) > 0) {
			out = append(out, r)
		}
	}
	return out
}

// Codes of what nothing else explains.
const (
	codeLoginFailed Code = "login-failed"
	codeProbeFailed Code = "probe-failed"
)

// lastRules make sure that no failure goes without a finding.
func lastRules() []Rule {
	var all []Code
	for _, g := range [][]Rule{hostRules(), dnsRules(), serverRules(), kdcRules(), clockRules(), kpasswdRules(), databaseRules(),
		secretRules(), accountRules(), proofRules(), databaseAccountRules(), clusterRules(), serviceRules(), acceptRules(), loginRules(), fileRules(), krb5confKDCRules(), applicationRules()} {
		for _, r := range g {
			all = append(all, r.Code)
		}
	}
	return []Rule{{
		Code: codeLoginFailed, Severity: Error,
		Title:     "the login of {user} to database {database} fails",
		Means:     "The login failed, and no other finding code describes how.",
		Cause:     "{kdcseen} {error}.",
		Remedy:    do("See which stage failed: the report of kerbagent check lists the stages of the login. Try to get a ticket by hand with the first command. Please report this failure to kerbagent's developers, with the output of the second command.", "KRB5_TRACE=/dev/stderr kinit {user}", "kerbagent check -o json"),
		DependsOn: all,
		match:     loginMatch(func(*probe.Result) bool { return true }),
	}, {
		Code: codeProbeFailed, Severity: Warning,
		Title:     "unexplained failure of {what}",
		Means:     "A probe failed, and no other finding code describes how: one packet was lost, an answer was unusual, or the run was cut short.",
		Cause:     "{what}: {error}.",
		Remedy:    do("Run the check again. If the failure is still there, please report it to kerbagent's developers, with the output of the second command.", "kerbagent check", "kerbagent check -o json"),
		DependsOn: append(slices.Clone(all), codeLoginFailed),
		match: func(v *view) []match {
			var out []match
			for _, r := range v.all {
				if r.ID.Kind == probe.Login || r.Outcome != probe.Failed || v.harmless(r) {
					continue
				}
				w := wordsOf(r).and(words{"what": r.ID.String() + " (" + string(r.Reason) + ")"})
				if r.Err != nil {
					w["error"] = r.Err.Error()
				}
				m := match{affects: []*probe.Result{r}, words: w}
				if r.ID.Kind == probe.KDC && reason(r, probe.ReasonUnresolvable) && len(v.kdcsOf(r.Facts[probe.FactRealm])) == 0 {
					m.severity = Error // there is nobody to log in to
				}
				out = append(out, m)
			}
			return out
		},
	}}
}

// harmless are answers that are no fault: a name without an address in one
// family, a truncated answer where TCP is there to ask again, no SOA where the
// realm's records stand in the zone above, and of URI and SRV records only one sort.
func (v *view) harmless(r *probe.Result) bool {
	if reason(r, probe.ReasonDNSNoData) && strings.HasPrefix(r.Facts[probe.FactQuestion], "SOA ") {
		return slices.ContainsFunc(v.dns, func(d *dnsServer) bool { return slices.Contains(d.results, r) && d.knowsZone() })
	}
	if question := r.Facts[probe.FactQuestion]; r.ID.Kind == probe.DNS && reason(r, probe.ReasonDNSNoData, probe.ReasonDNSNXDomain) {
		if strings.HasPrefix(question, "URI ") || strings.HasPrefix(question, "SRV ") && v.byURI(r.Facts[probe.FactRealm]) {
			return true
		}
	}
	return r.ID.Kind == probe.DNS && (reason(r, probe.ReasonDNSNoData) && strings.HasPrefix(r.Facts[probe.FactQuestion], "A") ||
		reason(r, probe.ReasonDNSTruncated) || r.Facts[probe.FactDatabase] != "")
}
