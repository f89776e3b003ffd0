package daemon

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/results"
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
	if res.ID.Kind == probe.DNS && !change.First {
		d.lookUpAgain(res, change)
	}
	if !change.First && change.Turned {
		d.pull(res)
	}
	if change.Turned && res.Outcome == probe.Failed {
		d.onceMore(res)
	}
}

// pull runs jobs out of turn, since something changed at a server, a database or a
// login. One change is seen by several probes, and is followed once an interval.
func (d *Daemon) pull(res probe.Result) {
	s, jobs := d.planning.plan()
	for _, p := range s.planner.After(jobs, res) {
		what := "at once "
		if p.Within > 0 {
			what = "soon "
		}
		if !d.seldom.may(what+p.Key, s.cfg.Probes.Interval) {
			continue
		}
		d.soon(p)
	}
}

// onceMore asks again what is asked seldom and has begun to fail.
func (d *Daemon) onceMore(res probe.Result) {
	s, jobs := d.planning.plan()
	p, is := s.planner.OnceMore(jobs, res, func(id probe.ID) bool { return d.results.Fresh(id, 2*s.cfg.Probes.Interval) })
	if is && d.seldom.may("once more "+p.Key, s.cfg.Probes.Seldom()) {
		d.soon(p)
	}
}

// soon runs a job once out of turn.
func (d *Daemon) soon(p plan.Pull) {
	at := p.At(d.o.Host)
	if at == 0 {
		d.sched.Soon(p.Key)
		return
	}
	time.AfterFunc(at, func() { d.sched.Soon(p.Key) })
}

// lookUpAgain finds a realm's servers or a database's addresses anew: at once where
// DNS says something else of them than before, as what was found is used for long;
// and spread out over a fleet where a DNS server is heard again, and nobody was
// meanwhile.
func (d *Daemon) lookUpAgain(res probe.Result, change results.Change) {
	s := d.planning.current()
	of := []discover.Search{{Kind: probe.KDC, Name: res.Facts[probe.FactRealm]}, {Kind: probe.Kpasswd, Name: res.Facts[probe.FactRealm]}}
	if db := res.Facts[probe.FactDatabase]; db != "" {
		of = []discover.Search{{Kind: probe.Database, Name: db}}
	}
	within := time.Duration(0)
	switch back := change.Turned && res.Outcome == probe.OK && d.names.Failing(of[0]); {
	case !change.Answers && !back:
		return
	case back && s.cfg.Fleet.Hosts > 1:
		within = 2 * s.cfg.Probes.Interval
	}
	if !d.seldom.may(of[0].Key(), s.cfg.Probes.Timeout) {
		return
	}
	for _, one := range of {
		s.finder.Expire(one)
		d.soon(plan.Pull{Key: one.Key(), Within: within})
	}
}

// mostSeldom is how many things are remembered until those whose time is over are dropped.
const mostSeldom = 1024

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
	if len(s.last) >= mostSeldom { // names come and go
		maps.DeleteFunc(s.last, func(_ string, t time.Time) bool { return time.Since(t) >= every })
	}
	s.last[what] = time.Now()
	return true
}
