package agent

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// question is one probe, or several of which each is asked once the one before
// it is answered. A large message that is lost means something only after a
// small one was answered; and Samba's KDC, whose processes share a socket, now
// and then cuts a large datagram short that comes together with a small one,
// so that the two side by side would show a fault that is none. At a port that
// only an SRV record names, one request over TCP goes first: DNS alone must not
// decide where more than that is sent.
type question []probe.Probe

// ask asks in turn by way of run. What is not asked is a result as well, and
// is given to skipped.
func (q question) ask(now func() time.Time, run func(probe.Probe) probe.Result, skipped func(probe.Result)) {
	res := run(q[0])
	for _, p := range q[1:] {
		if res.Outcome == probe.OK {
			res = run(p)
			continue
		}
		rec := probe.Begin(p.ID(), now)
		rec.Fact(probe.FactRealm, res.Facts[probe.FactRealm])
		res = rec.Skip(probe.ReasonNotAsked, errors.New("the exchange before it was not answered"))
		skipped(res)
	}
}

// askAgain runs a probe, and samples it where its question is harmless. A port
// that only DNS names gets one request.
func askAgain(ctx context.Context, p probe.Probe, timeout time.Duration) probe.Result {
	if factsOf(p)[probe.FactOddPort] != "" {
		return probe.Safely(ctx, p)
	}
	return probe.Ask(ctx, p, timeout)
}

// apart makes a question of each probe.
func apart(probes []probe.Probe) []question {
	var out []question
	for _, p := range probes {
		out = append(out, question{p})
	}
	return out
}

// lacking is a name that nobody can be asked at: it fails whenever it is asked.
type lacking struct {
	id    probe.ID
	facts probe.Facts
	err   error
	now   func() time.Time
}

func (p planner) lack(kind probe.Kind, target string, facts probe.Facts, err error) lacking {
	return lacking{id: probe.ID{Kind: kind, Target: target}, facts: facts, err: err, now: p.env.Now}
}

// ID has no address.
func (l lacking) ID() probe.ID { return l.id }

// Run says that there is no address.
func (l lacking) Run(context.Context) probe.Result {
	rec := probe.Begin(l.id, l.now)
	rec.Facts(l.facts)
	return rec.Fail(probe.ReasonUnresolvable, l.err)
}

// routable leaves out IPv6 addresses where this host has no IPv6 at all: no
// program on it would try them. Connecting a UDP socket asks the kernel for
// the route and sends nothing.
func (p planner) routable(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		if a.Unmap().Is4() {
			return false
		}
		c, err := p.env.Dialer.DialContext(context.Background(), "udp", netip.AddrPortFrom(a, config.PortKDC).String())
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
	})
}
