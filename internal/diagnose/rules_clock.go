package diagnose

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

func clockRules() []Rule {
	return []Rule{{
		Code: "clock-skew", Severity: Error,
		Title: "this host's clock is {skew} that of every KDC of {realm}",
		Means: "The clock of every KDC that answers differs from this host's by a minute or more. Beyond 5 minutes, a KDC refuses logins (KRB_AP_ERR_SKEW, 37). " +
			"Programs with libkrb5 or Heimdal use the KDC's time and can still log in, unless krb5.conf has kdc_timesync = 0. Java and Go programs (gokrb5) cannot. " +
			"If only one KDC answers, its clock may be the wrong one.",
		Cause:     "{seen}. The limit is 5 minutes.",
		Remedy:    do("Check this host's time source (in AWS 169.254.169.123), and correct it in the settings of chrony or systemd-timesyncd. Then set the clock right with the last command. CAUTION: it makes the clock jump, which some programs do not expect.", "timedatectl", "chronyc tracking", "chronyc makestep"),
		DependsOn: []Code{"host-offline"},
		match:     clockSkew,
	}, {
		Code: "clock-skew-one-kdc", Severity: Warning,
		Title:     "KDC {place}: its clock is off",
		Means:     "The clocks of some KDCs differ from this host's by a minute or more, while another KDC's clock agrees with this host's. If the difference is more than 5 minutes, a login works or fails depending on the KDC that was asked.",
		Cause:     "{seen}.",
		Remedy:    do("On {kdc}, check the time source, and set the clock right. CAUTION: the last command can make the clock of a domain controller jump.", "w32tm /query /status  # Windows", "chronyc tracking  # Linux", "w32tm /resync  # Windows"),
		DependsOn: []Code{"host-offline", "clock-skew"},
		match:     clockSkewOne,
	}}
}

// skews returns the skew of each KDC address of a realm, in seconds, theirs minus ours.
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

// skewWord reports "10 minutes ahead of" or "1m40s behind".
func skewWord(s float64) string {
	d := time.Duration(math.Abs(s) * float64(time.Second)).Round(time.Second)
	long := d.String()
	if minutes := d / time.Minute; d == minutes*time.Minute && minutes > 1 && minutes < 60 {
		long = fmt.Sprintf("%d minutes", minutes) // not 10m0s
	}
	if s < 0 {
		return long + " behind"
	}
	return long + " ahead of"
}

func clockSkew(v *view) []match {
	var out []match
	for _, realm := range v.names {
		ks, skew := v.skews(realm)
		m := match{explains: v.skewedLogins()}
		worst, all := 0.0, ""
		if !alike(ks, skew) || v.anotherClock(realm, ks[0], skew[ks[0]]) != "" {
			continue
		}
		for _, k := range ks {
			m.affects = append(m.affects, present(k.udp, k.tcp)...)
			if math.Abs(skew[k]) > math.Abs(worst) {
				worst = skew[k]
			}
			all += fmt.Sprintf("; %s is %s this host", k.addr, skewWord(skew[k]))
		}
		m.explains = append(m.explains, v.rejectedTickets(worst)...)
		all += v.thirdClock(realm, worst)
		corrected := v.correctedLogins(worst)
		if corrected {
			all += ". Programs with libkrb5 log in all the same, because they take the KDC's time (kdc_timesync); " +
				"Java and Go programs (gokrb5) go by this host's clock, and fail with KRB_AP_ERR_SKEW"
		}
		m.spare = math.Abs(worst) < SkewLimit.Seconds() || corrected
		m.words = wordsOf(m.affects[0]).and(words{"skew": skewWord(-worst), "seen": all[2:]})
		m.evidence = map[string]string{"clock_skew_seconds": fmt.Sprintf("%.3f", worst)}
		out = append(out, m)
	}
	return out
}

