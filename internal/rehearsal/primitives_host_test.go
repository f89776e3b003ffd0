package rehearsal

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// nobody is an address at which nothing answers.
func nobody(last byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 77, 9, last}) }

// hostFault is something that is wrong with this host alone: its clock, /etc/hosts, or a
// secret's file.
func hostFault(r *rand.Rand) induced {
	switch r.IntN(5) {
	case 0, 1:
		by := pick(r, wrongBy, -wrongBy, 2*time.Minute, -2*time.Minute)
		return induced{recipe: fmt.Sprintf("this host's clock is off by %s", by), codes: []diagnose.Code{"clock-skew"}, words: called("this host's clock"), said: true,
			touches: func(_ *World, id probe.ID) bool {
				return id.Kind == probe.KDC || id.Kind == probe.Kpasswd || id.Kind == probe.Login
			},
			play: func(s *scene) error { s.clock = by; return nil }}
	case 2:
		old := nobody(1)
		return inHosts("the database's old address", "orders.cluster-abc123."+rdsZone, old, []diagnose.Code{"db-silent", "db-refused", "names-differ"})
	case 3:
		return inHosts("an old address of dc1", "dc1.corp.example.com", nobody(2), []diagnose.Code{"names-differ", "kdc-silent", "realm-unreachable", "server-down"})
	}
	return induced{recipe: "etl's keytab is another user's", codes: []diagnose.Code{"keytab-stale", "secret-malformed"}, words: called("etl@"), said: true,
		touches: func(_ *World, id probe.ID) bool { return loginOf(id, etl) },
		play: func(s *scene) error {
			kt, err := s.corp.Keytab("alice")
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(s.dir, "etl.keytab"), kt, 0o600)
		}}
}

func inHosts(what, name string, old netip.Addr, codes []diagnose.Code) induced {
	return induced{recipe: "/etc/hosts: " + what, codes: codes, words: called(old.String()),
		touches: func(_ *World, id probe.ID) bool { return at(id, []netip.Addr{old}) },
		play: func(s *scene) error {
			s.path.Add(Rule{To: one(old), Effect: Drop})
			if s.hosts == nil {
				s.hosts = map[string]netip.Addr{}
			}
			s.hosts[name] = old
			return nil
		}}
}

// recordFault is a record that is wrong, or a server that is slow or says no to one type.
func recordFault(r *rand.Rand) induced {
	resolver := func(w *World, id probe.ID) bool {
		return id.Address == w.resolver.addr || !id.Address.IsValid() && id.Kind != probe.Login
	}
	switch r.IntN(6) {
	case 0:
		wrong := nobody(3) // loopback, where nothing listens: it refuses
		return induced{recipe: "resolver: a wrong address for the database", codes: []diagnose.Code{"db-refused", "db-silent"}, words: called(wrong.String()),
			touches: func(w *World, id probe.ID) bool { return resolver(w, id) || at(id, []netip.Addr{wrong}) },
			play: func(s *scene) error {
				s.resolver.edit(rdsZone, func(z *zone) {
					z.remove(func(rr dns.RR) bool { return rr.Header().Name == dns.Fqdn(instanceHost) })
					z.add(address(instanceHost, wrong))
				})
				return nil
			}}
	case 1:
		return induced{recipe: "resolver: an IPv6 address of the database that refuses", codes: []diagnose.Code{"db-refused", "ipv6-broken"},
			touches: func(w *World, id probe.ID) bool {
				return at(id, []netip.Addr{netip.IPv6Loopback()}, w.database.Addr().Port())
			},
			play: func(s *scene) error {
				s.resolver.edit(rdsZone, func(z *zone) { z.add(address(instanceHost, netip.IPv6Loopback())) })
				return nil
			}}
	case 2:
		m := pick(r, machines()[:2]...)
		codes := []diagnose.Code{"kdc-refused", "kdc-silent", "dns-srv-stale", "dns-servers-disagree", "server-down", "kdc-tcp-blocked", "realm-unreachable"}
		return induced{recipe: "every SRV record of " + m.name + " has a wrong port", codes: codes,
			touches: func(w *World, id probe.ID) bool { return at(id, m.of(w).addrs) },
			play: func(s *scene) error {
				was, now := m.of(s.World).kdcPort, uint16(1) // nothing listens there
				for _, d := range []*dnsServer{s.dc1.dns, s.dc2.dns, s.resolver} {
					d.edit(corpDomain, func(z *zone) {
						for i, rr := range z.records {
							if srv, ok := rr.(*dns.SRV); ok && srv.Port == was && srv.Target == dns.CanonicalName(m.of(s.World).name) {
								z.records[i] = service(srv.Hdr.Name, srv.Target, now)
							}
						}
					})
				}
				return nil
			}}
	case 3:
		s := pick(r, speaker{"dc1", func(w *World) *dnsServer { return w.dc1.dns }, ""}, speaker{"resolver", func(w *World) *dnsServer { return w.resolver }, ""})
		return induced{recipe: s.name + "'s DNS is slow", codes: []diagnose.Code{"server-slow", "login-slow"},
			touches: func(w *World, id probe.ID) bool { return id.Address == s.of(w).addr },
			play:    func(sc *scene) error { s.of(sc.World).slow(250 * time.Millisecond); return nil }}
	case 4:
		return induced{recipe: "resolver refuses AAAA", codes: []diagnose.Code{"dns-filtered", "dns-refused"}, touches: resolver,
			play: func(s *scene) error { s.resolver.refuseType(dns.TypeAAAA); return nil }}
	}
	return induced{recipe: "the realm's records stand in the zone above", codes: nil, touches: resolver,
		play: func(s *scene) error {
			for _, d := range []*dnsServer{s.dc1.dns, s.dc2.dns, s.resolver} {
				d.edit(corpDomain, func(z *zone) {
					z.remove(func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA || rr.Header().Rrtype == dns.TypeNS })
					z.add(&dns.SOA{Hdr: header("example.com", dns.TypeSOA), Ns: "ns1.example.com.", Mbox: "h.example.com.", Serial: 1, Refresh: 900, Retry: 600, Expire: 86400, Minttl: 3600})
					z.origin = "example.com."
				})
			}
			return nil
		}}
}

