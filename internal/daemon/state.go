package daemon

import (
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/internal/web"
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
	out = append(out, d.logins.notes(entries)...)
	out = append(out, d.guard.Notes()...)
	out = append(out, d.notes.all()...)
	if n := d.recorder.Missed(); n > 0 {
		out = append(out, fmt.Sprintf("%d failures are missing from the failure log (rate limit)", n))
	}
	if n, longest, which := d.results.Stalled(); n > 0 {
		out = append(out, fmt.Sprintf("jobs that are stalled: %d; the longest is %s, which has not run for %s", n, which,
			schedule.Brief(longest)))
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
