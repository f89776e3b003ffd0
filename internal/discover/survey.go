package discover

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// mostAsked is how many servers are asked whether they are the realm's own: a
// large forest has hundreds of domain controllers.
const mostAsked = 8

// Survey is what DNS says of a realm, for a first configuration. Every name in
// it is a checked host name.
type Survey struct {
	Realm      string
	Kind       config.Kind      // ActiveDirectory where DNS has its records, else MIT
	KDCs       []string         // Host:port; empty where DNS has none
	Source     string           // how they were found: probe.SourceSRV or probe.SourceDomain
	Kpasswd    []string         // Host:port, by SRV
	DNSServers []netip.AddrPort // the realm's DNS servers that are authoritative for its domain
	Err        error            // why there is no KDC
}

// SurveyRealm asks the DNS servers at about a realm. It asks nobody else but
// the hosts that they name, and those for DNS alone. theirs says that somebody
// has named the servers as the realm's; this host's own are not, however they
// answer: a forwarder (dnsmasq, a VPC's resolver) may set the bit of an
// authority on what it has from others.
func SurveyRealm(ctx context.Context, realm string, at []netip.AddrPort, theirs bool, dialer probe.Dialer) Survey {
	cfg := &config.Config{Realms: []config.Realm{{Name: realm}}, Probes: config.Probes{Timeout: config.DefaultProbeTimeout}}
	d, domain := New(cfg, dialer, at, false), cfg.Realms[0].Domain()
	s := Survey{Realm: realm, Kind: config.MIT}
	var controllers *dns.Answer
	var kdcs, kpasswd []Server
	var wg sync.WaitGroup
	wg.Go(func() {
		controllers, _ = d.ask(ctx, at, dns.Question{Name: "_ldap._tcp.dc._msdcs." + domain, Type: dns.SRV})
	})
	wg.Go(func() { kdcs, s.Err = d.kdcsOf(ctx, realm) })
	wg.Go(func() { kpasswd, _ = d.kpasswdOf(ctx, realm) })
	wg.Wait()
	if controllers != nil && len(controllers.Services) > 0 {
		s.Kind = config.ActiveDirectory
	}
	var asked []netip.AddrPort
	if theirs {
		asked = slices.Clone(at)
	}
	for _, k := range kdcs {
		s.Source = k.Source
		s.KDCs = append(s.KDCs, config.HostPort{Host: k.Host, Port: k.Port}.String())
		for _, a := range k.Addrs {
			if here := netip.AddrPortFrom(a, config.PortDNS); len(asked) < mostAsked && !slices.Contains(asked, here) {
				asked = append(asked, here)
			}
		}
	}
	for _, k := range kpasswd {
		if k.Source == probe.SourceSRV {
			s.Kpasswd = append(s.Kpasswd, config.HostPort{Host: k.Host, Port: k.Port}.String())
		}
	}
	s.DNSServers = d.speakFor(ctx, domain, asked)
	return s
}

// speakFor returns those of the servers that answer for a domain themselves.
func (d *Finder) speakFor(ctx context.Context, domain string, servers []netip.AddrPort) []netip.AddrPort {
	own := make([]bool, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			a, err := d.ask(ctx, []netip.AddrPort{s}, dns.Question{Name: domain, Type: dns.SOA})
			own[i] = err == nil && a.Authoritative && a.Reason() == ""
		})
	}
	wg.Wait()
	var out []netip.AddrPort
	for i, s := range servers {
		if own[i] {
			out = append(out, s)
		}
	}
	return out
}
