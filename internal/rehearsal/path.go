package rehearsal

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

// Effect is what the path does to packets.
type Effect int

// The effects. An unlisted packet goes through unharmed.
const (
	Drop        Effect = iota // a connect is never answered; datagrams vanish
	Refuse                    // RST, or ICMP port unreachable
	Unreachable               // EHOSTUNREACH on the first packet
	Exhausted                 // EMFILE: this host has no descriptor for a socket
	Lossy                     // the first datagram of each socket vanishes, those after it arrive
)

// Rule describes what happens to packets for some addresses. Zero fields match
// everything.
type Rule struct {
	To        netip.Prefix
	Port      uint16
	Transport string // "udp" or "tcp"
	Effect    Effect
}

// Path is the network between the agent and the world: a probe.Dialer that
// spoils what its rules name and passes the rest to real loopback sockets. It
// never lets a packet leave the machine.
type Path struct {
	mu      sync.Mutex
	rules   []Rule
	aliases map[netip.AddrPort]netip.AddrPort
}

// Add puts a rule behind the others; the first one that matches decides.
// Connections that exist already keep what they have.
func (p *Path) Add(r Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

// alias makes a well-known port lead to the free one that stands in for it, so
// that whoever falls back to 88 finds the KDC without root.
func (p *Path) alias(from, to netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.aliases == nil {
		p.aliases = make(map[netip.AddrPort]netip.AddrPort)
	}
	p.aliases[from] = to
}

// find resolves the alias of an address and looks its rule up.
func (p *Path) find(transport string, to netip.AddrPort) (netip.AddrPort, *Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if real, ok := p.aliases[to]; ok {
		to = real
	}
	for _, r := range p.rules {
		if r.To.IsValid() && !r.To.Contains(to.Addr()) || r.Port != 0 && r.Port != to.Port() || r.Transport != "" && r.Transport != transport {
			continue
		}
		return to, &r
	}
	return to, nil
}

// clear takes all rules away.
func (p *Path) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}

// DialContext connects over the path. address is an IP address and a port.
func (p *Path) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return dial(ctx, network, address, func(transport string, to netip.AddrPort) (netip.AddrPort, *Rule, error) {
		to, rule := p.find(transport, to)
		return to, rule, nil
	})
}

// dial connects as the rule says that find returns, to where it returns.
func dial(ctx context.Context, network, address string, find func(string, netip.AddrPort) (netip.AddrPort, *Rule, error)) (net.Conn, error) {
	asked, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	asked = netip.AddrPortFrom(asked.Addr().Unmap(), asked.Port())
	transport := "tcp"
	if len(network) >= 3 && network[:3] == "udp" {
		transport = "udp"
	}
	to, rule, err := find(transport, asked)
	fail := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(asked), Err: err}
	}
	switch {
	case err != nil:
		return nil, fail(err)
	case rule != nil && rule.Effect == Exhausted:
		return nil, fail(os.NewSyscallError("socket", syscall.EMFILE))
	case rule != nil && rule.Effect == Unreachable, !to.Addr().IsLoopback():
		return nil, fail(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	case rule == nil, rule.Effect == Lossy && transport == "tcp":
		return new(net.Dialer).DialContext(ctx, network, to.String())
	case rule.Effect == Lossy:
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return &lossy{UDPConn: conn}, err
	case transport == "udp":
		return newSpoilt(to, rule.Effect), nil
	case rule.Effect == Refuse:
		return nil, fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fail(os.ErrDeadlineExceeded)
	}
	return nil, fail(ctx.Err())
}
