package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kerbagent/kerbagent/probe"
)

// Observe takes in one run.
func (m *Metrics) Observe(r probe.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.ID
	if id.Kind == probe.Krb5Conf {
		id.Variant = "" // an issue of the file, or a ticket: of the file's target
	}
	p := m.byID[id]
	if p == nil {
		return
	}
	if end, ok := r.Samples[probe.SampleTicketEnd]; ok && (id.Kind == probe.Krb5Conf || cached(r)) {
		m.gauges[ticketExpiry].WithLabelValues(p.at[0], p.at[1]).Set(end)
	}
	if id != r.ID {
		return // the file's own result counts its issues
	}
	m.count(p, r)
	switch id.Kind {
	case probe.KDC:
		if skew, ok := r.Samples[probe.SampleSkew]; ok {
			m.gauges[clockSkew].WithLabelValues(p.at[1], p.at[2]).Set(skew)
		}
	case probe.Database:
		m.certified(p, r)
	case probe.Login:
		m.certified(p, r)
		m.login(r)
	}
}

// count does what all probes have in common.
func (m *Metrics) count(p *point, r probe.Result) {
	ended := r.Started.Add(r.Duration)
	m.lazily(&p.lastRun, probeLastRun, p).Set(seconds(ended))
	g := p.group
	if r.Outcome == probe.Skipped {
		m.reason(g.skips, probeSkips, p, r.Reason).Inc()
		m.gauges[probeSuccess].DeleteLabelValues(p.at[:]...) // neither good nor bad
		p.success = nil
		return
	}
	g.duration.Observe(r.Duration.Seconds())
	for _, s := range r.Stages {
		o := g.stages[s.Name]
		if o == nil {
			o = m.histograms[stageDuration].WithLabelValues(p.at[0], p.at[1], safe(s.Name))
			g.stages[s.Name] = o
		}
		o.Observe(s.Duration.Seconds())
	}
	m.lazily(&p.success, probeSuccess, p).Set(number(r.Outcome == probe.OK))
	if r.Outcome == probe.OK {
		m.lazily(&p.lastSuccess, probeLastSuccess, p).Set(seconds(ended))
		return
	}
	m.reason(g.failures, probeFailures, p, r.Reason).Inc()
}

// lazily gives a gauge of a probe, which it makes at its first use.
func (m *Metrics) lazily(g *prometheus.Gauge, name string, p *point) prometheus.Gauge {
	if *g == nil {
		*g = m.gauges[name].WithLabelValues(p.at[:]...)
	}
	return *g
}

func (m *Metrics) reason(of map[probe.Reason]prometheus.Counter, name string, p *point, r probe.Reason) prometheus.Counter {
	c := of[r]
	if c == nil {
		c = m.counters[name].WithLabelValues(p.at[0], p.at[1], safe(string(r)))
		of[r] = c
	}
	return c
}

// login takes in what only a login tells. Its facts are those of the plan, not
// of the result: those a peer has had its words in.
func (m *Metrics) login(r probe.Result) {
	facts := m.plan.targets[r.ID].Facts
	user := m.plan.users[facts[probe.FactUser]]
	if r.Outcome != probe.Skipped {
		m.gauges[loginSuccess].WithLabelValues(user, safe(facts[probe.FactDatabase])).Set(number(r.Outcome == probe.OK))
	}
	switch end, ok := r.Samples[probe.SamplePasswordExpiry]; {
	case ok:
		m.gauges[passwordExpiry].WithLabelValues(user).Set(end)
	case r.Outcome == probe.OK && !cached(r): // the KDC had the occasion to say so: it ends no more
		m.gauges[passwordExpiry].DeleteLabelValues(user)
	}
}

// cached says whether a login used a ticket that it found.
func cached(r probe.Result) bool { return r.Facts[probe.FactSecretType] == "ccache" }

// certified takes in the end of the certificate that one address showed.
func (m *Metrics) certified(p *point, r probe.Result) {
	if end, ok := r.Samples[probe.SampleCertExpiry]; ok && end != p.certificateEnd {
		p.certificateEnd = end
		m.certificate(safe(m.plan.targets[r.ID].Facts[probe.FactDatabase]))
	}
}

// certificate shows the earliest end of a database's certificates.
func (m *Metrics) certificate(database string) {
	earliest := 0.0
	for _, id := range m.plan.databases[database] {
		if end := m.byID[id].certificateEnd; end != 0 && (earliest == 0 || end < earliest) {
			earliest = end
		}
	}
	if earliest != 0 {
		m.gauges[certificateExpiry].WithLabelValues(database).Set(earliest)
	} else {
		m.gauges[certificateExpiry].DeleteLabelValues(database)
	}
}
