package rehearsal

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// The DNS domain of the first realm.
const corpDomain = "corp.example.com"

// everyCopy changes each server's copy of the first realm's zone.
func (w *World) everyCopy(change func(*zone)) {
	for _, s := range []*dnsServer{w.dc1.dns, w.dc2.dns, w.resolver} {
		s.edit(corpDomain, change)
	}
}

// dnsFaults are those of port 53 and of what is said there.
func dnsFaults() []Fault {
	return []Fault{{
		Code:    "dns-server-silent",
		Summary: "packets to dc2's DNS vanish: its questions get no answer over UDP or TCP; dc1's and the resolver's do",
		play: func(w *World) error {
			w.onDNS(w.dc2, "", Drop)
			return nil
		},
	}, {
		Code:    "dns-udp-blocked",
		Summary: "dc2's DNS ignores datagrams: udp-silent over UDP, answers over TCP",
		play: func(w *World) error {
			w.dc2.dns.muteUDP()
			return nil
		},
	}, {
		Code:    "dns-tcp-blocked",
		Summary: "TCP to dc2's DNS is not connected: tcp-connect-timeout over TCP, answers over UDP",
		play: func(w *World) error {
			w.onDNS(w.dc2, "tcp", Drop)
			return nil
		},
	}, {
		Code:    "dns-filtered",
		Summary: "dc2's DNS says REFUSED to questions for SRV records, and answers all others",
		play: func(w *World) error {
			w.dc2.dns.refuseType(dns.TypeSRV)
			return nil
		},
	}, {
		Code:    "dns-refused",
		Summary: "dc2's DNS says REFUSED to every question, over UDP and TCP; dc1's answers",
		play: func(w *World) error {
			w.dc2.dns.always(dns.RcodeRefused)
			return nil
		},
	}, {
		Code:    "dns-zone-missing",
		Summary: "the resolver says NXDOMAIN for everything in " + corpDomain + "; the domain controllers answer with authority",
		play: func(w *World) error {
			w.resolver.forget(corpDomain)
			return nil
		},
	}, {
		Code: "realm-not-in-dns",
		Summary: "nobody knows " + corpDomain + ": the domain controllers answer NOERROR, empty and without authority, the resolver NXDOMAIN; " +
			"no KDC is found, every login ends there",
		play: func(w *World) error {
			for _, s := range []*dnsServer{w.dc1.dns, w.dc2.dns, w.resolver} {
				s.forget(corpDomain)
			}
			w.onlyCorp()
			return nil
		},
	}, {
		Code:    "dns-servers-disagree",
		Summary: "dc2's copy of the zone has not heard of dc1's SRV records: its answers name one KDC, everyone else's two; both KDCs work",
		play: func(w *World) error {
			w.dc2.dns.edit(corpDomain, func(z *zone) {
				z.remove(func(rr dns.RR) bool { return isService(rr, "_k") && rr.(*dns.SRV).Target == dns.Fqdn(w.dc1.name) })
			})
			return nil
		},
	}, {
		Code:    "dns-srv-missing",
		Summary: "no server has _kerberos SRV records: NXDOMAIN everywhere; KDCs are found by the domain's own addresses, on port 88",
		play: func(w *World) error {
			w.everyCopy(func(z *zone) {
				z.remove(func(rr dns.RR) bool {
					return isService(rr, "_kerberos._udp.") || isService(rr, "_kerberos._tcp."+corpDomain)
				})
			})
			return nil
		},
	}, {
		Code:    "dns-srv-stale",
		Summary: "every server has an SRV record of a KDC dc9, whose name has no address: unresolvable; the other two answer",
		play: func(w *World) error {
			w.everyCopy(func(z *zone) {
				for _, t := range []string{"_udp", "_tcp"} {
					z.add(service("_kerberos."+t+"."+corpDomain, "dc9."+corpDomain, w.dc2.kdcPort))
				}
			})
			return nil
		},
	}, {
		Code:    "kdc-unresolvable",
		Summary: "the configuration names three KDCs, of which dc3 has no address; the other two answer",
		play: func(w *World) error {
			for _, c := range []*controller{w.dc1, w.dc2} {
				w.settings.realms[0].kdcs = append(w.settings.realms[0].kdcs, net.JoinHostPort(c.name, strconv.Itoa(int(c.kdcPort))))
			}
			w.settings.realms[0].kdcs = append(w.settings.realms[0].kdcs, "dc3."+corpDomain)
			return nil
		},
	}, {
		Code:    "endpoint-unresolvable",
		Summary: "the resolver says NXDOMAIN for the database's name: its probe and every login end there",
		play: func(w *World) error {
			w.resolver.edit(rdsZone, func(z *zone) {
				z.remove(func(rr dns.RR) bool { return rr.Header().Name == dns.Fqdn(databaseHost) })
			})
			return w.only(alice)
		},
	}, {
		Code:    "ipv6-broken",
		Summary: "dc1 has an IPv6 address, to which every packet vanishes: udp-silent and tcp-connect-timeout; its IPv4 address answers",
		play: func(w *World) error {
			if len(w.dc1.addrs) == 1 { // this machine has no IPv6: nothing needs to be there
				w.everyCopy(func(z *zone) { z.add(address(w.dc1.name, netip.IPv6Loopback())) })
			}
			w.path.Add(Rule{To: netip.MustParsePrefix("::/0"), Effect: Drop})
			return nil
		},
	}}
}

func isService(rr dns.RR, prefix string) bool {
	return rr.Header().Rrtype == dns.TypeSRV && strings.HasPrefix(rr.Header().Name, prefix)
}
