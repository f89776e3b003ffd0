package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/kerbagent/kerbagent/probe"
)

// lean is what a fleet keeps of each host: at most 200 series in the usual set-up,
// where the full level has 1,800. Durations are by kind of probe and not by target,
// failures appear when they come, and a DNS server is one series a transport, not one
// a question.
type lean struct {
	m        *Metrics
	duration *prometheus.HistogramVec
	stages   *prometheus.HistogramVec
	failures *prometheus.CounterVec
	skips    *prometheus.CounterVec

	rows []row // under the metrics' lock
}

// newLean registers the metrics that are others than at the full level.
func newLean(m *Metrics, classic bool) *lean {
	l := &lean{m: m}
	for _, r := range Table() {
		histogram := prometheus.HistogramOpts{Name: r.Name, Help: r.Help, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160}
		if classic {
			ends := bounds()
			histogram.Buckets = ends[:]
		}
		labels, _ := r.Lean()
		switch r.Name {
		case probeDuration:
			l.duration = prometheus.NewHistogramVec(histogram, labels)
		case stageDuration:
			l.stages = prometheus.NewHistogramVec(histogram, labels)
		case probeFailures:
			l.failures = prometheus.NewCounterVec(prometheus.CounterOpts{Name: r.Name, Help: r.Help}, labels)
		case probeSkips:
			l.skips = prometheus.NewCounterVec(prometheus.CounterOpts{Name: r.Name, Help: r.Help}, labels)
		}
	}
	m.registry.MustRegister(l.duration, l.stages, l.failures, l.skips, l)
	return l
}

// count does what all probes have in common; the caller has locked the metrics.
func (l *lean) count(p *point, r probe.Result) {
	kind := p.at[0]
	switch {
	case r.Outcome == probe.Skipped, r.Facts[probe.FactRefusedAt] != "":
		l.skips.WithLabelValues(kind).Inc()
		return
	}
	l.duration.WithLabelValues(kind, p.at[3]).Observe(r.Duration.Seconds())
	if r.ID.Kind == probe.Login {
		for _, s := range r.Stages {
			l.stages.WithLabelValues(s.Name).Observe(s.Duration.Seconds())
		}
	}
	if r.Outcome == probe.Failed {
		l.failures.WithLabelValues(kind, p.at[1], string(r.Reason)).Inc()
	}
}

// forget deletes the series of targets that are gone.
func (l *lean) forget(s subject) {
	l.failures.DeletePartialMatch(prometheus.Labels{"probe": s[0], "target": s[1]})
}

// Describe implements [prometheus.Collector].
func (l *lean) Describe(to chan<- *prometheus.Desc) {
	for _, name := range []string{probeSuccess, probeLastRun, probeLastSuccess} {
		to <- l.m.descs[name]
	}
}

// row is a series, or two, of what several probes have in common.
type row struct {
	points []*point
	show   func([]shown, row) []shown // appends what is shown now
	lines  []line
}

// line is a gauge whose labels are made once, not at each scrape.
type line struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
}

// Desc implements [prometheus.Metric].
func (s line) Desc() *prometheus.Desc { return s.desc }

// shown is a line with its value.
type shown struct {
	line
	value float64
}

// Write implements [prometheus.Metric].
func (s shown) Write(to *dto.Metric) error {
	to.Label, to.Gauge = s.labels, &dto.Gauge{Value: &s.value}
	return nil
}

// Collect implements [prometheus.Collector].
func (l *lean) Collect(to chan<- prometheus.Metric) {
	l.m.mu.Lock()
	samples := make([]shown, 0, 2*len(l.rows))
	for _, r := range l.rows {
		samples = r.show(samples, r)
	}
	l.m.mu.Unlock()
	for _, s := range samples {
		to <- s
	}
}

// succeeded shows whether all probes of a row that have run were answered.
func succeeded(out []shown, r row) []shown {
	known, failed := false, false
	for _, p := range r.points {
		known = known || p.outcome == probe.OK || p.outcome == probe.Failed
		failed = failed || p.outcome == probe.Failed
	}
	if known {
		out = append(out, shown{r.lines[0], number(!failed)})
	}
	return out
}

// times shows when one of a row's probes last ran, and last succeeded.
func times(out []shown, r row) []shown {
	ran, succeeded := 0., 0.
	for _, p := range r.points {
		ran, succeeded = max(ran, p.ran), max(succeeded, p.succeeded)
	}
	if ran != 0 {
		out = append(out, shown{r.lines[0], ran})
	}
	if succeeded != 0 {
		out = append(out, shown{r.lines[1], succeeded})
	}
	return out
}

// regroup makes the rows of what is probed: what is shown of the probes, and when logins
// and realms were last asked. The caller has locked the metrics.
func (l *lean) regroup(now tracked) {
	type key struct {
		at    place
		times bool
	}
	rows := map[key]*row{}
	add := func(p *point, k key, show func([]shown, row) []shown, names ...string) {
		if rows[k] == nil {
			rows[k] = &row{show: show}
			for _, name := range names {
				rows[k].lines = append(rows[k].lines, line{l.m.descs[name], prometheus.MakeLabelPairs(l.m.descs[name], k.at[:])})
			}
		}
		rows[k].points = append(rows[k].points, p)
	}
	done := map[*point]bool{}
	for id, p := range now.points {
		if done[p] {
			continue
		}
		done[p] = true
		at := p.at
		if id.Kind == probe.DNS {
			at[1], at[5], at[6] = id.Address.Addr().String(), "", "" // one of a server and transport
		}
		add(p, key{at, false}, succeeded, probeSuccess)
		switch id.Kind {
		case probe.Login:
			add(p, key{at, true}, times, probeLastRun, probeLastSuccess)
		case probe.KDC:
			add(p, key{place{p.at[0], p.at[6], "", "", "", "", p.at[6]}, true}, times, probeLastRun, probeLastSuccess)
		}
	}
	l.rows = l.rows[:0]
	for _, r := range rows {
		l.rows = append(l.rows, *r)
	}
}
