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
		Summary: "all packets to dc2's DNS server are lost: it answers neither over UDP nor over TCP; dc1's and this host's resolver answer",
		play: func(w *World) error {
			w.onDNS(w.dc2, "", Drop)
			return nil
		},
	}, {
		Code:    "dns-udp-blocked",
		Summary: "dc2's DNS server does not answer over UDP, but over TCP",
		play: func(w *World) error {
			w.dc2.dns.muteUDP()
			return nil
		},
	}, {
		Code:    "dns-tcp-blocked",
		Summary: "dc2's DNS server answers over UDP; over TCP, it does not connect",
		play: func(w *World) error {
			w.onDNS(w.dc2, "tcp", Drop)
			return nil
		},
	}, {
		Code:    "dns-filtered",
		Summary: "dc2's DNS server answers REFUSED to questions for SRV records, and answers all others",
		play: func(w *World) error {
			w.dc2.dns.refuseType(dns.TypeSRV)
			return nil
		},
	}, {
		Code:    "dns-refused",
		Summary: "dc2's DNS server answers REFUSED to every question, over UDP and TCP; dc1's answers properly",
		play: func(w *World) error {
			w.dc2.dns.always(dns.RcodeRefused)
			return nil
		},
	}, {
		Code:    "dns-zone-missing",
		Summary: "this host's resolver answers NXDOMAIN for every name in " + corpDomain + "; the domain controllers know the zone",
		play: func(w *World) error {
			w.resolver.forget(corpDomain)
			return nil
		},
	}, {
		Code: "realm-not-in-dns",
		Summary: "no DNS server knows " + corpDomain + ": the domain controllers answer without a record (NOERROR), this host's resolver answers NXDOMAIN; " +
			"no KDC is found, so every login fails",
		play: func(w *World) error {
			for _, s := range []*dnsServer{w.dc1.dns, w.dc2.dns, w.resolver} {
				s.forget(corpDomain)
			}
			w.onlyCorp()
			return nil
		},
	}, {
		Code:    "dns-servers-disagree",
		Summary: "dc2's copy of the zone lacks dc1's SRV records: its answers name one KDC, those of the other servers two; both KDCs work",
		play: func(w *World) error {
			w.dc2.dns.edit(corpDomain, func(z *zone) {
				z.remove(func(rr dns.RR) bool { return isService(rr, "_k") && rr.(*dns.SRV).Target == dns.Fqdn(w.dc1.name) })
			})
			return nil
		},
	}, {
		Code:    "dns-srv-missing",
		Summary: "no DNS server has _kerberos SRV records (all answer NXDOMAIN); KDCs are found by the addresses of the domain, on port 88",
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
		Summary: "every DNS server has an SRV record of a KDC dc9, whose name has no address; the other two KDCs answer",
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
		Summary: "the configuration names three KDCs; dc3 has no address, the other two answer",
		play: func(w *World) error {
			for _, c := range []*controller{w.dc1, w.dc2} {
				w.settings.realms[0].kdcs = append(w.settings.realms[0].kdcs, net.JoinHostPort(c.name, strconv.Itoa(int(c.kdcPort))))
			}
			w.settings.realms[0].kdcs = append(w.settings.realms[0].kdcs, "dc3."+corpDomain)
			return nil
		},
	}, {
		Code:    "endpoint-unresolvable",
		Summary: "this host's resolver answers NXDOMAIN for the database's name: the database's probe and every login fail",
		play: func(w *World) error {
			w.resolver.edit(rdsZone, func(z *zone) {
				z.remove(func(rr dns.RR) bool { return rr.Header().Name == dns.Fqdn(databaseHost) })
			})
			return w.only(alice)
		},
	}, {
		Code:    "ipv6-broken",
		Summary: "dc1 also has an IPv6 address, to which all packets are lost; its IPv4 address answers",
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
