package agent

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/exchange"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
)

// stranger is the user that is asked about where no login is configured: a
// name that says to whoever reads the KDC's or database's log who asked.
const stranger = report.Stranger

// planner turns configuration, and what discovery found, into probes. It is
// the only code that knows both sides; it asks nobody.
type planner struct {
	cfg *config.Config
	env Env
}

func isAD(k config.Kind) bool { return k == config.AWSManagedAD || k == config.ActiveDirectory }

// asksDNS says whether DNS has a part in a realm: not where MIT's or Heimdal's
// KDCs are all named and no DNS server is.
func asksDNS(r config.Realm) bool {
	return isAD(r.Kind) || len(r.KDCs) == 0 || len(r.DNSServers) > 0
}

func realmFacts(r config.Realm) probe.Facts {
	return probe.Facts{probe.FactRealm: r.Name, probe.FactKind: string(r.Kind)}
}

// serverFacts are a realm's, with how the server was found.
func serverFacts(r config.Realm, s server) probe.Facts {
	facts := with(realmFacts(r), probe.FactSource, s.source)
	if oddPort(r, s) {
		facts[probe.FactOddPort] = "true"
	}
	return facts
}

func with(f probe.Facts, k probe.Fact, v string) probe.Facts {
	out := probe.Facts{k: v}
	for have, value := range f {
		if have != k {
			out[have] = value
		}
	}
	return out
}

// aboutDNS asks the DNS servers that a realm is found by, its own and this host's.
func (p planner) aboutDNS(realm config.Realm) []question {
	if !asksDNS(realm) {
		return nil
	}
	var out []question
	for _, s := range realm.DNSServers {
		out = append(out, apart(p.realmDNS(realm, s, probe.RoleRealm))...)
	}
	for _, s := range p.env.Resolver {
		if !slices.Contains(realm.DNSServers, s) {
			out = append(out, apart(p.realmDNS(realm, s, probe.RoleHost))...)
		}
	}
	return out
}

// realmDNS asks one DNS server about a realm: over UDP all that clients ask,
// over TCP enough to know that large answers would come.
func (p planner) realmDNS(r config.Realm, server netip.AddrPort, role string) []probe.Probe {
	services := []string{"_kerberos._udp", "_kerberos._tcp", "_kpasswd._udp", "_kpasswd._tcp"}
	if isAD(r.Kind) {
		services = append(services, "_ldap._tcp")
	}
	if r.Kind == config.Heimdal {
		services = slices.DeleteFunc(services, func(s string) bool { return s == "_kpasswd._tcp" })
	}
	questions := []dns.Question{{Name: r.Domain(), Type: dns.SOA}, {Name: r.Domain(), Type: dns.A}, {Name: r.Domain(), Type: dns.AAAA}}
	for _, s := range services {
		questions = append(questions, dns.Question{Name: s + "." + r.Domain(), Type: dns.SRV})
	}
	facts := with(realmFacts(r), probe.FactRole, role)
	var out []probe.Probe
	for _, q := range questions {
		out = append(out, p.dnsProbe(q, server, probe.UDP, facts))
	}
	for _, q := range []dns.Question{questions[0], {Name: "_kerberos._tcp." + r.Domain(), Type: dns.SRV}} {
		out = append(out, p.dnsProbe(q, server, probe.TCP, facts))
	}
	return out
}

func (p planner) dnsProbe(q dns.Question, server netip.AddrPort, t probe.Transport, facts probe.Facts) probe.Probe {
	return dns.Probe{Question: q, Server: server, Transport: t, Dialer: p.env.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.env.Now, Facts: facts}
}

// aboutEndpoint asks this host's DNS servers for a database's addresses.
func (p planner) aboutEndpoint(db config.Database) []question {
	if _, err := netip.ParseAddr(db.Host); err == nil {
		return nil
	}
	var out []question
	for _, s := range p.env.Resolver {
		out = append(out, apart(p.endpointDNS(db, s))...)
	}
	return out
}

func (p planner) endpointDNS(db config.Database, server netip.AddrPort) []probe.Probe {
	facts := with(databaseFacts(db), probe.FactRole, probe.RoleHost)
	facts[probe.FactRealm] = db.Realm
	return []probe.Probe{
		p.dnsProbe(dns.Question{Name: db.Host, Type: dns.A}, server, probe.UDP, facts),
		p.dnsProbe(dns.Question{Name: db.Host, Type: dns.AAAA}, server, probe.UDP, facts),
	}
}

