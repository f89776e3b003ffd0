package diagnose

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// negative returns the realm's questions that d answered without an answer.
// Those for a database are of them where its name is one of the domain's.
func (d *dnsServer) negative() []*probe.Result {
	return d.where(func(r *probe.Result) bool {
		return r.Facts[probe.FactRealm] == d.realm && r.Outcome == probe.Failed && answered(r) && r.Reason != probe.ReasonDNSTruncated &&
			(r.Facts[probe.FactDatabase] == "" || endpointIn(r, d.realm))
	})
}

// ignorant reports whether d answered about the zone's SOA and knows nothing of the zone.
func (d *dnsServer) ignorant() bool {
	return d.question("SOA "+d.domain()) != nil && !d.knowsZone()
}

// realmServers are the realm's own DNS servers, by what they say of its zone.
func (v *view) realmServers(realm string) (know, ignorant, unheard []string) {
	for _, d := range v.dnsOf(realm, probe.RoleRealm) {
		switch {
		case d.knowsZone():
			know = append(know, d.addr.String())
		case d.ignorant():
			ignorant = append(ignorant, d.addr.String())
		default:
			unheard = append(unheard, d.addr.String())
		}
	}
	return know, ignorant, unheard
}

func dnsZoneMissing(v *view) []match {
	var out []match
	for _, d := range v.dns {
		if d.role != probe.RoleHost || !d.ignorant() {
			continue
		}
		know, ignorant, unheard := v.realmServers(d.realm)
		var m match
		var knows string
		switch {
		case len(know) > 0:
			m.explains = v.needsDNS(d.realm, "")
			knows = "The zone is known at " + list(know)
		case len(ignorant) == 0 && len(unheard) > 0:
			m.severity = Warning
			knows = "The realm's own DNS was not heard (" + list(unheard) + "): whether the zone is there at all is open"
		default:
			continue
		}
		soa := d.question("SOA " + d.domain())
		m.affects = d.negative()
		if !slices.Contains(m.affects, soa) {
			m.affects = append(m.affects, soa)
		}
		m.words = d.words().and(words{"rcode": soa.Facts[probe.FactRcode], "knows": knows})
		out = append(out, m)
	}
	return out
}

func realmNotInDNS(v *view) []match {
	var out []match
	for _, realm := range v.names {
		servers := v.dnsOf(realm, "")
		_, ignorant, unheard := v.realmServers(realm)
		if slices.ContainsFunc(servers, (*dnsServer).knowsZone) || len(unheard) > 0 && len(ignorant) == 0 {
			continue
		}
		var m match
		var saw []string
		for _, d := range servers {
			if d.ignorant() {
				m.affects = append(m.affects, d.question("SOA "+d.domain()))
				m.affects = append(m.affects, d.negative()...)
				saw = append(saw, fmt.Sprintf("%s says %s", d.addr, withoutAnswer(d.question("SOA "+d.domain()))))
			}
		}
		if len(m.affects) == 0 {
			continue
		}
		if len(unheard) > 0 {
			m.severity = Warning
			saw = append(saw, "not heard: "+list(unheard))
		} else {
			m.explains = v.needsDNS(realm, "")
		}
		m.words = servers[0].words().and(words{"seen": list(saw)})
		out = append(out, m)
	}
	return out
}

// endpointIn reports whether the database of a result has a name in the realm's own domain.
func endpointIn(r *probe.Result, realm string) bool {
	host, _, err := net.SplitHostPort(r.Facts[probe.FactEndpoint])
	return err == nil && strings.HasSuffix(strings.ToLower(host), "."+domainOf(realm))
}
