package plan

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/exchange"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
)

// realmJobs makes the jobs about a realm's servers, and the questions to DNS about databases.
type realmJobs struct{ maker }

func isAD(k config.Kind) bool { return k == config.AWSManagedAD || k == config.ActiveDirectory }

// asksDNS reports whether DNS has a part in a realm: not where MIT's or Heimdal's
// KDCs are all named and no DNS server is.
func asksDNS(r config.Realm) bool {
	return isAD(r.Kind) || len(r.KDCs) == 0 || len(r.DNSServers) > 0
}

func realmFacts(r config.Realm) probe.Facts {
	return probe.Facts{probe.FactRealm: r.Name, probe.FactKind: string(r.Kind)}
}

// serverFacts are a realm's, with how the server was found.
func serverFacts(r config.Realm, s discover.Server) probe.Facts {
	facts := realmFacts(r).With(probe.FactSource, s.Source)
	if oddPort(r, s) {
		facts[probe.FactOddPort] = "true"
	}
	if s.HostOnly {
		facts[probe.FactHostOnly] = "true"
	}
	return facts
}

// oddPort reports whether only an SRV or URI record names a server's port: it is neither the protocol's own nor configured.
func oddPort(r config.Realm, s discover.Server) bool {
	configured := func(h config.HostPort) bool { return h.Port == s.Port }
	return (s.Source == probe.SourceSRV || s.Source == probe.SourceURI) && s.Port != config.PortKDC && s.Port != config.PortKpasswd &&
		!slices.Contains(r.SRVPorts, s.Port) && !slices.ContainsFunc(r.KDCs, configured) && !slices.ContainsFunc(r.KpasswdServers, configured)
}

// aboutDNS asks the DNS servers that a realm is found by, its own and this host's.
func (j realmJobs) aboutDNS(realm config.Realm, resolver []netip.AddrPort) []Job {
	if !asksDNS(realm) {
		return nil
	}
	var out []Job
	for _, s := range realm.DNSServers {
		out = append(out, j.apart(j.realmDNS(realm, s, probe.RoleRealm))...)
	}
	for _, s := range resolver {
		if !slices.Contains(realm.DNSServers, s) {
			out = append(out, j.apart(j.realmDNS(realm, s, probe.RoleHost))...)
		}
	}
	return out
}

// realmDNS asks one DNS server about a realm: over UDP all that clients ask,
// over TCP enough to know that large answers would come.
func (j realmJobs) realmDNS(r config.Realm, server netip.AddrPort, role string) []probe.Probe {
	services := []string{"_kerberos._udp", "_kerberos._tcp"}
	if isAD(r.Kind) { // elsewhere clients that find no _kpasswd go to the host that krb5.conf names as admin_server
		services = append(services, "_kpasswd._udp", "_kpasswd._tcp", "_ldap._tcp")
	}
	questions := []dns.Question{{Name: r.Domain(), Type: dns.SOA}, {Name: r.Domain(), Type: dns.A}, {Name: r.Domain(), Type: dns.AAAA}}
	for _, s := range services {
		questions = append(questions, dns.Question{Name: s + "." + r.Domain(), Type: dns.SRV})
	}
	if r.Kind == config.MIT {
		questions = append(questions, dns.Question{Name: "_kerberos." + r.Domain(), Type: dns.URI})
	}
	facts := realmFacts(r).With(probe.FactRole, role)
	var out []probe.Probe
	for _, q := range questions {
		out = append(out, j.dnsProbe(q, server, probe.UDP, facts))
	}
	for _, q := range []dns.Question{questions[0], {Name: "_kerberos._tcp." + r.Domain(), Type: dns.SRV}} {
		out = append(out, j.dnsProbe(q, server, probe.TCP, facts))
	}
	return out
}

func (j realmJobs) dnsProbe(q dns.Question, server netip.AddrPort, t probe.Transport, facts probe.Facts) probe.Probe {
	return dns.Probe{Question: q, Server: server, Transport: t, Dialer: j.world.Dialer,
		Timeout: j.cfg.Probes.Timeout, Now: j.world.Now, Facts: facts}
}

// aboutEndpoint asks this host's DNS servers for a database's addresses.
func (j realmJobs) aboutEndpoint(db config.Database, resolver []netip.AddrPort) []Job {
	if _, err := netip.ParseAddr(db.Host); err == nil {
		return nil
	}
	var out []Job
	for _, s := range resolver {
		out = append(out, j.apart(j.endpointDNS(db, s))...)
	}
	return out
}

func (j realmJobs) endpointDNS(db config.Database, server netip.AddrPort) []probe.Probe {
	facts := databaseFacts(db).With(probe.FactRole, probe.RoleHost)
	facts[probe.FactRealm] = db.Realm
	return []probe.Probe{
		j.dnsProbe(dns.Question{Name: db.Host, Type: dns.A}, server, probe.UDP, facts),
		j.dnsProbe(dns.Question{Name: db.Host, Type: dns.AAAA}, server, probe.UDP, facts),
	}
}