// aboutKDCs asks the KDCs of a realm, as they were found; err says why there
// are none, or not all.
func (p planner) aboutKDCs(realm config.Realm, servers []server, err error) []question {
	var out []question
	var unheard *exchange.Error
	if len(servers) == 0 && isAD(realm.Kind) && errors.As(err, &unheard) {
		// DNS says nothing at all, and a directory's DNS servers are its domain
		// controllers: asking them shows whether it is DNS alone. A login finds
		// no KDC all the same.
		for _, s := range realm.DNSServers {
			servers = append(servers, server{host: s.Addr().String(), port: config.PortKDC, source: probe.SourceDNSServer, addrs: []netip.Addr{s.Addr()}})
		}
	}
	if len(servers) == 0 {
		out = append(out, question{p.lack(probe.KDC, realm.Domain(), with(realmFacts(realm), probe.FactSource, probe.SourceDomain), err)})
	}
	out = append(out, p.aboutLimits(probe.KDC, realm.Domain(), realmFacts(realm), servers)...)
	var asked []netip.Addr
	for _, s := range servers {
		if len(s.addrs) == 0 && s.left.addresses == 0 {
			out = append(out, question{p.lack(probe.KDC, s.host, with(realmFacts(realm), probe.FactSource, s.source), s.err)})
		}
		for _, addr := range p.routable(s.addrs) {
			small, large := p.kdcProbes(realm, s, netip.AddrPortFrom(addr, s.port), probe.UDP)
			first, second := p.kdcProbes(realm, s, netip.AddrPortFrom(addr, s.port), probe.TCP)
			if oddPort(realm, s) {
				out = append(out, question{first, second, small, large})
			} else {
				out = append(out, question{small, large}, question{first, second})
			}
			asked = append(asked, addr)
		}
	}
	if len(realm.DNSServers) == 0 && isAD(realm.Kind) {
		for _, addr := range asked {
			if at := netip.AddrPortFrom(addr, config.PortDNS); !slices.Contains(p.env.Resolver, at) {
				out = append(out, apart(p.realmDNS(realm, at, probe.RoleRealm))...)
			}
		}
	}
	return out
}

// kdcProbes asks one KDC address over one transport: with a small message, and
// once that is answered with a large one.
func (p planner) kdcProbes(r config.Realm, s server, addr netip.AddrPort, t probe.Transport) (small, large probe.Probe) {
	user := p.userOf(r)
	ask := kdc.Probe{Host: s.host, Address: addr, Transport: t, User: user, Dialer: p.env.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.env.Now,
		Facts: with(serverFacts(r, s), probe.FactUser, user.String())}
	askMore := ask
	askMore.Large = true
	return ask, askMore
}

// userOf is the user whom the KDCs of a realm are asked about.
func (p planner) userOf(r config.Realm) client.Principal {
	for _, l := range p.cfg.Logins {
		if l.Realm == r.Name {
			return client.Principal{Name: l.User, Realm: r.Name}
		}
	}
	return client.Principal{Name: stranger, Realm: r.Name}
}

// aboutKpasswd asks the kpasswd servers of a realm, as they were found.
func (p planner) aboutKpasswd(realm config.Realm, servers []server) []question {
	out := p.aboutLimits(probe.Kpasswd, realm.Domain(), realmFacts(realm), servers)
	for _, s := range servers {
		for _, addr := range p.routable(s.addrs) {
			probes := p.kpasswdProbes(realm, s, netip.AddrPortFrom(addr, s.port))
			if oddPort(realm, s) {
				slices.Reverse(probes) // TCP first
				out = append(out, probes)
			} else {
				out = append(out, apart(probes)...)
			}
		}
	}
	return out
}

func (p planner) kpasswdProbes(r config.Realm, s server, addr netip.AddrPort) []probe.Probe {
	facts := serverFacts(r, s)
	transports := []probe.Transport{probe.UDP, probe.TCP}
	if r.Kind == config.Heimdal { // its kpasswdd has no TCP
		transports = transports[:1]
	}
	var out []probe.Probe
	for _, t := range transports {
		out = append(out, kpasswd.Probe{Host: s.host, Address: addr, Transport: t,
			Dialer: p.env.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.env.Now, Facts: facts})
	}
	return out
}

func databaseFacts(db config.Database) probe.Facts {
	return probe.Facts{probe.FactDatabase: db.Name, probe.FactEndpoint: db.Endpoint(), probe.FactTLSMode: string(db.TLS.Mode)}
}

// databaseProbe asks a database at one address that no login covers.
func (p planner) databaseProbe(db config.Database, addr netip.AddrPort, tlsConfig *tls.Config) database.Probe {
	user, realm, known := stranger, db.Realm, false
	for _, l := range p.cfg.Logins {
		if l.Database == db.Name {
			user, realm, known = l.User, l.Realm, true
			break
		}
	}
	facts := databaseFacts(db)
	facts[probe.FactRealm] = realm
	record := user // by which the ledger knows the user: as a login's
	if known {
		record = user + "@" + realm
		facts[probe.FactUser] = record
	}
	return database.Probe{Host: db.Host, Server: database.Server{Address: addr, TLS: tlsConfig}, User: user, Known: known,
		Dialer: p.env.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.env.Now, Facts: facts, Guard: p.env.handshakes(db, record)}
}
