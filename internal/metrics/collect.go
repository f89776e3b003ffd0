package metrics

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kerbagent/kerbagent/probe"
)

// perTarget makes the series of which each target has many at the scrape, out
// of plain numbers: kept ready in the client library they are most of what
// kerbagent holds in memory.
type perTarget struct{ m *Metrics }

// ours reports whether a metric is made by perTarget.
func ours(name string) bool {
	switch name {
	case probeSuccess, probeLastRun, probeLastSuccess, probeFailures, probeSkips, probeDuration, stageDuration:
		return true
	}
	return false
}

// Describe implements [prometheus.Collector].
func (c perTarget) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.m.descs {
		to <- d
	}
}

// Collect implements [prometheus.Collector]. Results wait for one target's
// series at most.
func (c perTarget) Collect(to chan<- prometheus.Metric) {
	c.m.mu.Lock()
	groups := slices.Collect(maps.Values(c.m.tracked.groups))
	c.m.mu.Unlock()
	var all []sample
	for _, g := range groups {
		all = c.m.seriesOf(g, all[:0])
		for _, s := range all {
			to <- s
		}
	}
}

// sample is one of them, with its labels by name.
type sample struct {
	desc      *prometheus.Desc
	labels    []*dto.LabelPair
	gauge     *dto.Gauge
	counter   *dto.Counter
	histogram *dto.Histogram
}

// Desc implements [prometheus.Metric].
func (s sample) Desc() *prometheus.Desc { return s.desc }

// Write implements [prometheus.Metric].
func (s sample) Write(to *dto.Metric) error {
	to.Label, to.Gauge, to.Counter, to.Histogram = s.labels, s.gauge, s.counter, s.histogram
	return nil
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// seriesOf appends all series of a kind of probe and target.
func (m *Metrics) seriesOf(g *group, out []sample) []sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	kind, target := label("probe", g.at[0]), label("target", g.at[1])
	created := timestamppb.New(g.created)
	count := func(name string, tallies []tally) {
		for _, t := range tallies {
			out = append(out, sample{desc: m.descs[name], labels: []*dto.LabelPair{kind, label("reason", string(t.reason)), target},
				counter: &dto.Counter{Value: new(float64(t.n)), CreatedTimestamp: created}})
		}
	}
	count(probeFailures, g.failures)
	count(probeSkips, g.skips)
	durations := func(name string, h *histogram, labels ...*dto.LabelPair) {
		one := sample{desc: m.descs[name], labels: labels, histogram: h.metric()}
		one.histogram.CreatedTimestamp = created
		out = append(out, one)
	}
	durations(probeDuration, &g.duration, kind, target)
	for _, s := range g.stages {
		durations(stageDuration, &s.took, kind, label("stage", s.name), target)
	}
	for _, p := range g.points {
		labels := []*dto.LabelPair{label("address", p.at[2]), label("db_instance", p.at[7]), label("family", p.at[4]), kind, label("realm", p.at[6]), target, label("transport", p.at[3]), label("variant", p.at[5])}
		gauge := func(name string, v float64) {
			out = append(out, sample{desc: m.descs[name], labels: labels, gauge: &dto.Gauge{Value: &v}})
		}
		if p.ran != 0 {
			gauge(probeLastRun, p.ran)
		}
		if p.succeeded != 0 {
			gauge(probeLastSuccess, p.succeeded)
		}
		if p.outcome == probe.OK || p.outcome == probe.Failed { // skipped is neither good nor bad
			gauge(probeSuccess, number(p.outcome == probe.OK))
		}
	}
	return out
}
