package awsview

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// Probe reads AWS on a beat of its own. It is no probe of a rung: it asks nothing that
// a login needs.
type Probe struct {
	Reader Reader
	Cache  Cache
	// Parts hears of what was read, one result each, before Run returns the result of
	// the reading itself; it may be nil.
	Parts func([]probe.Result)
}

var _ probe.Probe = Probe{}

// ID is of the reading as a whole.
func (p Probe) ID() probe.ID { return probe.ID{Kind: probe.AWS, Target: "view"} }

// Run reads once, or takes a reading that is younger than a beat: a daemon that is
// restarted again and again asks no more often.
func (p Probe) Run(ctx context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Reader.Now)
	views := p.Views(ctx)
	if p.Parts != nil {
		p.Parts(Results(p.Reader.Config, views, false))
	}
	if !slices.ContainsFunc(views, func(v View) bool { return v.Refused == "" }) {
		return rec.Skip(probe.ReasonNotAsked, errors.New("AWS was not read"))
	}
	return rec.OK()
}

// Views returns what AWS reports: what was kept, where that is young enough.
func (p Probe) Views(ctx context.Context) []View {
	cfg := p.Reader.Config
	within := Fresh
	if p.Parts != nil { // the daemon's beat, less than a beat of jitter
		within = cfg.ObserveInterval() * 9 / 10
	}
	if views, ok := p.Cache.Load(cfg, within); ok {
		return views
	}
	views := p.Reader.Read(ctx)
	_ = p.Cache.Store(cfg, views) // without it the next reading comes sooner, and nothing else
	return views
}

// HostAddresses returns the addresses of this host that others can see.
func HostAddresses() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			out = append(out, ip.Unmap())
		}
	}
	return out
}
