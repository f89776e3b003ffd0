package daemon

import (
	"maps"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// turns runs jobs out of turn, where something new makes their answer worth having
// sooner than on their beat, and remembers what it did so as not to do it too often.
type turns struct {
	host     string // whose moments within a span are its own
	planning *planning
	names    *discover.Memory
	results  *results.Store
	sched    *schedule.Scheduler

	mu   sync.Mutex
	last map[string]time.Time // by what was done
}

// start pulls forward the jobs that are new, so that the first round is over soon.
func (t *turns) start(s *setup, before, jobs []plan.Job) {
	had := map[string]bool{}
	for _, j := range before {
		had[j.Key] = true
	}
	for _, p := range s.planner.Sooner().First(jobs) {
		if !had[p.Key] {
			time.AfterFunc(p.At(t.host), func() {
				if t.results.Due(p.Key) { // its beat has not come first
					t.sched.Soon(p.Key)
				}
			})
		}
	}
}

// pull runs jobs out of turn, since something changed at a server, a database or a
// login. One change is seen by several probes, and is followed once an interval.
func (t *turns) pull(res probe.Result) {
	s, jobs := t.planning.plan()
	for _, p := range s.planner.Sooner().After(jobs, res) {
		what := "at once "
		if p.Within > 0 {
			what = "soon "
		}
		if !t.may(what+p.Key, s.cfg.Probes.Interval) {
			continue
		}
		t.soon(p)
	}
}

// onceMore asks again what is asked seldom and has begun to fail.
func (t *turns) onceMore(res probe.Result) {
	s, jobs := t.planning.plan()
	p, is := s.planner.Sooner().OnceMore(jobs, res, func(id probe.ID) bool { return t.results.Fresh(id, 2*s.cfg.Probes.Interval) })
	if is && t.may("once more "+p.Key, s.cfg.Probes.Seldom()) {
		t.soon(p)
	}
}

// soon runs a job once out of turn.
func (t *turns) soon(p plan.Pull) {
	at := p.At(t.host)
	if at == 0 {
		t.sched.Soon(p.Key)
		return
	}
	time.AfterFunc(at, func() { t.sched.Soon(p.Key) })
}

// lookUpAgain finds a realm's servers or a database's addresses anew: at once where
// DNS says something else of them than before, as what was found is used for long;
// and spread out over a fleet where a DNS server is heard again, and nobody was
// meanwhile.
func (t *turns) lookUpAgain(res probe.Result, change results.Change) {
	s := t.planning.current()
	of := []discover.Search{{Kind: probe.KDC, Name: res.Facts[probe.FactRealm]}, {Kind: probe.Kpasswd, Name: res.Facts[probe.FactRealm]}}
	if db := res.Facts[probe.FactDatabase]; db != "" {
		of = []discover.Search{{Kind: probe.Database, Name: db}}
	}
	within := time.Duration(0)
	switch back := change.Turned && res.Outcome == probe.OK && t.names.Failing(of[0]); {
	case !change.Answers && !back:
		return
	case back && s.cfg.Fleet.Hosts > 1:
		within = 2 * s.cfg.Probes.Interval
	}
	if !t.may(of[0].Key(), s.cfg.Probes.Timeout) {
		return
	}
	for _, one := range of {
		s.finder.Expire(one)
		t.soon(plan.Pull{Key: one.Key(), Within: within})
	}
}

// ofUser runs a user's logins once a changed secret may be tried.
func (t *turns) ofUser(user string, wait time.Duration) {
	time.AfterFunc(wait, func() {
		_, jobs := t.planning.plan()
		for _, j := range jobs {
			if j.Login.User != "" && j.Instance == "" && j.Login.Principal() == user {
				t.sched.Soon(j.Key)
			}
		}
	})
}

// krb5Conf runs the job of the krb5.conf out of turn.
func (t *turns) krb5Conf() {
	_, jobs := t.planning.plan()
	for _, j := range jobs {
		if _, is := j.Probes[0].(krb5file.Probe); is {
			t.sched.Soon(j.Key)
		}
	}
}

// mostSeldom is how many things are remembered until those whose time is over are dropped.
const mostSeldom = 1024

// may reports whether something may be done now, and takes note that it is.
func (t *turns) may(what string, every time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, ok := t.last[what]; ok && time.Since(at) < every {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	if len(t.last) >= mostSeldom { // names come and go
		maps.DeleteFunc(t.last, func(_ string, at time.Time) bool { return time.Since(at) >= every })
	}
	t.last[what] = time.Now()
	return true
}
