package daemon

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/awsview"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// hostKey is the key of the job that looks at this host.
const hostKey = "host"

// task is something on a beat.
type task struct {
	results.Job
	run func(context.Context)
}

// tasks returns all that is on a beat: the host, the searches, and the plan.
func (d *Daemon) tasks(s *setup, jobs []plan.Job) []task {
	timeout := s.cfg.Probes.Timeout
	out := []task{{results.Job{Key: hostKey, Beat: s.cfg.Probes.Interval, Limit: timeout}, func(context.Context) { d.lookAtHost(s) }}}
	for _, of := range d.names.Known(s.resolver).Searches(s.cfg) {
		out = append(out, task{results.Job{Key: of.Key(), Beat: of.Beat(s.cfg), Limit: 2*timeout + time.Second},
			func(ctx context.Context) { d.search(ctx, s, of) }})
	}
	for _, j := range jobs {
		t := task{results.Job{Key: j.Key, Beat: j.Beat, Limit: j.Limit, Slow: !j.Prompt || j.Beat > s.cfg.Probes.Interval, Leads: j.Leads,
			Gone: j.Gone, Aside: j.Aside}, func(ctx context.Context) { d.do(ctx, s, j) }}
		for _, target := range j.Targets {
			t.Asks = append(t.Asks, target.ID)
		}
		out = append(out, t)
	}
	return out
}

// apply hands a new plan to all whom it concerns.
func (d *Daemon) apply(s *setup, before, jobs []plan.Job) {
	tasks := d.tasks(s, jobs)
	var expected []results.Job
	var scheduled []schedule.Job
	for _, t := range tasks {
		expected = append(expected, t.Job)
		scheduled = append(scheduled, schedule.Job{Key: t.Key, Interval: t.Beat, Timeout: min(t.Limit, t.Beat), Run: func(ctx context.Context) {
			defer d.ended(t.Key)
			t.run(ctx)
		}})
	}
	d.results.Expect(expected)
	d.results.Pend(d.pending(jobs))
	var targets []probe.Target
	asked := map[netip.AddrPort]bool{}
	for _, j := range jobs {
		if !j.AsksNobody() && !j.Aside {
			targets = append(targets, j.Targets...)
		}
		asked[j.Targets[0].ID.Address] = true
	}
	d.metrics.Track(targets)
	d.guard.Retain(asked)
	d.logins.retain(jobs)
	if s.cfg.Krb5Conf == nil { // nobody would take back what was said of it
		d.notes.set(noteKrb5Conf, nil)
		d.metrics.Krb5ConfNotKept()
	}
	if len(s.cfg.Applications) == 0 {
		d.metrics.Applications(nil, nil)
	}
	if !s.cfg.AWS.Observe {
		d.metrics.AWS(nil)
	}
	d.sched.Set(scheduled)
	for _, t := range tasks {
		if len(t.Asks) == 0 && d.results.Due(t.Key) {
			d.turns.soon(plan.Pull{Key: t.Key, Within: s.planner.Sooner().FirstNames()}) // what the others wait for: who is to be asked
		}
	}
	for _, j := range jobs {
		if j.AsksNobody() && !slices.ContainsFunc(before, func(was plan.Job) bool {
			return was.Key == j.Key && maps.Equal(was.Targets[0].Facts, j.Targets[0].Facts)
		}) {
			d.sched.Soon(j.Key)
		}
	}
	d.turns.start(s, before, jobs)
	d.explainer.Soon()
}

// errPending is why a login has no result yet.
var errPending = errors.New("pending: it has not had its first turn yet")

// pending returns what is shown of logins that have not had their turn: among
// hundreds that fail, some wait for longer than the first round.
func (d *Daemon) pending(jobs []plan.Job) (out []probe.Result) {
	for _, j := range jobs {
		if j.Login.User != "" {
			out = append(out, probe.Result{ID: j.Targets[0].ID, Outcome: probe.Skipped, Reason: probe.ReasonNotAsked, Err: errPending,
				Facts: j.Targets[0].Facts, Started: d.o.Now()})
		}
	}
	return out
}

// ended takes note that a job has run.
func (d *Daemon) ended(key string) {
	if d.results.Ran(key) {
		d.explainer.FirstRoundOver()
	}
}