// correctedLogins reports whether every login works, and only because it takes the KDC's time.
func (v *view) correctedLogins(skew float64) bool {
	worked := func(l *probe.Result) bool {
		return l.Outcome == probe.OK && math.Abs(l.Samples[probe.SampleAhead]) >= skewWarn.Seconds()
	}
	return math.Abs(skew) >= SkewLimit.Seconds() && slices.ContainsFunc(v.logins, worked) && len(v.skewedLogins())+len(v.rejectedTickets(skew)) == 0
}

// thirdClock says what else is known of who is wrong, where every KDC of a realm differs
// from this host: a database's clock, or one of another realm, and what this host's kernel says of its own.
func (v *view) thirdClock(realm string, skew float64) (said string) {
	for _, r := range v.all {
		s, told := r.Samples[probe.SampleSkew]
		other := r.ID.Kind != probe.KDC || r.Facts[probe.FactRealm] != realm
		if told && other && !v.atRealm(r, realm) && math.Abs(s-skew) < skewWarn.Seconds() {
			said = "; " + clockOf(r) + " agrees with the KDCs: this host's clock is the wrong one"
			break
		}
	}
	for _, l := range v.rejectedTickets(skew) {
		if said == "" && math.Abs(l.Samples[probe.SampleAhead]) >= SkewLimit.Seconds() {
			said = "; the login took the KDCs' time, and database " + l.Facts[probe.FactDatabase] + " refuses the ticket: the KDCs' clocks may be the wrong ones"
		}
	}
	for _, k := range v.kdcsOf(realm) {
		for _, r := range present(k.tcp, k.udp) {
			if state := r.Facts[probe.FactHostClock]; state != "" {
				return said + "; this host's kernel says of its clock: " + state
			}
		}
	}
	return said
}

// clockOf names a server whose clock was read.
func clockOf(r *probe.Result) string {
	if r.ID.Kind == probe.Login {
		return "the clock of database " + r.Facts[probe.FactDatabase]
	}
	return "the clock of " + r.ID.Address.String()
}

// alike reports whether every KDC's clock is off, and all to the same side: then it
// is this host's that is wrong.
func alike(ks []*kdcAddr, skew map[*kdcAddr]float64) bool {
	for _, k := range ks {
		if !off(skew[k]) || skew[k]*skew[ks[0]] < 0 {
			return false
		}
	}
	return len(ks) > 0
}

// anotherClock names a server beyond the realm's KDCs whose clock agrees with
// this host's: then the KDCs are wrong, even where they all agree, or are one.
func (v *view) anotherClock(realm string, k *kdcAddr, skew float64) string {
	for _, r := range v.all {
		s, told := r.Samples[probe.SampleSkew]
		other := r.ID.Kind != probe.KDC || r.Facts[probe.FactRealm] != realm
		if told && other && !v.atRealm(r, realm) && math.Abs(s) < math.Abs(skew)/2 && !off(s) {
			return clockOf(r)
		}
	}
	return ""
}

// atRealm reports whether r comes from a machine that is a KDC of the realm: its
// kpasswd has the same clock.
func (v *view) atRealm(r *probe.Result, realm string) bool {
	for _, k := range v.kdcsOf(realm) {
		if k.addr.Addr() == r.ID.Address.Addr() || v.hosts[k.addr.Addr()] != "" && v.hosts[k.addr.Addr()] == v.hosts[r.ID.Address.Addr()] {
			return true
		}
	}
	return false
}

// skewedLogins returns the failed logins that a clock explains: besides
// KRB_AP_ERR_SKEW the tickets of one KDC that another one does not take yet
// (KRB_AP_ERR_TKT_NYV, 33), or takes no more.
func (v *view) skewedLogins() []*probe.Result {
	return slices.DeleteFunc(v.failedLogins(probe.ReasonKRBSkew, probe.ReasonKRBTicketExpired, probe.ReasonKRBError), func(l *probe.Result) bool {
		return reason(l, probe.ReasonKRBError) && l.Facts[probe.FactKRBCode] != "33" || l.Facts[probe.FactSecretType] == "ccache"
	})
}

