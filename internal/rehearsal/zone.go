package rehearsal

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// ttl of every record: long enough not to matter, short as a directory's are.
const ttl = 600

// zone is one server's copy of a DNS zone, so that two servers can disagree.
type zone struct {
	origin  string // with the last dot, lower case
	records []dns.RR
}

// newZone makes a zone with its SOA and NS records.
func newZone(origin, primary string) *zone {
	z := &zone{origin: dns.CanonicalName(origin)}
	z.add(
		&dns.SOA{Hdr: header(origin, dns.TypeSOA), Ns: dns.CanonicalName(primary), Mbox: dns.CanonicalName("hostmaster." + origin),
			Serial: 1, Refresh: 900, Retry: 600, Expire: 86400, Minttl: 3600},
		&dns.NS{Hdr: header(origin, dns.TypeNS), Ns: dns.CanonicalName(primary)},
	)
	return z
}

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.CanonicalName(owner), Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// address makes an A or AAAA record.
func address(owner string, addr netip.Addr) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: header(owner, dns.TypeA), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: header(owner, dns.TypeAAAA), AAAA: addr.AsSlice()}
}

// service makes an SRV record. Priority and weight are what a directory
// registers.
func service(owner, target string, port uint16) dns.RR {
	return &dns.SRV{Hdr: header(owner, dns.TypeSRV), Priority: 0, Weight: 100, Port: port, Target: dns.CanonicalName(target)}
}

func alias(owner, target string) dns.RR {
	return &dns.CNAME{Hdr: header(owner, dns.TypeCNAME), Target: dns.CanonicalName(target)}
}

func (z *zone) add(rr ...dns.RR) { z.records = append(z.records, rr...) }

// remove takes the records out for which drop says so.
func (z *zone) remove(drop func(dns.RR) bool) { z.records = slices.DeleteFunc(z.records, drop) }

// clone copies the list; records are never changed in place.
func (z *zone) clone() *zone {
	return &zone{origin: z.origin, records: slices.Clone(z.records)}
}

func (z *zone) holds(name string) bool { return dns.IsSubDomain(z.origin, name) }

func (z *zone) soa() []dns.RR {
	return z.of(z.origin, dns.TypeSOA)
}

func (z *zone) of(name string, rrtype uint16) []dns.RR {
	var rr []dns.RR
	for _, r := range z.records {
		if r.Header().Name == name && (r.Header().Rrtype == rrtype || rrtype == dns.TypeANY) {
			rr = append(rr, r)
		}
	}
	return rr
}

// exists reports whether the name has records, or names below it (RFC 8020).
func (z *zone) exists(name string) bool {
	return slices.ContainsFunc(z.records, func(r dns.RR) bool {
		return r.Header().Name == name || strings.HasSuffix(r.Header().Name, "."+name)
	})
}

// lookup answers a question as an authoritative server does: the records, or
// the SOA with NOERROR or NXDOMAIN. CNAMEs are followed inside of the zone.
func (z *zone) lookup(name string, rrtype uint16) (rcode int, answer, authority []dns.RR) {
	const maxChain = 8
	for range maxChain {
		found := z.of(name, rrtype)
		if len(found) > 0 {
			return dns.RcodeSuccess, append(answer, found...), nil
		}
		next := z.of(name, dns.TypeCNAME)
		if len(next) == 0 {
			break
		}
		answer = append(answer, next[0])
		name = next[0].(*dns.CNAME).Target
	}
	if len(answer) > 0 || z.exists(name) {
		return dns.RcodeSuccess, answer, z.soa()
	}
	return dns.RcodeNameError, nil, z.soa()
}
