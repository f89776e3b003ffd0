package diagnose

import (
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

func slowRules() []Rule {
	return []Rule{{
		Code: "server-slow", Severity: Warning,
		Title:     "{what} {place} answers late: after {figure}",
		Means:     "A DNS server, KDC, kpasswd server or database answers every question, but later than programs wait: libkrb5 turns to the next KDC after one second, glibc to the next DNS server after five. Requests time out there because the server is slow; nothing is blocked.",
		Cause:     "The quickest answer of {each}.",
		Remedy:    do("Look at the load of the server and at the servers that it waits for itself, such as DNS forwarders or its database. Look also at the round-trip time to it. Until the cause is removed, let programs ask another server first: for KDCs that is their order in krb5.conf, for DNS the order in /etc/resolv.conf.", "ping -c 5 {ip}", "kerbagent check --realm {realm} --probe-timeout 15s"),
		DependsOn: []Code{"host-offline", "path-lossy"},
		match:     serverSlow,
		remedyOf:  slowRemedy,
	}}
}

// slowRemedy begins with a question that shows it, where a common tool asks one.
func slowRemedy(r *probe.Result) string {
	if r.ID.Kind != probe.DNS {
		return ""
	}
	return do("Look at the load of the server and at the servers that it forwards questions to. Look also at the round-trip time to it. Until the cause is removed, put another server first in /etc/resolv.conf.",
		"dig @{ip} -p {port} +tries=1 {domain} SOA", "ping -c 5 {ip}", "kerbagent check --realm {realm} --probe-timeout 15s")
}

// slow is from when on a server is slow: libkrb5 waits a second for a datagram.
const slow = time.Second

// quickest is the shortest time in which a server answered, and what it answered
// so late; 0 where an answer was quick. What had to be asked for again says nothing.
func quickest(rs []*probe.Result) (least time.Duration, late []*probe.Result) {
	for _, r := range rs {
		if !answered(r) || lostBefore(r) > 0 {
			continue
		}
		if took := answerTook(r); least == 0 || took < least {
			least = took
		}
		late = append(late, r)
	}
	if least < slow {
		return 0, nil
	}
	return least, late
}

// answerTook is how long an answer took; of a database, which says several things, the first one.
func answerTook(r *probe.Result) time.Duration {
	if r.ID.Kind != probe.Database {
		return r.Duration
	}
	for _, s := range r.Stages {
		if s.Name == "db-greeting" {
			return s.Duration
		}
	}
	return 0
}

// byServer returns the results of DNS, Kerberos and kpasswd servers and databases, each by its
// address and port, and these in the order of the results.
func (v *view) byServer() (ways []netip.AddrPort, byAddr map[netip.AddrPort][]*probe.Result) {
	byAddr = map[netip.AddrPort][]*probe.Result{}
	for _, r := range v.all {
		if r.ID.Kind == probe.DNS || r.ID.Kind == probe.KDC || r.ID.Kind == probe.Kpasswd || r.ID.Kind == probe.Database {
			if byAddr[r.ID.Address] == nil {
				ways = append(ways, r.ID.Address)
			}
			byAddr[r.ID.Address] = append(byAddr[r.ID.Address], r)
		}
	}
	return ways, byAddr
}

// slowServers are those whose every answer comes late, over TCP at least.
func (v *view) slowServers() map[netip.AddrPort]bool {
	out := v.distant()
	ways, byAddr := v.byServer()
	for _, a := range ways {
		least, late := quickest(byAddr[a])
		out[a] = out[a] || least > 0 && len(late) > 1
	}
	return out
}

// slowZone is a realm's names at a DNS server.
type slowZone struct {
	server netip.AddrPort
	realm  string
}

// slowZones are those of which a DNS server answers every question late, while it answers others at once: who it asks
// about them is slow, and where it was asked the same before, its answer comes soon after a second datagram.
func slowZones(v *view) map[slowZone]bool {
	late, quick := map[slowZone]int{}, map[netip.AddrPort]bool{}
	prompt := map[slowZone]bool{}
	for _, r := range v.all {
		if r.ID.Kind != probe.DNS || !answered(r) {
			continue
		}
		zone := slowZone{r.ID.Address, r.Facts[probe.FactRealm]}
		if r.Duration >= slow {
			late[zone]++
			continue
		}
		prompt[zone], quick[r.ID.Address] = true, true
	}
	const several = 4
	out := map[slowZone]bool{}
	for zone, n := range late {
		out[zone] = n >= several && !prompt[zone] && quick[zone.server]
	}
	return out
}

// distant returns the addresses of machines to which every connection, and there were several, took a second or more to
// make, while no datagram had to be sent again: no SYN was lost, the answers to them come late.
func (v *view) distant() map[netip.AddrPort]bool {
	type port struct {
		host string
		port uint16
	}
	made, quick := map[port]int{}, map[port]bool{}
	for _, r := range v.all {
		if !r.ID.Address.IsValid() || r.ID.Kind == probe.Login || !answered(r) {
			continue
		}
		at := port{v.hostAt(r.ID.Address.Addr()), r.ID.Address.Port()}
		if r.ID.Transport == probe.UDP {
			quick[at] = quick[at] || lostBefore(r) > 0
			continue
		}
		for _, s := range r.Stages {
			if s.Name == "connect" {
				made[at]++
				quick[at] = quick[at] || s.Duration < slow
			}
		}
	}
	const several = 4
	out := map[netip.AddrPort]bool{}
	for _, r := range v.all {
		at := port{v.hostAt(r.ID.Address.Addr()), r.ID.Address.Port()}
		out[r.ID.Address] = out[r.ID.Address] || r.ID.Address.IsValid() && made[at] >= several && !quick[at]
	}
	return out
}

// overTCP returns the answers over TCP, and in what time the first of them came.
func overTCP(rs []*probe.Result) (least time.Duration, late []*probe.Result) {
	for _, r := range rs {
		if r.ID.Transport == probe.UDP || !answered(r) {
			continue
		}
		if late = append(late, r); least == 0 || r.Duration < least {
			least = r.Duration
		}
	}
	return least, late
}

func serverSlow(v *view) []match {
	ways, byAddr := v.byServer()
	// Where packets are lost, an answer is late because a part of it was sent again: while they are on
	// the way to one machine, a few late answers prove nothing of another.
	lossy, proof := map[netip.Addr]bool{}, 1
	for _, l := range v.lossesByAddress() {
		if lossy[l.addr] = l.lossy(); l.lossy() {
			proof = 4
		}
	}
	for _, d := range lostAtDatabases(v) {
		lossy[d.at.Addr()] = true
	}
	var out []match
	distant := v.distant()
	for _, a := range ways {
		least, late := quickest(byAddr[a])
		connects := least == 0 && distant[a]
		if connects {
			least, late = overTCP(byAddr[a])
		}
		if least == 0 || lossy[a.Addr()] || len(late) < proof && (!connects || proof > 1) {
			continue
		}
		m := match{affects: late, spare: true, words: wordsOf(late[0])}
		for _, r := range byAddr[a] {
			// Over TCP the answer takes a second round trip, and a large one more.
			silent := reason(r, probe.ReasonConnectTimeout, probe.ReasonTCPSilent) || !connects && reason(r, probe.ReasonUDPSilent)
			if silent && r.Duration < 3*least {
				m.affects = append(m.affects, r)
			}
		}
		m.explains = v.lostLogins(m.affects)
		figure := least.Round(100 * time.Millisecond).String()
		if connects {
			figure += " over TCP"
		}
		m.words["what"] = map[probe.Kind]string{probe.DNS: "DNS server", probe.KDC: "KDC", probe.Kpasswd: "kpasswd server", probe.Database: "database"}[late[0].ID.Kind]
		m.words["place"], m.words["figure"], m.words["each"] = placeOf(v.hostAt(a.Addr()), a.String()), figure, a.String()+" took "+figure
		out = append(out, m)
	}
	return out
}