// lookAtHost looks at what the daemon needs of this host: its DNS servers, which
// may be others now, or there for the first time.
func (d *Daemon) lookAtHost(s *setup) {
	d.guard.Forget()
	resolver, err := d.resolver(s.cfg)
	d.notes.set(noteResolver, err)
	if err != nil || slices.Equal(resolver, s.resolver) {
		return
	}
	d.planning.change(func(now *setup) *setup {
		if now != s {
			return nil
		}
		return d.moved(s, resolver)
	})
}

// search looks a name up, when the TTL of what was found is over, and plans anew
// where it has found something else.
func (d *Daemon) search(ctx context.Context, s *setup, of discover.Search) {
	servers, err := s.finder.Find(ctx, of)
	if ctx.Err() == nil && d.names.Learn(of, servers, err, s.finder.Most(of)) {
		d.planning.again()
	}
}

// do runs a job of the plan.
func (d *Daemon) do(ctx context.Context, s *setup, j plan.Job) {
	switch p := j.Probes[0].(type) {
	case krb5file.Probe:
		d.lookAtKrb5Conf(ctx, s, j, p)
		return
	case audit.Probe:
		var seen []probe.Result
		p.Parts = func(parts []probe.Result) { seen = parts }
		res := probe.Safely(ctx, p)
		if d.putWhole(ctx, res, seen, j.Every) {
			d.metrics.Applications(s.cfg.Units(), seen)
		}
		return
	}
	if p, is := j.Probes[0].(awsview.Probe); is {
		var seen []probe.Result
		p.Parts = func(parts []probe.Result) { seen = parts }
		res := probe.Safely(ctx, p)
		if d.putWhole(ctx, res, seen, j.Every) {
			d.metrics.AWS(seen)
		}
		return
	}
	if j.Login.User != "" {
		d.logIn(ctx, s, j)
		return
	}
	if j.After != "" && d.results.Due(j.After) {
		return // the login asks all that this would ask, without a failure
	}
	if j.Database.Name != "" {
		defer d.countUnfinished(ctx, s, j.Database)
	}
	if !d.guard.MayAsk(j.Targets[0].ID, j.Beat, j.Every, j.OddPort) {
		return
	}
	due := func(i int) bool { // a large message: seldom, but where the last one did not get through
		every := j.EveryOf(i)
		return every <= j.Every || !d.results.Fresh(j.Targets[i].ID, every-j.Beat/2)
	}
	j.Ask(ctx, d.o.Now, due, nil, func(res probe.Result) {
		d.guard.Heard(res, j.Beat, j.OddPort)
		if s.keeper.Observe(res) {
			d.turns.krb5Conf()
		}
		d.put(ctx, res, j.EveryOf(slices.IndexFunc(j.Targets, func(t probe.Target) bool { return t.ID == res.ID })))
	})
}

// lookAtKrb5Conf looks at the configured krb5.conf, and has it kept where that is
// asked for.
func (d *Daemon) lookAtKrb5Conf(ctx context.Context, s *setup, j plan.Job, p krb5file.Probe) {
	var issues []probe.Result
	p.Issues = func(found []probe.Result) { issues = found }
	res := probe.Safely(ctx, p)
	if !d.putWhole(ctx, res, issues, j.Every) {
		return
	}
	st, err := s.keeper.Beat(ctx) // of none: the zero state
	if current := d.planning.current(); current.cfg.Krb5Conf == nil {
		return
	}
	d.notes.krb5Conf(st.Note, err)
	if s.keeper == nil {
		d.metrics.Krb5ConfNotKept()
		return
	}
	d.metrics.Krb5Conf(st.InSync)
	if st.Changed {
		d.metrics.Krb5ConfChanged()
		d.o.Log.Info("the krb5.conf was changed, as was asked for", "file", st.File, "at", d.o.Now().UTC().Format(time.RFC3339))
	}
}

// putWhole keeps a result and the parts that come with it from now on. It
// reports whether anybody wants them still.
func (d *Daemon) putWhole(ctx context.Context, res probe.Result, parts []probe.Result, every time.Duration) bool {
	if !d.results.Replace(res.ID, parts) {
		return false
	}
	for _, r := range append([]probe.Result{res}, parts...) {
		d.put(ctx, r, every)
	}
	return true
}
