package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

var _ web.Source = (*daemon)(nil)

// State is what there is to show now.
func (d *daemon) State() web.State {
	entries := d.table.Entries()
	d.mu.Lock()
	defer d.mu.Unlock()
	st := web.State{Host: d.o.Host, Version: d.o.Version, Now: d.o.Now(), Started: d.started, Ready: d.shown(), Report: d.report, HideUsers: d.hideUsers, Users: d.users}
	results := make([]probe.Result, 0, len(entries))
	for _, e := range entries {
		if d.plan.gone[e.Result.ID] && e.Result.Outcome != probe.OK {
			continue
		}
		st.Entries = append(st.Entries, e)
		results = append(results, e.Result)
	}
	st.Notes = d.notes(results)
	return st
}

// notes says what is held back, slowed, stalled or not recorded; under d.mu.
func (d *daemon) notes(results []probe.Result) []string {
	notes := append([]string{}, d.setup.notes...)
	notes = append(notes, d.loginNotes(results)...)
	notes = append(notes, d.overload.notes()...)
	for _, one := range []struct {
		what string
		err  error
	}{
		{"the configuration was changed and cannot be used, the old one stays", d.loadErr},
		{"this host's DNS servers are not known", d.resolverErr},
		{"failures are not recorded on disk", d.recordErr},
	} {
		if one.err != nil {
			notes = append(notes, fmt.Sprintf("%s: %v", one.what, one.err))
		}
	}
	if n := d.recorder.Missed(); n > 0 {
		notes = append(notes, fmt.Sprintf("%d failures were not recorded, since there were too many at once", n))
	}
	if d.krb5Note != "" {
		notes = append(notes, d.krb5Note)
	}
	stalled, longest, which := 0, time.Duration(0), ""
	for _, t := range d.plan.order {
		if since := t.stalled(time.Now()); since > 0 {
			stalled++
			if since > longest {
				longest, which = since, t.key
			}
		}
	}
	if stalled > 0 {
		notes = append(notes, fmt.Sprintf("jobs that are stalled: %d; the longest is %s, which has not run for %s", stalled, which, brief(longest)))
	}
	return notes
}

// Failures gives the last ones, the latest first.
func (d *daemon) Failures() []recorder.Record { return d.recorder.Records() }

// Healthy is nil while the jobs run in time.
func (d *daemon) Healthy() error {
	moved, late := d.sched.Progress()
	if most := max(3*d.current().cfg.Probes.Interval, firstRound); late > most {
		return fmt.Errorf("a job is %s late; the scheduler moved last %s ago", brief(late), brief(time.Since(moved)))
	}
	return nil
}

// shown says whether the first round is over and explained; under d.mu.
func (d *daemon) shown() bool { return d.ready && d.report.Verdict != "" }

// errNotReady is told until the first full round is over.
var errNotReady = errors.New("the first round is not over")

// Ready is nil once the first full round is over, or has had its time.
func (d *daemon) Ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.shown() {
		return errNotReady
	}
	return nil
}