// cutFault is a connection that ends, or falls silent, in the middle.
func cutFault(r *rand.Rand) induced {
	m := pick(r, machines()...)
	p := pick(r, ports()...)
	codes := slices.Concat(pathCodes(p.kind), []diagnose.Code{"kdc-not-kerberos"})
	kdc := func(what string, codes []diagnose.Code, change func(*krb5test.Script)) induced {
		return induced{recipe: m.name + "'s KDC " + what, codes: append(codes, "realm-unreachable", "trust-realm-unreachable"), words: addressesOf(m),
			touches: func(w *World, id probe.ID) bool { c := m.of(w); return at(id, c.addrs) && w.realPort(id) == c.kdcPort },
			play: func(s *scene) error {
				k := m.of(s.World).kdc
				now := k.Script()
				change(&now)
				k.Set(now)
				return nil
			}}
	}
	switch r.IntN(7) {
	case 0, 1:
		effect := pick(r, "cut", "deaf")
		return pathTo(m.name+" port "+p.name, "tcp", effect, codes, []probe.Kind{p.kind}, func(w *World) ([]netip.Addr, uint16) { c := m.of(w); return c.addrs, p.of(w, c) })
	case 2:
		effect := pick(r, "cut", "deaf")
		return pathTo("the database", "tcp", effect, append(pathCodes(probe.Database), "db-auth-timeout"), []probe.Kind{probe.Database}, func(w *World) ([]netip.Addr, uint16) {
			return []netip.Addr{w.database.Addr().Addr()}, w.database.Addr().Port()
		})
	case 3:
		return kdc("does not answer proofs", []diagnose.Code{"kdc-hung", "kdc-silent", "kdc-tcp-blocked", "kdc-large-messages-lost", "login-slow"},
			func(s *krb5test.Script) { s.SwallowReply = true })
	case 4:
		return kdc("ends its replies early", []diagnose.Code{"kdc-not-kerberos", "kdc-large-messages-lost", "kdc-tcp-blocked"},
			func(s *krb5test.Script) { s.TruncateReply = 60 })
	case 5: // frozen: its processes take connections and datagrams, and say nothing
		return induced{recipe: m.name + " is frozen", codes: []diagnose.Code{"kdc-hung", "kdc-silent", "kpasswd-blocked", "server-down", "realm-unreachable", "trust-realm-unreachable"}, words: addressesOf(m),
			touches: func(w *World, id probe.ID) bool { return at(id, m.of(w).addrs) },
			play: func(s *scene) error {
				for _, k := range []*krb5test.Faults{m.of(s.World).kdc, m.of(s.World).kpasswd} {
					now := k.Script()
					now.SilentTCP, now.SilentUDP = true, true
					k.Set(now)
				}
				return nil
			}}
	}
	database := func(what string, codes []diagnose.Code, change func(*mysqltest.Faults)) induced {
		return induced{recipe: "database: " + what, codes: codes, words: called(databaseHost, databaseName),
			touches: func(w *World, id probe.ID) bool { return id.Kind == probe.Login || id.Address == w.database.Addr() },
			play:    func(s *scene) error { change(&s.db); return nil }}
	}
	return pick(r,
		database("stalls before the switch", []diagnose.Code{"db-silent", "db-path-mtu", "db-connection-cut"}, func(f *mysqltest.Faults) { f.StallAt = mysqltest.AtSwitch }),
		database("stalls at the token", []diagnose.Code{"db-silent", "db-path-mtu", "db-connection-cut"}, func(f *mysqltest.Faults) { f.StallAt = mysqltest.AtToken }),
		database("announces a service that nobody has", []diagnose.Code{"service-unknown", "db-spn-unexpected"}, func(f *mysqltest.Faults) { f.SPN = "mysql/other." + rdsZone + "@" + corpRealm }),
		database("refuses every ticket", []diagnose.Code{"db-ticket-rejected"}, func(f *mysqltest.Faults) { f.RejectToken = true }),
		database("is a MySQL of 2008", []diagnose.Code{"db-too-old"}, func(f *mysqltest.Faults) { f.Old = true }),
	)
}