// tookTime reports whether a login went by the time of a clock that is so far off: whoever
// was asked after that, a KDC of another realm say, refuses what is right by that clock.
func tookTime(l *probe.Result, skew float64) bool {
	ahead := l.Samples[probe.SampleAhead]
	return off(ahead) && math.Abs(ahead-skew) < skewWarn.Seconds()
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
	for _, realm := range v.names {
		ks, skew := v.skews(realm)
		if len(ks) == 0 {
			continue
		}
		third := v.anotherClock(realm, ks[0], skew[ks[0]])
		var fine []*kdcAddr
		for _, k := range ks {
			if !off(skew[k]) {
				fine = append(fine, k)
			}
		}
		agrees := "another one is off in the other direction"
		if len(fine) > 0 {
			agrees = fine[0].addr.String() + " agrees with it"
		} else if third != "" {
			agrees = third + " agrees with this host's"
		} else if alike(ks, skew) {
			continue // this host's clock, then
		}
		for _, k := range ks {
			if !off(skew[k]) {
				continue
			}
			m := match{affects: present(k.udp, k.tcp), evidence: map[string]string{"clock_skew_seconds": fmt.Sprintf("%.3f", skew[k])}}
			for _, l := range append(v.skewedLogins(), v.rejectedTickets(skew[k])...) {
				if k.asked(l) || tookTime(l, skew[k]) {
					m.explains = append(m.explains, l)
				}
			}
			m.words = wordsOf(m.affects[0]).and(words{"skew": skewWord(skew[k]),
				"seen": fmt.Sprintf("%s is %s this host; %s", k.addr, skewWord(skew[k]), agrees)})
			out = append(out, m)
		}
	}
	return joined(out)
}

func kpasswdRules() []Rule {
	return []Rule{{
		Code: "kpasswd-blocked", Severity: Warning,
		Title: "password change at {place}: no usable answer",
		Means: "The service that changes passwords (kpasswd, port 464) does not answer usably over UDP, over TCP, or over both. A user whose password has expired cannot change it from this host.",
		Cause: "{seen}.",
		Remedy: do("Open UDP and TCP from this host to {server}. If another host reaches it, the way from here is blocked. If no host does, have the service started: on a domain controller that is the KDC service, on an MIT KDC kadmind.", "nc -vz -w 3 {ip} {port}",
			"kerbagent check --realm {realm} --kdc {ip}"),
		DependsOn: append(serverCauses(), "kdc-hung", "kdc-silent", "kdc-refused"),
		match:     kpasswdBlocked,
	}}
}

func kpasswdBlocked(v *view) []match {
	var out []match
	for _, p := range v.kpw {
		var bad []*probe.Result
		for _, r := range p.results() {
			if r.Outcome == probe.Failed {
				bad = append(bad, r)
			}
		}
		if len(bad) > 0 {
			out = append(out, match{affects: bad, words: wordsOf(bad[0]).and(words{"seen": each(bad)}), evidence: evidenceOf(bad[0])})
		}
	}
	out = joined(out)
	for _, m := range out {
		m.words["seen"] += v.kpasswdDoubt(m.affects)
	}
	return out
}

// kpasswdDoubt is what has to be said of the silence of a domain controller's port
// 464 while its port 88 answers: whether Windows answers a request that names no
// account has not been seen. A connection that does not come to be leaves no doubt.
func (v *view) kpasswdDoubt(failed []*probe.Result) string {
	for _, r := range failed {
		p := v.kpwAt[r.ID.Address]
		connects := p.tcp == nil || reason(p.tcp, probe.ReasonTCPSilent, probe.ReasonClosed)
		if kind := r.Facts[probe.FactKind]; kind != "aws-managed-ad" && kind != "active-directory" || !connects || !noneAnswered(p.results()) {
			continue
		}
		for _, k := range v.kdcIn[r.Facts[probe.FactRealm]] {
			if k.addr.Addr() == p.addr.Addr() && (answered(k.udp) || answered(k.tcp)) {
				return "; the KDC at the same address answers on port 88, and no Windows domain controller has been seen to answer this probe, " +
					"which names no account: this silence alone does not prove that port 464 is blocked"
			}
		}
	}
	return ""
}
