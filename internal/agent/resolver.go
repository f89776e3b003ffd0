package agent

import (
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/config"
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
