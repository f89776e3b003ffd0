package discover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	probedns "github.com/kerbagent/kerbagent/probe/dns"
)

// HostResolver reads the DNS servers that programs on this host use from a
// file of resolv.conf's form.
func HostResolver(path string) ([]netip.AddrPort, error) {
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading this host's DNS servers: %w; name them under resolver: in kerbagent.yaml", err)
	}
	var out []netip.AddrPort
	for _, s := range conf.Servers {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("reading this host's DNS servers: nameserver %q in %s is no address", s, path)
		}
		out = append(out, netip.AddrPortFrom(addr, config.PortDNS))
	}
	return out, nil
}

// HostDomains returns the DNS domains that this host searches, by a file of
// resolv.conf's form, each followed by the domains above it.
func HostDomains(path string) ([]string, error) {
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading this host's search domains: %w", err)
	}
	var out []string
	for _, domain := range conf.Search {
		domain = strings.ToLower(strings.Trim(domain, "."))
		for strings.Contains(domain, ".") && probedns.HostName(domain) {
			if !slices.Contains(out, domain) {
				out = append(out, domain)
			}
			_, domain, _ = strings.Cut(domain, ".")
		}
	}
	return out, nil
}

// Routable returns what tells whether this host has a way to an address at all:
// no program on a host without IPv6 would try it. Connecting a UDP socket asks
// the kernel for the route and sends nothing.
func Routable(dialer probe.Dialer) func(netip.Addr) bool {
	return func(a netip.Addr) bool {
		if a.Unmap().Is4() {
			return true
		}
		c, err := dialer.DialContext(context.Background(), "udp", netip.AddrPortFrom(a, config.PortKDC).String())
		if err == nil {
			c.Close()
		}
		return !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.EADDRNOTAVAIL)
	}
}
