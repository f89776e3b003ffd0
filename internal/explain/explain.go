// Package explain turns the latest results into findings whenever something is
// new among them, and hands the findings to their readers: metrics, log, flight
// recorder and service manager.
package explain

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// How often results are explained: what changes together is explained once,
// and however many results there are, it takes no more than a tenth of a CPU.
const (
	gap   = 250 * time.Millisecond
	share = 10
)

// Settings are what the configuration says about findings.
type Settings struct {
	Interval  time.Duration // the probes' interval
	Patience  time.Duration // how long a finding must last, or be gone, until the log says so
	Limits    diagnose.Limits
	HideUsers bool
	Users     []string // the users to hide, as in report.Input
}

// Options of New.
type Options struct {
	Log      *slog.Logger
	Results  *results.Store
	Metrics  *metrics.Metrics
	Recorder *recorder.Recorder
	Settings func() Settings
	// Headline hears of each verdict in one line, once the first round is over.
	Headline func(string)
	// Recorded hears of whether failures can be recorded.
	Recorded func(error)
}

// Explainer explains results. Its methods may be called from several goroutines;
// Run is called once.
type Explainer struct {
	o     Options
	news  chan struct{}
	first chan struct{} // closed when the first round is over

	mu       sync.Mutex
	ready    bool // the first round is over: half of one looks like many faults
	report   diagnose.Report
	follower follower
}

// New returns an Explainer.
func New(o Options) *Explainer {
	return &Explainer{o: o, news: make(chan struct{}, 1), first: make(chan struct{})}
}

// Soon asks for an explanation.
func (e *Explainer) Soon() {
	select {
	case e.news <- struct{}{}:
	default:
	}
}

// FirstRoundOver reports that from now on there is enough to explain.
func (e *Explainer) FirstRoundOver() {
	e.mu.Lock()
	first := !e.ready
	e.ready = true
	e.mu.Unlock()
	if first {
		close(e.first)
		e.Soon()
	}
}

// Report returns the latest findings. shown says whether there are any yet: the
// first round is over and explained.
func (e *Explainer) Report() (rep diagnose.Report, shown bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.report, e.ready && e.report.Verdict != ""
}

// Run explains until ctx ends: whenever something is new, and once an interval,
// since time passes, too.
func (e *Explainer) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	first := e.first // whoever waits for the first report does not wait for the pause before it
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.news:
		case <-timer.C:
		}
		began := time.Now()
		again := e.Explain()
		if interval := e.o.Settings().Interval; again == 0 || again > interval {
			again = interval
		}
		took := time.Since(began)
		select {
		case <-ctx.Done():
			return
		case <-first:
			first = nil
		case <-time.After(max(gap, share*took)):
		}
		timer.Reset(max(0, again-time.Since(began)))
	}
}

// Explain explains once, and returns the time until the log may have more to say;
// 0 for never. A panic costs this explanation alone.
func (e *Explainer) Explain() (again time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			e.o.Log.Error("explaining the results panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	return e.explain()
}

func (e *Explainer) explain() (again time.Duration) {
	s := e.o.Settings()
	fails := e.o.Results.Unrecorded()
	snap := e.o.Results.Snapshot(s.Limits)
	rep := diagnose.Explain(snap)
	e.record(fails, rep.Findings)
	began, ended, again, ready := e.take(rep, s.Patience, s.Interval)
	if !ready {
		return 0
	}
	e.o.Metrics.Findings(rep.Findings)
	for _, f := range began {
		e.tell("finding began", f, rep, "since", f.Since.UTC().Format(time.RFC3339))
	}
	for _, f := range ended {
		e.tell("finding ended", f, rep, "lasted", schedule.Brief(f.over.Sub(f.began)))
	}
	e.o.Headline(report.Headline(report.Input{Report: rep, Results: snap.Results, HideUsers: s.HideUsers, Users: s.Users}))
	return again
}

// take keeps a report, once the first round is over, and returns what the log
// should say of it.
func (e *Explainer) take(rep diagnose.Report, patience, round time.Duration) (began, ended []followed, again time.Duration, ready bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ready {
		return nil, nil, 0, false
	}
	e.report = rep
	began, ended, again = e.follower.update(rep.Findings, time.Now(), patience, round)
	return began, ended, again, true
}

// tell writes the one line that a finding's beginning or end is worth.
func (e *Explainer) tell(what string, f followed, rep diagnose.Report, more ...any) {
	level := map[diagnose.Severity]slog.Level{diagnose.Error: slog.LevelError, diagnose.Warning: slog.LevelWarn}[f.Severity]
	if !f.over.IsZero() {
		level = slog.LevelInfo
	}
	first := ""
	if len(rep.Findings) > 0 {
		first = string(rep.Findings[0].Code)
	}
	e.o.Log.Log(context.Background(), level, what,
		append([]any{"code", f.Code, "severity", f.Severity, "title", f.Title, "first", first, "verdict", rep.Verdict}, more...)...)
}

// record writes the failed results to the flight recorder, each with the findings
// that it is part of.
func (e *Explainer) record(fails []results.News, findings []diagnose.Finding) {
	if len(fails) == 0 {
		return
	}
	codes := map[probe.ID][]string{}
	for _, f := range findings {
		for _, id := range f.Affects {
			codes[id] = append(codes[id], string(f.Code))
		}
	}
	for _, r := range fails {
		if r.Outcome == probe.Failed && !r.LastGood.IsZero() {
			e.o.Recorder.Before(r.ID, r.LastGood, changed(r.Good, r.Facts))
		}
		e.o.Recorded(e.o.Recorder.Add(r.Result, codes[r.ID]))
	}
}
