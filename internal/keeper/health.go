package keeper

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// What makes a KDC slow: programs notice neither a factor alone (0.2 ms beside
// 1 ms) nor a difference alone (all of them far away).
const (
	slowFactor = 5
	slowFloor  = 50 * time.Millisecond
)

// How a KDC comes back, in probe intervals. Each time that it is moved it has
// to be well for twice as long, so that one that comes and goes stays at the
// end, and the file is not rewritten forever.
const (
	backAfter   = 10
	backAtMost  = 240
	settled     = 2  // until each address was asked, and so a picture is complete
	forgotAfter = 40 // an address that is no longer probed
)

// An address's speed is the median of its latest answers; with fewer than
// enough, nobody is called slow.
const recentAnswers, enoughAnswers = 5, 3

// standing is how good a KDC is: the worse, the nearer to the end of the list.
type standing int

const (
	kdcGood standing = iota
	kdcSlow          // or without an answer at one of its addresses
	kdcDead          // no answer at any
)

// realmHealth is what the probes of a realm's KDCs have shown. Nothing in it
// looks at a clock: the results bring their times.
type realmHealth struct {
	interval time.Duration // the probes' interval
	kdcs     []*kdcHealth  // the KDCs in the order that this host starts from
	first    time.Time     // when the first result began
}

// kdcHealth is one KDC of it.
type kdcHealth struct {
	name       string // host:port, as an order has it
	host, port string
	paths      map[netip.AddrPort]*pathHealth // one per address; the zero address while the name has none

	standing                standing // the standing by which the KDC is ordered
	since                   time.Time
	worseSince, betterSince time.Time     // than standing, without a break; zero: it is not
	back                    time.Duration // how long the KDC had to be good when it was last moved
}

// pathHealth is one address of it.
type pathHealth struct {
	seen   time.Time // when the latest run ended
	failed bool
	took   []time.Duration // how long the latest answers took
}

// newRealmHealth begins with the host's own order of KDCs, all of them good but
// for those that stand, the file being in the order now, where a bad one does:
// a dead KDC must not come to the front because kerbagent was started again.
func newRealmHealth(own, now []string, interval time.Duration) *realmHealth {
	r := &realmHealth{interval: interval}
	for _, name := range own {
		host, port, _ := net.SplitHostPort(name) // made by config.HostPort
		r.kdcs = append(r.kdcs, &kdcHealth{name: name, host: host, port: port,
			paths: map[netip.AddrPort]*pathHealth{}, back: backAfter / 2 * interval})
	}
	if standings, ok := standingsOf(own, now); ok {
		for i, k := range r.kdcs {
			if k.standing = standings[i]; k.standing != kdcGood {
				k.back *= 2
			}
		}
	}
	return r
}

// standingsOf returns the standing of each of own's KDCs by which they come into
// the order now: that consists of runs, each in own's order, of the good, the
// slow and the dead. ok is false where it has more, so somebody else made it.
func standingsOf(own, now []string) (out []standing, ok bool) {
	out = make([]standing, len(own))
	run, last := kdcGood, -1
	for _, name := range now {
		i := slices.Index(own, name)
		if i < 0 {
			return nil, false
		}
		if i < last {
			run++
		}
		out[i], last = run, i
	}
	return out, len(now) == len(own) && run <= kdcDead
}

// order returns the names, the good ones first.
func (r *realmHealth) order() []string {
	kdcs := slices.Clone(r.kdcs)
	slices.SortStableFunc(kdcs, func(a, b *kdcHealth) int { return int(a.standing - b.standing) })
	var names []string
	for _, k := range kdcs {
		names = append(names, k.name)
	}
	return names
}

// observe takes in one result, and reports whether the order is another one now.
func (r *realmHealth) observe(res probe.Result) bool {
	before := r.order()
	for _, k := range r.kdcs {
		if k.host == res.ID.Target && (!res.ID.Address.IsValid() || k.port == strconv.Itoa(int(res.ID.Address.Port()))) {
			k.saw(res, forgotAfter*r.interval)
			r.judge(res)
		}
	}
	return !slices.Equal(before, r.order())
}

