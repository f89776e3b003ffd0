package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

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

// row is a series of probe_success: several probes may share it.
type row struct {
	known, failed  bool
	ran, succeeded float64
}

func (r *row) add(p *point) {
	r.known = r.known || p.outcome == probe.OK || p.outcome == probe.Failed
	r.failed = r.failed || p.outcome == probe.Failed
	r.ran, r.succeeded = max(r.ran, p.ran), max(r.succeeded, p.succeeded)
}

// Collect implements [prometheus.Collector].
func (l *lean) Collect(to chan<- prometheus.Metric) {
	success, times := l.rows()
	gauge := func(name string, at place, v float64) {
		to <- prometheus.MustNewConstMetric(l.m.descs[name], prometheus.GaugeValue, v, at[:]...)
	}
	for at, r := range success {
		if r.known {
			gauge(probeSuccess, at, number(!r.failed))
		}
	}
	for at, r := range times {
		if r.ran != 0 {
			gauge(probeLastRun, at, r.ran)
		}
		if r.succeeded != 0 {
			gauge(probeLastSuccess, at, r.succeeded)
		}
	}
}

// rows returns what is shown of the probes, and when logins and realms were last asked.
func (l *lean) rows() (success, times map[place]*row) {
	success, times = map[place]*row{}, map[place]*row{}
	of := func(rows map[place]*row, at place) *row {
		if rows[at] == nil {
			rows[at] = &row{}
		}
		return rows[at]
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	done := map[*point]bool{}
	for id, p := range l.m.tracked.points {
		if done[p] {
			continue
		}
		done[p] = true
		at := p.at
		if id.Kind == probe.DNS {
			at[1], at[5], at[6] = id.Address.Addr().String(), "", "" // one of a server and transport
		}
		of(success, at).add(p)
		switch id.Kind {
		case probe.Login:
			of(times, at).add(p)
		case probe.KDC:
			of(times, place{p.at[0], p.at[6], "", "", "", "", p.at[6]}).add(p)
		}
	}
	return success, times
}
