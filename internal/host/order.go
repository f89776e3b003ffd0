package host

import (
	"cmp"
	"math/bits"
	"net"
	"net/netip"
	"slices"
	"strconv"
)

// addressOrder is how glibc sorts destinations: the rules of RFC 6724 §6 with
// the tables of RFC 3484 and glibc's own additions, or those of gai.conf.
type addressOrder struct {
	labels, precedences, scopes4 []prefixValue
}

type prefixValue struct {
	prefix netip.Prefix
	value  int
}

func table(rows ...any) []prefixValue {
	var out []prefixValue
	for i := 0; i < len(rows); i += 2 {
		out = append(out, prefixValue{netip.MustParsePrefix(rows[i].(string)), rows[i+1].(int)})
	}
	return out
}

// defaultOrder has the tables of glibc's sysdeps/posix/getaddrinfo.c. They
// have no precedence of its own for fc00::/7, so that a unique local IPv6 address
// (ULA) stands before IPv4, other than in RFC 6724 §2.1.
func defaultOrder() addressOrder {
	return addressOrder{
		labels:      table("::1/128", 0, "2002::/16", 2, "::/96", 3, "::ffff:0:0/96", 4, "fec0::/10", 5, "fc00::/7", 6, "2001::/32", 7, "::/0", 1),
		precedences: table("::1/128", 50, "::/0", 40, "2002::/16", 30, "::/96", 20, "::ffff:0:0/96", 10),
		scopes4:     table("::ffff:169.254.0.0/112", 2, "::ffff:127.0.0.0/104", 2, "::ffff:0:0/96", 14),
	}
}

func readGAIConf(path string) (addressOrder, error) {
	all, err := lines(path, "#")
	var given addressOrder
	for _, f := range all {
		if len(f) < 3 {
			continue
		}
		p, bad := parsePrefix(f[1])
		n, worse := strconv.Atoi(f[2])
		if bad != nil || worse != nil {
			continue
		}
		switch row := (prefixValue{p, n}); f[0] {
		case "label":
			given.labels = append(given.labels, row)
		case "precedence":
			given.precedences = append(given.precedences, row)
		case "scopev4":
			given.scopes4 = append(given.scopes4, row)
		}
	}
	order := defaultOrder()
	// One line of a kind replaces glibc's whole table (gai.conf(5)).
	if given.labels != nil {
		order.labels = append(given.labels, table("::/0", 1)...)
	}
	if given.precedences != nil {
		order.precedences = append(given.precedences, table("::/0", 40)...)
	}
	if given.scopes4 != nil {
		order.scopes4 = append(given.scopes4, table("::ffff:0:0/96", 14)...)
	}
	return order, err
}

func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// lookUp is the value of the longest prefix that an address is in; of equal ones the first.
func lookUp(rows []prefixValue, a netip.Addr) int {
	as16 := netip.AddrFrom16(a.As16())
	best, value := -1, 0
	for _, row := range rows {
		p := netip.PrefixFrom(netip.AddrFrom16(row.prefix.Addr().As16()), row.prefix.Bits())
		if row.prefix.Addr().Is4() {
			p = netip.PrefixFrom(p.Addr(), 96+row.prefix.Bits())
		}
		if p.Bits() > best && contains(p, as16) {
			best, value = p.Bits(), row.value
		}
	}
	return value
}

// contains is Prefix.Contains for IPv4 addresses in IPv6 form, which that leaves out.
func contains(p netip.Prefix, a netip.Addr) bool {
	x, y := p.Addr().As16(), a.As16()
	for i := range 16 {
		n := min(max(p.Bits()-8*i, 0), 8)
		if mask := byte(0xff << (8 - n)); (x[i]^y[i])&mask != 0 {
			return false
		}
	}
	return true
}

// destination is an address with what the kernel would send from.
type destination struct {
	addr, source netip.Addr
	bits         int // the prefix length of the source's network
	usable, same bool
	scope        int
	label        bool // the source has the same
	precedence   int
}

// sort puts addresses into the order in which programs try them. Connecting a
// UDP socket asks the kernel for the source address and sends nothing.
func (o addressOrder) sort(addrs []netip.Addr) []netip.Addr {
	if len(addrs) < 2 {
		return addrs
	}
	var networks []net.Addr
	if families().v6 { // otherwise glibc does not look at the networks
		networks, _ = net.InterfaceAddrs()
	}
	all := make([]destination, len(addrs))
	for i, a := range addrs {
		d := destination{addr: a, scope: o.scope(a), precedence: lookUp(o.precedences, a)}
		if c, err := net.Dial("udp", netip.AddrPortFrom(a, 1).String()); err == nil {
			d.source, d.usable = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), true
			c.Close()
			d.same = o.scope(d.source) == d.scope
			d.label = lookUp(o.labels, d.source) == lookUp(o.labels, a)
			d.bits = networkOf(networks, d.source)
		}
		all[i] = d
	}
	slices.SortStableFunc(all, compare)
	out := make([]netip.Addr, len(all))
	for i, d := range all {
		out[i] = d.addr
	}
	return out
}

func networkOf(networks []net.Addr, source netip.Addr) int {
	for _, n := range networks {
		if p, ok := n.(*net.IPNet); ok && p.IP.Equal(source.AsSlice()) {
			ones, _ := p.Mask.Size()
			return ones
		}
	}
	return source.BitLen()
}

// first orders true before false.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// compare has the rules of RFC 6724 §6 that can make a difference for the
// addresses of servers: 1, 2, 5, 6, 8 and 9.
func compare(a, b destination) int {
	c := cmp.Or(first(a.usable, b.usable), first(a.usable && a.same, b.usable && b.same), first(a.usable && a.label, b.usable && b.label),
		cmp.Compare(b.precedence, a.precedence), cmp.Compare(a.scope, b.scope))
	if c != 0 || !a.usable || a.addr.Is4() != b.addr.Is4() {
		return c
	}
	return cmp.Compare(common(b), common(a))
}

// common is how long the prefix of destination and source is; for IPv4 only
// where both are in one network, since private addresses say nothing of nearness.
func common(d destination) int {
	if !d.usable {
		return 0
	}
	if d.addr.Is4() {
		net4 := netip.PrefixFrom(d.source, min(d.bits, 32))
		if !net4.Contains(d.addr) {
			return 0
		}
	}
	x, y := d.addr.As16(), d.source.As16()
	n := 0
	for i := range x {
		z := bits.LeadingZeros8(x[i] ^ y[i])
		if n += z; z < 8 {
			break
		}
	}
	return n
}

// scope is the address's (RFC 6724 §3.1), of IPv4 by gai.conf.
func (o addressOrder) scope(a netip.Addr) int {
	const link, site, global = 2, 5, 14
	switch {
	case a.Is4():
		return lookUp(o.scopes4, a)
	case a.IsMulticast():
		return int(a.As16()[1] & 0xf)
	case a.IsLinkLocalUnicast() || a.IsLoopback():
		return link
	case netip.MustParsePrefix("fec0::/10").Contains(a):
		return site
	}
	return global
}
