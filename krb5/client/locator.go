package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// kerberosPort is the KDC's (RFC 4120 §7.2.3).
const kerberosPort = 88

// maxTargets and maxAddresses bound what DNS can make a login do.
const (
	maxTargets   = 16
	maxAddresses = 32
)

// DNSLocator finds KDCs by SRV records of _kerberos._tcp (RFC 4120 §7.2.3.2),
// and where there are none by the addresses of the realm's domain itself, which
// in Active Directory are those of its domain controllers.
type DNSLocator struct {
	Resolver *net.Resolver // nil: net.DefaultResolver
}

// KDCs returns the addresses in the order of the SRV records, a host's own
// addresses in the order of the resolver. Targets without an address are left
// out as long as one has some.
func (l DNSLocator) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	r := cmp.Or(l.Resolver, net.DefaultResolver)
	domain := realm + "." // so that no search list is tried
	_, records, srvErr := r.LookupSRV(ctx, "kerberos", "tcp", domain)
	// "." says that there is no such service (RFC 2782).
	records = slices.DeleteFunc(records, func(s *net.SRV) bool { return s.Target == "." })
	targets := make([]target, 0, maxTargets)
	for _, s := range records[:min(len(records), maxTargets)] {
		targets = append(targets, target{host: s.Target, port: s.Port})
	}
	if len(targets) == 0 {
		targets = append(targets, target{host: domain, port: kerberosPort})
	}
	var wg sync.WaitGroup
	for i := range targets {
		wg.Go(func() { targets[i].resolve(ctx, r) })
	}
	wg.Wait()

	var out []netip.AddrPort
	errs := []error{srvErr}
	for _, t := range targets {
		errs = append(errs, t.err)
		for _, a := range t.addrs {
			ap := netip.AddrPortFrom(a.Unmap(), t.port)
			if len(out) < maxAddresses && !slices.Contains(out, ap) {
				out = append(out, ap)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("finding KDCs of %s: %w", realm, inOneLine(errs...))
	}
	return out, nil
}

// target is one host that may be a KDC.
type target struct {
	host  string
	port  uint16
	addrs []netip.Addr
	err   error
}

func (t *target) resolve(ctx context.Context, r *net.Resolver) {
	t.addrs, t.err = r.LookupNetIP(ctx, "ip", t.host)
}