// saw records what one run showed.
func (k *kdcHealth) saw(res probe.Result, forget time.Duration) {
	end := res.Started.Add(res.Duration)
	p := k.paths[res.ID.Address]
	if p == nil {
		p = &pathHealth{}
		k.paths[res.ID.Address] = p
	}
	p.seen, p.failed = end, res.Outcome == probe.Failed
	if !p.failed && res.ID.Variant == "" {
		p.took = append(p.took, res.Duration)
		p.took = p.took[max(0, len(p.took)-recentAnswers):]
	}
	for at, other := range k.paths {
		if end.Sub(other.seen) > forget || at.IsValid() != res.ID.Address.IsValid() {
			delete(k.paths, at)
		}
	}
}

// judge moves the standings of all KDCs, now that one was seen again.
func (r *realmHealth) judge(res probe.Result) {
	now := res.Started.Add(res.Duration)
	if r.first.IsZero() {
		r.first = res.Started
	}
	if now.Sub(r.first) < settled*r.interval {
		return
	}
	for _, k := range r.kdcs {
		shown := r.shown(k)
		k.worseSince = began(k.worseSince, shown > k.standing, res.Started)
		k.betterSince = began(k.betterSince, shown < k.standing, now)
		switch {
		case shown > k.standing && r.leaves(k, shown, now):
			if k.standing == kdcGood || now.Sub(k.since) > settled*r.interval { // not the second half of one fall
				k.back = min(2*k.back, backAtMost*r.interval)
			}
			k.set(shown, now)
		case shown < k.standing && now.Sub(k.betterSince) >= k.back:
			k.set(shown, now)
		case k.standing == kdcGood && shown == kdcGood && !k.since.IsZero() && now.Sub(k.since) >= 10*k.back:
			k.back, k.since = backAfter/2*r.interval, time.Time{}
		}
	}
}

// began returns since when something holds: since before, or from now on.
func began(since time.Time, holds bool, now time.Time) time.Time {
	switch {
	case !holds:
		return time.Time{}
	case since.IsZero():
		return now
	}
	return since
}

func (k *kdcHealth) set(s standing, now time.Time) {
	k.standing, k.since, k.worseSince, k.betterSince = s, now, time.Time{}, time.Time{}
}

// shown is what the latest results say of a KDC.
func (r *realmHealth) shown(k *kdcHealth) standing {
	failed := 0
	for _, p := range k.paths {
		if p.failed {
			failed++
		}
	}
	switch {
	case len(k.paths) == 0:
		return k.standing // nothing is known
	case failed == len(k.paths):
		return kdcDead
	case failed > 0:
		return kdcSlow
	}
	took, known := k.took()
	best := took
	for _, o := range r.kdcs {
		if t, ok := o.took(); ok && t < best {
			best = t
		}
	}
	if known && took >= slowFactor*best && took-best >= slowFloor {
		return kdcSlow
	}
	return kdcGood
}

// took is the speed of the slowest of a KDC's addresses that answer; not known
// until each was heard a few times.
func (k *kdcHealth) took() (worst time.Duration, known bool) {
	for _, p := range k.paths {
		if p.failed {
			continue
		}
		if len(p.took) < enoughAnswers {
			return 0, false
		}
		sorted := slices.Sorted(slices.Values(p.took))
		worst, known = max(worst, sorted[len(sorted)/2]), true
	}
	return worst, known
}

// leaves reports whether a KDC that has become worse is to move. It does where
// another one is known to be better, at all of its addresses and by runs that
// ended after the trouble began: when everything is dead, as it is where this
// host has no network, there is no better order. A better one that is itself
// still on its way back is taken once both have stayed so for a while.
func (r *realmHealth) leaves(k *kdcHealth, shown standing, now time.Time) bool {
	for _, o := range r.kdcs {
		better := r.shown(o)
		if o == k || better >= shown || !o.seenSince(k.worseSince) {
			continue
		}
		if o.standing < shown {
			return true
		}
		long := settled * r.interval
		if !o.betterSince.IsZero() && now.Sub(o.betterSince) >= long && now.Sub(k.worseSince) >= long {
			o.set(better, now)
			return true
		}
	}
	return false
}

// seenSince reports whether every address was asked since then.
func (k *kdcHealth) seenSince(t time.Time) bool {
	for _, p := range k.paths {
		if p.seen.Before(t) {
			return false
		}
	}
	return len(k.paths) > 0
}
