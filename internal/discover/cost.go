package discover

import (
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// Cost is what a search asks: so many questions at each of the servers, every so often.
type Cost struct {
	Search   Search
	At       []netip.AddrPort
	Requests int
	Every    time.Duration
}

// Costs returns what the searches of a configuration ask while everything is found.
// The KDCs' search asks for two SRV records and the domain's addresses, that of the
// kpasswd servers for two SRV records more; the hosts' addresses mostly come with them.
func Costs(cfg *config.Config, resolver []netip.AddrPort) (out []Cost) {
	d := New(cfg, nil, resolver, true)
	for _, s := range (Known{}).Searches(cfg) {
		c := Cost{Search: s, At: d.dnsFor(s.Name), Requests: 2}
		r, _ := cfg.Realm(s.Name)
		switch {
		case s.Kind == probe.Database:
			db, _ := cfg.Database(s.Name)
			if _, err := netip.ParseAddr(db.Host); err == nil {
				continue
			}
			c.At, c.Every = resolver, s.Beat(cfg)
		case s.Kind == probe.KDC && len(r.KDCs) == 0:
			c.Requests, c.Every = 4, d.holds(c.At)
		default:
			c.Every = d.holds(c.At)
		}
		out = append(out, c)
	}
	return out
}

// Take takes over what another Finder has found by the searches that are the same
// here: a fleet that reads its configuration again at once does not look everything up.
func (d *Finder) Take(from *Finder, same func(Search) bool) {
	from.mu.Lock()
	defer from.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range (Known{}).Searches(d.cfg) {
		if s.Kind == probe.Database || !same(s) {
			continue
		}
		was, is := from.kdcs, d.kdcs
		if s.Kind == probe.Kpasswd {
			was, is = from.kpasswd, d.kpasswd
		}
		if f := was[s.Name]; f != nil && !f.until.IsZero() {
			is[s.Name] = f
		}
	}
}
