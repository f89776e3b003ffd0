package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/probe"
)

// put keeps a result, tells its readers, and sees whether anything is new.
func (d *Daemon) put(ctx context.Context, res probe.Result, interval time.Duration) {
	if errors.Is(res.Err, guard.ErrNotYet) || res.Reason == probe.ReasonCanceled && ctx.Err() != nil {
		return // not asked, or cut short by us: that says nothing
	}
	change, taken := d.results.Put(res, interval)
	if !taken {
		return
	}
	d.metrics.Observe(res)
	if change.Says {
		d.explainer.Soon()
	}
	if !change.First && change.Says && res.ID.Kind == probe.DNS {
		d.lookUpAgain(res)
	}
	if !change.First && change.Turned {
		d.pull(res)
	}
}

// pull runs the jobs of a realm or database soon, since something changed
// there: so that what is found is not made of old and new. Logins and what is
// meant to fail are left at their beat.
func (d *Daemon) pull(res probe.Result) {
	s, jobs := d.planning.plan()
	var names []string
	for _, k := range []probe.Fact{probe.FactRealm, probe.FactDatabase} {
		if name := res.Facts[k]; name != "" && d.seldom.may(name, s.cfg.Probes.Interval) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	for _, of := range discover.Searches(s.cfg) {
		if slices.Contains(names, of.Name) {
			d.sched.Soon(of.Key())
		}
	}
	for _, j := range jobs {
		if j.Prompt && slices.ContainsFunc(j.About(), func(n string) bool { return slices.Contains(names, n) }) {
			d.sched.Soon(j.Key)
		}
	}
}

// lookUpAgain finds a realm's servers or a database's addresses anew, since DNS
// says something else of them than before, and their TTL may be long.
func (d *Daemon) lookUpAgain(res probe.Result) {
	s := d.planning.current()
	of := []discover.Search{{Kind: probe.KDC, Name: res.Facts[probe.FactRealm]}, {Kind: probe.Kpasswd, Name: res.Facts[probe.FactRealm]}}
	if db := res.Facts[probe.FactDatabase]; db != "" {
		of = []discover.Search{{Kind: probe.Database, Name: db}}
	}
	if !d.seldom.may(of[0].Key(), s.cfg.Probes.Timeout) {
		return
	}
	for _, one := range of {
		s.finder.Expire(one)
		d.sched.Soon(one.Key())
	}
}

// seldom is what is not done more often than every so often.
type seldom struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// may reports whether something may be done now, and takes note that it is.
func (s *seldom) may(what string, every time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.last[what]; ok && time.Since(t) < every {
		return false
	}
	if s.last == nil {
		s.last = map[string]time.Time{}
	}
	s.last[what] = time.Now()
	return true
}
