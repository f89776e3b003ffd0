package discover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// Search is something to look up: the KDCs or the kpasswd servers of a realm, or
// the addresses of a database.
type Search struct {
	Kind probe.Kind // KDC, Kpasswd or Database
	Name string     // the realm's or the database's name in the configuration
	Host string     // of an instance of the database; empty for the database's own endpoint
}

// Key returns a name of the search, for logs.
func (s Search) Key() string {
	if s.Host != "" {
		return fmt.Sprintf("names of %s %s, instance %s", s.Kind, s.Name, s.Host)
	}
	return fmt.Sprintf("names of %s %s", s.Kind, s.Name)
}

// Searches returns all that is to be looked up: what a configuration names, and the
// instances that are known.
func (k Known) Searches(cfg *config.Config) []Search {
	var out []Search
	for _, r := range cfg.Realms {
		out = append(out, Search{Kind: probe.KDC, Name: r.Name}, Search{Kind: probe.Kpasswd, Name: r.Name})
	}
	for _, db := range cfg.Databases {
		out = append(out, Search{Kind: probe.Database, Name: db.Name})
		for _, i := range k.InstancesOf(db) {
			out = append(out, Search{Kind: probe.Database, Name: db.Name, Host: i.Host})
		}
	}
	return out
}

// Beat returns the time between two runs of a search. Servers of a realm are
// looked up when what was found is over; databases share the patience of this host's
// DNS servers.
func (s Search) Beat(cfg *config.Config) time.Duration {
	switch {
	case s.Host != "": // an instance keeps its address for long
		return max(LongestTTL, cfg.Probes.Interval)
	case s.Kind == probe.Database:
		return time.Duration(len(cfg.Databases)) * cfg.Probes.Seldom()
	}
	return cfg.Probes.Interval
}

// ErrCutShort is why a search has no answer: it was ended before it had one.
// Half of an answer names other servers than the whole.
var ErrCutShort = errors.New("the search was cut short")

// Find makes a search, or takes what was found a short while ago.
func (d *Finder) Find(ctx context.Context, of Search) (servers []Server, err error) {
	switch of.Kind {
	case probe.KDC:
		servers, err = d.kdcsOf(ctx, of.Name)
	case probe.Kpasswd:
		servers, err = d.kpasswdOf(ctx, of.Name)
	default:
		db, _ := d.cfg.Database(of.Name)
		if of.Host != "" {
			db.Host = of.Host
		}
		servers, err = d.endpoint(ctx, db)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrCutShort, ctx.Err())
	}
	return servers, err
}

// Most returns how many addresses of a search's name may be asked, former ones
// among them.
func (d *Finder) Most(of Search) int {
	switch of.Kind {
	case probe.KDC:
		return d.share(mostKDCs)
	case probe.Kpasswd:
		return d.share(mostKpasswd)
	}
	return 2 * mostAddresses
}

// Known is what is known of all names at one moment. It is a value: nothing
// changes it.
type Known struct {
	Resolver []netip.AddrPort // this host's DNS servers
	Servers  map[Search]Servers
	Clusters map[string]Cluster // by the database's name
}

// Of returns what is known of one name.
func (k Known) Of(kind probe.Kind, name string) Servers {
	return k.Servers[Search{Kind: kind, Name: name}]
}

// Servers is what a search has found.
type Servers struct {
	Asked bool     // it was made at least once
	Now   []Server // the servers that the latest search found
	Err   error    // why there are none, or not all
	Lost  []Server // found before; they may well be right, as their names cannot be looked up now
	Gone  []Server // found before; DNS has let go of them
}

// Memory is what searches have found so far. It may be used by several
// goroutines.
type Memory struct {
	mu       sync.Mutex
	of       map[Search]*history
	clusters map[string]Cluster
}

// Learn takes in what a search has found, of which at most addresses are kept,
// and reports whether anything is different.
func (m *Memory) Learn(of Search, servers []Server, err error, most int) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.of[of]
	if h == nil {
		if m.of == nil {
			m.of = map[Search]*history{}
		}
		h, changed = &history{}, true
		m.of[of] = h
	}
	h.most = most
	return h.update(servers, err, time.Now()) || changed
}

