package diagnose

import (
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// answeredOver reports whether the server answered any question over t, and
// whether it was asked over t at all.
func (d *dnsServer) answeredOver(t probe.Transport) (yes, asked bool) {
	for _, r := range d.over(t) {
		asked = true
		yes = yes || answered(r)
	}
	return yes, asked
}

func (d *dnsServer) over(t probe.Transport) []*probe.Result {
	return d.where(func(r *probe.Result) bool { return r.ID.Transport == t && r.Outcome != probe.Skipped })
}

func (d *dnsServer) where(keep func(*probe.Result) bool) []*probe.Result {
	var out []*probe.Result
	for _, r := range d.results {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// question is the server's answer to one question over any transport: the
// first one that says something.
func (d *dnsServer) question(q string) *probe.Result {
	for _, r := range d.results {
		if strings.EqualFold(r.Facts[probe.FactQuestion], q) && answered(r) && r.Reason != probe.ReasonDNSTruncated {
			return r
		}
	}
	return nil
}

func (d *dnsServer) domain() string { return domainOf(d.realm) }

func domainOf(realm string) string { return strings.ToLower(realm) }

// knowsZone: the SOA's owner is the realm's domain, or the server has an SRV
// record or an address in it. The records may stand in the zone above, which has
// the only SOA then. A server that answers NOERROR with another zone's SOA and
// nothing else, or with nothing, does not know the zone.
func (d *dnsServer) knowsZone() bool {
	r := d.question("SOA " + d.domain())
	return r != nil && r.Outcome == probe.OK && r.Facts[probe.FactSOA] == d.domain() || len(d.has()) > 0
}

// has returns the SRV records and addresses of the realm that d answered with.
func (d *dnsServer) has() []*probe.Result {
	return d.where(func(r *probe.Result) bool {
		return r.Outcome == probe.OK && r.Facts[probe.FactRealm] == d.realm && r.Facts[probe.FactDatabase] == "" && r.Facts[probe.FactAnswer] != "" &&
			!strings.HasPrefix(r.Facts[probe.FactQuestion], "SOA ")
	})
}

func (v *view) dnsOf(realm, role string) []*dnsServer {
	var out []*dnsServer
	for _, d := range v.dnsIn[realm] {
		if role == "" || d.role == role {
			out = append(out, d)
		}
	}
	return out
}
