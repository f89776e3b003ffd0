package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kerbagent/kerbagent/probe"
)

// Target is a probe that is planned. Facts are those of its plan: the user and
// the database of a login, the database of a database probe.
type Target struct {
	ID    probe.ID
	Facts probe.Facts
}

// place is the label values of one probe, in the order of the table.
type place [6]string

// subject is two label values that several series share: probe and target, or
// KDC and address.
type subject [2]string

// plan is what there are series of.
type plan struct {
	targets   map[probe.ID]Target
	users     map[string]string     // user@REALM → label
	databases map[string][]probe.ID // label → its probes and logins
	groups    map[subject]probe.Kind
	places    map[place]bool
	kdcs      map[subject]bool
}

// point is one probe: its series of its own, and what it shares with others.
type point struct {
	at                   place
	group                *group
	success              prometheus.Gauge // nil while it has none
	lastRun, lastSuccess prometheus.Gauge
	certificateEnd       float64
}

// group is the series of one kind of probe and target, over all addresses and transports.
type group struct {
	duration        prometheus.Observer
	stages          map[string]prometheus.Observer
	failures, skips map[probe.Reason]prometheus.Counter
}

// Plan says what is probed from now on. What is gone loses its series at once;
// what is new has every reason at 0. A result of a probe that is not planned is
// not counted: it ended after it was given up.
//
// Where users are hidden and one's name passes to another, since the logins are
// others or stand in another order, all series of targets begin anew.
func (m *Metrics) Plan(targets []Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.newPlan(targets)
	if m.hideUsers && passedOn(m.plan.users, next.users) {
		m.sweep(plan{})
	}
	m.sweep(next)
	m.plan = next
	m.grow()
}

func (m *Metrics) newPlan(targets []Target) plan {
	p := plan{targets: map[probe.ID]Target{}, users: map[string]string{}, databases: map[string][]probe.ID{},
		groups: map[subject]probe.Kind{}, places: map[place]bool{}, kdcs: map[subject]bool{}}
	for _, t := range targets {
		if t.ID.Kind == probe.Krb5Conf && t.ID.Variant != "" {
			continue // an issue of the file, with its line: not a probe of its own
		}
		user := t.Facts[probe.FactUser]
		if _, known := p.users[user]; t.ID.Kind == probe.Login && !known {
			p.users[user] = safe(user)
			if m.hideUsers {
				p.users[user] = fmt.Sprintf("user-%d", len(p.users))
			}
		}
		if d := t.Facts[probe.FactDatabase]; d != "" && (t.ID.Kind == probe.Login || t.ID.Kind == probe.Database) {
			p.databases[safe(d)] = append(p.databases[safe(d)], t.ID)
		}
		p.targets[t.ID] = t
		at := p.place(t, m.hideUsers)
		p.places[at] = true
		p.groups[at.group()] = t.ID.Kind
		if t.ID.Kind == probe.KDC {
			p.kdcs[at.kdc()] = true
		}
	}
	return p
}

// passedOn says whether a label is another user's than before.
func passedOn(before, now map[string]string) bool {
	owner := map[string]string{}
	for user, label := range before {
		owner[label] = user
	}
	for user, label := range now {
		if was, ok := owner[label]; ok && was != user {
			return true
		}
	}
	return false
}

// place gives the labels of a planned probe. A login's target has its user in it.
func (p plan) place(t Target, hideUsers bool) place {
	target := t.ID.Target
	if hideUsers && t.ID.Kind == probe.Login {
		target = p.users[t.Facts[probe.FactUser]] + "@" + t.Facts[probe.FactDatabase]
	}
	address := ""
	if t.ID.Address.IsValid() {
		address = t.ID.Address.String()
	}
	return place{string(t.ID.Kind), safe(target), address, string(t.ID.Transport), t.ID.Family(), t.ID.Variant}
}

func (at place) group() subject { return subject{at[0], at[1]} }

func (at place) kdc() subject { return subject{at[1], at[2]} }

// sweep deletes the series of all that next has not.
func (m *Metrics) sweep(next plan) {
	for at, p := range m.points {
		if !next.places[at] {
			m.dropPoint(p)
			delete(m.points, at)
		}
	}
	for s, g := range m.groups {
		if _, ok := next.groups[s]; !ok {
			m.dropGroup(s, g)
			delete(m.groups, s)
		}
	}
	for s := range m.plan.kdcs {
		if !next.kdcs[s] {
			m.gauges[clockSkew].DeleteLabelValues(s[:]...)
		}
	}
	for user, label := range m.plan.users {
		if _, ok := next.users[user]; !ok {
			m.gauges[loginBreaker].DeleteLabelValues(label)
			m.gauges[passwordExpiry].DeleteLabelValues(label)
		}
	}
	for d := range m.plan.databases {
		if next.databases[d] == nil {
			m.gauges[unfinished].DeleteLabelValues(d)
			m.gauges[certificateExpiry].DeleteLabelValues(d)
		}
	}
	for id, t := range m.plan.targets {
		if at := m.plan.place(t, m.hideUsers); id.Kind == probe.Login && !next.places[at] {
			m.gauges[loginSuccess].DeleteLabelValues(m.plan.users[t.Facts[probe.FactUser]], safe(t.Facts[probe.FactDatabase]))
		}
	}
}

func (m *Metrics) dropPoint(p *point) {
	for _, name := range []string{probeSuccess, probeLastRun, probeLastSuccess} {
		m.gauges[name].DeleteLabelValues(p.at[:]...)
	}
}

func (m *Metrics) dropGroup(s subject, g *group) {
	for r := range g.failures {
		m.counters[probeFailures].DeleteLabelValues(s[0], s[1], string(r))
	}
	for r := range g.skips {
		m.counters[probeSkips].DeleteLabelValues(s[0], s[1], string(r))
	}
	for stage := range g.stages {
		m.histograms[stageDuration].DeleteLabelValues(s[0], s[1], stage)
	}
	m.histograms[probeDuration].DeleteLabelValues(s[:]...)
	m.gauges[ticketExpiry].DeleteLabelValues(s[:]...)
}

// grow makes what the plan has and m has not yet.
func (m *Metrics) grow() {
	for s, kind := range m.plan.groups {
		if m.groups[s] == nil {
			m.groups[s] = m.newGroup(s, kind)
		}
	}
	m.byID = make(map[probe.ID]*point, len(m.plan.targets))
	for id, t := range m.plan.targets {
		at := m.plan.place(t, m.hideUsers)
		if m.points[at] == nil {
			m.points[at] = &point{at: at, group: m.groups[at.group()]}
		}
		m.byID[id] = m.points[at]
	}
	for user, label := range m.plan.users {
		m.gauges[loginBreaker].WithLabelValues(label).Set(number(m.breakers[user]))
	}
	for d := range m.plan.databases {
		m.gauges[unfinished].WithLabelValues(d).Set(float64(m.unfinished[d]))
		m.certificate(d)
	}
}

func (m *Metrics) newGroup(s subject, kind probe.Kind) *group {
	g := &group{stages: map[string]prometheus.Observer{}, failures: map[probe.Reason]prometheus.Counter{}, skips: map[probe.Reason]prometheus.Counter{}}
	for _, r := range reasonsOf(kind) {
		g.failures[r] = m.counters[probeFailures].WithLabelValues(s[0], s[1], string(r))
	}
	for _, r := range skipsOf(kind) {
		g.skips[r] = m.counters[probeSkips].WithLabelValues(s[0], s[1], string(r))
	}
	g.duration = m.histograms[probeDuration].WithLabelValues(s[:]...)
	return g
}