// aboutKDCs asks the KDCs of a realm, as they were found; err says why there
// are none, or not all.
func (j realmJobs) aboutKDCs(realm config.Realm, resolver []netip.AddrPort, servers []discover.Server, err error) []Job {
	var out []Job
	var unheard *exchange.Error
	if len(servers) == 0 && isAD(realm.Kind) && errors.As(err, &unheard) {
		// DNS says nothing at all, and a directory's DNS servers are its domain
		// controllers: asking them shows whether it is DNS alone. A login finds
		// no KDC all the same.
		for _, s := range realm.DNSServers {
			servers = append(servers, discover.Server{Host: s.Addr().String(), Port: config.PortKDC,
				Source: probe.SourceDNSServer, Addrs: []netip.Addr{s.Addr()}})
		}
	}
	if len(servers) == 0 {
		out = append(out, j.job(j.lack(probe.KDC, realm.Domain(), realmFacts(realm).With(probe.FactSource, probe.SourceDomain), err)))
	}
	out = append(out, j.aboutLimits(probe.KDC, realm.Domain(), realmFacts(realm), servers)...)
	var asked []netip.Addr
	for _, s := range servers {
		if len(s.Addrs) == 0 && s.Left.Addresses == 0 {
			out = append(out, j.job(j.lack(probe.KDC, s.Host, realmFacts(realm).With(probe.FactSource, s.Source), s.Err)))
		}
		for _, addr := range j.routable(s.Addrs) {
			small, large := j.kdcProbes(realm, s, netip.AddrPortFrom(addr, s.Port), probe.UDP)
			first, second := j.kdcProbes(realm, s, netip.AddrPortFrom(addr, s.Port), probe.TCP)
			if oddPort(realm, s) {
				out = append(out, j.job(first, second, small, large))
			} else {
				out = append(out, j.job(small, large), j.job(first, second))
			}
			asked = append(asked, addr)
		}
	}
	if len(realm.DNSServers) == 0 && isAD(realm.Kind) {
		for _, addr := range asked {
			if at := netip.AddrPortFrom(addr, config.PortDNS); !slices.Contains(resolver, at) {
				out = append(out, j.apart(j.realmDNS(realm, at, probe.RoleRealm))...)
			}
		}
	}
	return out
}

// kdcProbes asks one KDC address over one transport: with a small message, and
// once that is answered with a large one.
func (j realmJobs) kdcProbes(r config.Realm, s discover.Server, addr netip.AddrPort, t probe.Transport) (small, large probe.Probe) {
	user := j.userOf(r)
	ask := kdc.Probe{Host: s.Host, Address: addr, Transport: t, User: user, Dialer: j.world.Dialer, Timeout: j.cfg.Probes.Timeout,
		Now: j.world.Now, HostClock: j.world.HostClock,
		Facts: serverFacts(r, s).With(probe.FactUser, user.String())}
	askMore := ask
	askMore.Large = true
	return ask, askMore
}

// userOf is the user whom the KDCs of a realm are asked about.
func (j realmJobs) userOf(r config.Realm) client.Principal {
	for _, l := range j.cfg.Logins {
		if l.Realm == r.Name {
			return client.Principal{Name: l.User, Realm: r.Name}
		}
	}
	return client.Principal{Name: probe.Stranger, Realm: r.Name}
}

// aboutKpasswd asks the kpasswd servers of a realm, as they were found; err says
// why there are none, or not all.
func (j realmJobs) aboutKpasswd(realm config.Realm, servers []discover.Server, err error) []Job {
	if len(servers) == 0 && errors.Is(err, discover.ErrCutShort) { // that there is none otherwise, the DNS probes say
		return []Job{j.job(j.lack(probe.Kpasswd, realm.Domain(), realmFacts(realm), err))}
	}
	out := j.aboutLimits(probe.Kpasswd, realm.Domain(), realmFacts(realm), servers)
	for _, s := range servers {
		for _, addr := range j.routable(s.Addrs) {
			probes := j.kpasswdProbes(realm, s, netip.AddrPortFrom(addr, s.Port))
			if oddPort(realm, s) {
				slices.Reverse(probes) // TCP first
				out = append(out, j.job(probes...))
			} else {
				out = append(out, j.apart(probes)...)
			}
		}
	}
	return out
}

func (j realmJobs) kpasswdProbes(r config.Realm, s discover.Server, addr netip.AddrPort) []probe.Probe {
	facts := serverFacts(r, s)
	transports := []probe.Transport{probe.UDP, probe.TCP}
	if r.Kind == config.Heimdal { // its kpasswdd has no TCP
		transports = transports[:1]
	}
	var out []probe.Probe
	for _, t := range transports {
		out = append(out, kpasswd.Probe{Host: s.Host, Address: addr, Transport: t,
			Dialer: j.world.Dialer, Timeout: j.cfg.Probes.Timeout, Now: j.world.Now, Facts: facts})
	}
	return out
}

func databaseFacts(db config.Database) probe.Facts {
	return probe.Facts{probe.FactDatabase: db.Name, probe.FactEndpoint: db.Endpoint(), probe.FactTLSMode: string(db.TLS.Mode)}
}
