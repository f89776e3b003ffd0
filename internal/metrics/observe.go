package metrics

import "github.com/kerbagent/kerbagent/probe"

// Observe takes in one run.
func (m *Metrics) Observe(r probe.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := r.ID
	if id.Kind == probe.Krb5Conf {
		id.Variant = "" // an issue of the file, or a ticket: of the file's target
	}
	p := m.tracked.points[id]
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
		m.login(p, r)
	}
}

// count does what all probes have in common.
func (m *Metrics) count(p *point, r probe.Result) {
	ended := seconds(r.Started.Add(r.Duration))
	p.ran, p.outcome = ended, r.Outcome
	if r.Outcome == probe.OK && r.Facts[probe.FactRefusedAt] == "" {
		p.succeeded = ended
	}
	if r.Outcome == probe.Failed && r.Facts[probe.FactRefusedAt] == "" {
		m.kinds.WithLabelValues(p.at[0]).Inc()
	}
	if m.lean != nil {
		m.lean.count(p, r)
		return
	}
	p.group.count(r)
}

// count counts a run at the full level.
func (g *group) count(r probe.Result) {
	switch {
	case r.Outcome == probe.Skipped:
		counted(&g.skips, r.Reason)
		return
	case r.Facts[probe.FactRefusedAt] != "":
		counted(&g.skips, probe.ReasonPaused)
		return
	}
	g.duration.observe(r.Duration.Seconds())
	for _, s := range r.Stages {
		g.stage(s.Name).observe(s.Duration.Seconds())
	}
	if r.Outcome != probe.OK {
		counted(&g.failures, r.Reason)
	}
}

func counted(tallies *[]tally, reason probe.Reason) {
	for i := range *tallies {
		if t := &(*tallies)[i]; t.reason == reason {
			t.n++
			return
		}
	}
	*tallies = append(*tallies, tally{reason, 1})
}

func (g *group) stage(name string) *histogram {
	for i := range g.stages {
		if g.stages[i].name == name {
			return &g.stages[i].took
		}
	}
	g.stages = append(g.stages, stage{name: name})
	return &g.stages[len(g.stages)-1].took
}

// login takes in what only a login tells. Its facts are those of the plan, not
// of the result: those a peer has had its words in.
func (m *Metrics) login(p *point, r probe.Result) {
	user := m.tracked.users[p.facts[probe.FactUser]]
	if r.Outcome != probe.Skipped {
		name, labels := p.loginSeries(user)
		m.gauges[name].WithLabelValues(labels...).Set(number(r.Outcome == probe.OK))
		m.lag(p, r)
	}
	switch end, ok := r.Samples[probe.SamplePasswordExpiry]; {
	case ok:
		m.gauges[passwordExpiry].WithLabelValues(user).Set(end)
	case r.Outcome == probe.OK && !cached(r) && p.at[7] == "":
		// It ends no more: the KDC had the occasion to say so, which it has not where an instance gets the ticket of before.
		m.gauges[passwordExpiry].DeleteLabelValues(user)
	}
}

// lag takes in how far the instance that was logged in to is behind its writer.
func (m *Metrics) lag(p *point, r probe.Result) {
	at, instance := p.instance()
	if !instance {
		return
	}
	if lag, ok := r.Samples[probe.SampleReplicaLag]; ok && r.Outcome == probe.OK {
		m.gauges[instanceLag].WithLabelValues(at[:]...).Set(lag)
	} else {
		m.gauges[instanceLag].DeleteLabelValues(at[:]...)
	}
}

// instance returns the database and the instance that a login goes to; false: it goes to the database's endpoint.
func (p *point) instance() (at subject, is bool) {
	return subject{safe(p.facts[probe.FactDatabase]), p.at[7]}, p.at[7] != ""
}

// loginSeries returns the metric and the labels of a login, by the database's endpoint or at an instance.
func (p *point) loginSeries(user string) (name string, labels []string) {
	labels = []string{user, safe(p.facts[probe.FactDatabase])}
	if instance := p.at[7]; instance != "" {
		return instanceLogin, append(labels, instance)
	}
	return loginSuccess, labels
}

// cached reports whether a login used a ticket that it found.
func cached(r probe.Result) bool { return r.Facts[probe.FactSecretType] == "ccache" }

// certified takes in the end of the certificate that one address showed.
func (m *Metrics) certified(p *point, r probe.Result) {
	if end, ok := r.Samples[probe.SampleCertExpiry]; ok && end != p.certificateEnd {
		p.certificateEnd = end
		m.certificate(safe(p.facts[probe.FactDatabase]))
	}
}

// certificate shows the earliest end of a database's certificates.
func (m *Metrics) certificate(database string) {
	earliest := 0.0
	for _, p := range m.tracked.databases[database] {
		if end := p.certificateEnd; end != 0 && (earliest == 0 || end < earliest) {
			earliest = end
		}
	}
	if earliest != 0 {
		m.gauges[certificateExpiry].WithLabelValues(database).Set(earliest)
	} else {
		m.gauges[certificateExpiry].DeleteLabelValues(database)
	}
}
