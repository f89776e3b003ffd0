package kerberos

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// given knows the KDCs of some realms by name, and asks rest for the others.
type given struct {
	kdcs map[string][]string
	rest client.Locator
}

// KDCs returns the addresses in the order of the configuration. A name that does
// not resolve is left out while another does.
func (g given) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	names, ok := g.kdcs[realm]
	if !ok {
		return g.rest.KDCs(ctx, realm)
	}
	var all []netip.AddrPort
	var first error
	for _, name := range names {
		addrs, err := resolve(ctx, name)
		if err != nil && first == nil {
			first = err
		}
		all = append(all, addrs...)
	}
	if len(all) == 0 && first != nil {
		return nil, fmt.Errorf("finding the KDCs of %s: %w", realm, first)
	}
	return all, nil
}

// resolve returns the addresses of host or host:port; 88 where there is no port.
func resolve(ctx context.Context, name string) ([]netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(name)
	if err != nil {
		host, port = strings.Trim(name, "[]"), "88"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("KDC %q: no such port", name)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(n))
	}
	return addrs, nil
}
