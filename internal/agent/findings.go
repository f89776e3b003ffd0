package agent

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// How often results are explained: what changes together is explained once,
// and however many results there are, it takes no more than a tenth of a CPU.
const (
	explainGap   = 250 * time.Millisecond
	explainShare = 10
)

// explainSoon asks for an explanation.
func (d *daemon) explainSoon() {
	select {
	case d.dirty <- struct{}{}:
	default:
	}
}

// explainer explains the results whenever something new is among them, and
// once an interval, since time passes, too.
func (d *daemon) explainer(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.dirty:
		case <-timer.C:
		}
		began := time.Now()
		again := d.explain()
		if interval := d.current().cfg.Probes.Interval; again == 0 || again > interval {
			again = interval
		}
		took := time.Since(began)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(explainGap, explainShare*took)):
		}
		timer.Reset(max(0, again-time.Since(began)))
	}
}

// explain says what the results mean, and tells whoever wants to know. It gives
// the time until the log may have more to say; 0 for never.
func (d *daemon) explain() (again time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			d.o.Log.Error("explaining the results panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	d.mu.Lock()
	s, ready, fails, users := d.setup, d.ready, d.unrecorded, d.users
	d.unrecorded = nil
	snap := d.snapshot()
	d.mu.Unlock()
	rep := diagnose.Explain(snap)
	d.record(fails, rep.Findings)
	if !ready {
		return 0 // half of a first round looks like many faults
	}
	d.mu.Lock()
	d.report = rep
	d.mu.Unlock()
	d.metrics.Findings(rep.Findings)
	began, ended, again := d.follower.update(rep.Findings, time.Now(), s.cfg.Probes.Timeout+time.Second)
	for _, f := range began {
		d.tell("finding began", f, rep, "since", f.Since.UTC().Format(time.RFC3339))
	}
	for _, f := range ended {
		d.tell("finding ended", f, rep, "lasted", brief(f.over.Sub(f.began)))
	}
	d.status(report.Headline(report.Input{Report: rep, Results: snap.Results, HideUsers: d.hideUsers, Users: users}))
	return again
}

// tell writes the one line that a finding's beginning or end is worth.
func (d *daemon) tell(what string, f followed, rep diagnose.Report, more ...any) {
	level := map[diagnose.Severity]slog.Level{diagnose.Error: slog.LevelError, diagnose.Warning: slog.LevelWarn}[f.Severity]
	if !f.over.IsZero() {
		level = slog.LevelInfo
	}
	first := ""
	if len(rep.Findings) > 0 {
		first = string(rep.Findings[0].Code)
	}
	d.o.Log.Log(context.Background(), level, what, append([]any{"code", f.Code, "severity", f.Severity, "title", f.Title, "first", first, "verdict", rep.Verdict}, more...)...)
}

// record gives what failed to the flight recorder, with the findings that it is part of.
func (d *daemon) record(results []probe.Result, findings []diagnose.Finding) {
	if len(results) == 0 {
		return
	}
	codes := map[probe.ID][]string{}
	for _, f := range findings {
		for _, id := range f.Affects {
			codes[id] = append(codes[id], string(f.Code))
		}
	}
	for _, r := range results {
		err := d.recorder.Add(r, codes[r.ID])
		d.mu.Lock()
		d.recordErr = err
		d.mu.Unlock()
	}
}

// stalled is for how long a job has not run although it should have, at three
// beats at least; 0 where it has.
func (t *task) stalled(now time.Time) time.Duration {
	last := t.state.since
	if t.state.ran.After(last) {
		last = t.state.ran
	}
	if since := now.Sub(last); since > 3*t.every+t.limit {
		return since
	}
	return 0
}