// Failing reports whether a search was made and has found nothing.
func (m *Memory) Failing(of Search) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.of[of]
	return h != nil && len(h.servers) == 0
}

// Forget forgets what some searches have found, and the clusters of such databases.
func (m *Memory) Forget(which func(Search) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.of, func(s Search, _ *history) bool { return which(s) })
	maps.DeleteFunc(m.clusters, func(name string, _ Cluster) bool { return which(Search{Kind: probe.Database, Name: name}) })
}

// Known returns what is known now.
func (m *Memory) Known(resolver []netip.AddrPort) Known {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := Known{Resolver: resolver, Servers: make(map[Search]Servers, len(m.of)), Clusters: maps.Clone(m.clusters)}
	for of, h := range m.of {
		s := Servers{Asked: true, Now: h.servers, Err: h.err}
		s.Lost, s.Gone = h.formers()
		k.Servers[of] = s
	}
	return k
}

// keepGone is how long an address that left DNS is still probed and shown: a
// name may give its addresses one at a time, in turn.
const keepGone = 10 * time.Minute

// Spot is one address of one server.
type Spot struct {
	Host   string
	Port   uint16
	Source string
	Addr   netip.Addr
}

// former is a Spot that was found before and is not found now.
type former struct {
	Spot
	since time.Time // with a monotonic reading
	// lost is true while the name cannot be looked up, so that its address may
	// well be right; otherwise it was looked up and has other addresses now.
	lost bool
}

// history is what one search has found over time.
type history struct {
	servers []Server // the servers that the latest search found
	err     error
	before  []former
	most    int // how many addresses there may be, former ones among them; 0: any number
}

// update takes in what was found, and reports whether anything is different.
func (h *history) update(servers []Server, err error, now time.Time) (changed bool) {
	found, unresolved := Spots(servers), map[string]bool{}
	stands := setOf(found)
	for _, s := range servers {
		if s.Err != nil {
			unresolved[s.Host] = true
		}
	}
	var before []former
	for _, f := range h.before {
		if !stands[f.Spot] && now.Sub(f.since) < keepGone {
			f.lost = len(servers) == 0 || unresolved[f.Host]
			before = append(before, f)
		}
	}
	for _, s := range Spots(h.servers) {
		if !stands[s] {
			before = append(before, former{Spot: s, since: now, lost: len(servers) == 0 || unresolved[s.Host]})
		}
	}
	if room := max(h.most-len(found), 0); h.most > 0 && len(before) > room {
		before = before[len(before)-room:] // the latest
	}
	changed = !slices.Equal(found, Spots(h.servers)) || !slices.Equal(before, h.before) || text(err) != text(h.err) || lacks(servers) != lacks(h.servers) ||
		LeftOutOf(servers) != LeftOutOf(h.servers)
	h.servers, h.err, h.before = servers, err, before
	return changed
}

// formers returns the former servers that count, and those that DNS has let go of.
func (h *history) formers() (lost, gone []Server) {
	for _, f := range h.before {
		s := Server{Host: f.Host, Port: f.Port, Source: f.Source, Addrs: []netip.Addr{f.Addr}}
		if f.lost {
			lost = append(lost, s)
		} else {
			gone = append(gone, s)
		}
	}
	return lost, gone
}

// Spots returns the addresses of servers, one by one.
func Spots(servers []Server) []Spot {
	var out []Spot
	for _, s := range servers {
		for _, a := range s.Addrs {
			out = append(out, Spot{s.Host, s.Port, s.Source, a})
		}
	}
	return out
}

func setOf(spots []Spot) map[Spot]bool {
	set := make(map[Spot]bool, len(spots))
	for _, s := range spots {
		set[s] = true
	}
	return set
}

// lacks names the servers without an address.
func lacks(servers []Server) string {
	all := ""
	for _, s := range servers {
		if len(s.Addrs) == 0 {
			all += s.Host + " " + text(s.Err) + "\n"
		}
	}
	return all
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
