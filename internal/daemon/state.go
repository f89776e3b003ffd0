package daemon

import (
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

var _ web.Source = (*Daemon)(nil)

// State returns what there is to show now.
func (d *Daemon) State() web.State {
	rep, shown := d.explainer.Report()
	st := web.State{Host: d.o.Host, Version: d.o.Version, Now: d.o.Now(), Started: d.started, Ready: shown, Report: rep,
		HideUsers: d.users.hide, Users: d.users.all(), Entries: d.results.Entries()}
	st.Notes = d.allNotes(st.Entries)
	return st
}

// allNotes reports what is held back, slowed, stalled or not recorded.
func (d *Daemon) allNotes(entries []results.Entry) []string {
	out := append([]string{}, d.planning.current().planner.Notes...)
	out = append(out, d.loginNotes(entries)...)
	out = append(out, d.guard.Notes()...)
	out = append(out, d.notes.all()...)
	if n := d.recorder.Missed(); n > 0 {
		out = append(out, fmt.Sprintf("%d failures are missing from the failure log (rate limit)", n))
	}
	if n, longest, which := d.results.Stalled(); n > 0 {
		out = append(out, fmt.Sprintf("jobs that are stalled: %d; the longest is %s, which has not run for %s", n, which, schedule.Brief(longest)))
	}
	return out
}

// loginNotes reports which logins are paused or wait.
func (d *Daemon) loginNotes(entries []results.Entry) []string {
	var out []string
	waiting := d.logins.waiting()
	for _, e := range entries {
		r := e.Result
		if r.ID.Kind != probe.Login {
			continue
		}
		who := fmt.Sprintf("login of %s to %s", r.Facts[probe.FactUser], r.Facts[probe.FactDatabase])
		switch why := waiting[r.ID.Target]; {
		case why != nil:
			out = append(out, fmt.Sprintf("%s waits: %v; what is shown is its latest result", who, why))
		case r.Facts[probe.FactRefusedAt] != "":
			out = append(out, fmt.Sprintf("%s is paused: %v", who, r.Err))
		case r.Outcome == probe.Skipped:
			out = append(out, fmt.Sprintf("%s is held back: %v", who, r.Err))
		}
	}
	return out
}

// Failures returns the last ones, the latest first.
func (d *Daemon) Failures() []recorder.Record { return d.recorder.Records() }

// Healthy returns nil while the jobs run in time.
func (d *Daemon) Healthy() error {
	moved, late := d.sched.Progress()
	if most := max(3*d.planning.current().cfg.Probes.Interval, firstRound); late > most {
		return fmt.Errorf("a job is %s late; the scheduler moved last %s ago", schedule.Brief(late), schedule.Brief(time.Since(moved)))
	}
	return nil
}

// errNotReady is told until the first full round is over.
var errNotReady = errors.New("the first round is not over")

// Ready returns nil once the first full round is over, or has had its time.
func (d *Daemon) Ready() error {
	if _, shown := d.explainer.Report(); !shown {
		return errNotReady
	}
	return nil
}
