package metrics

import (
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// place is the label values of one probe, in the order of the table.
type place [8]string

// subject is two label values that several series share: probe and target, KDC
// and address, or database and instance.
type subject [2]string

func (at place) group() subject { return subject{at[0], at[1]} }

func (at place) kdc() subject { return subject{at[1], at[2]} }

// tracked is what there are series of.
type tracked struct {
	users     map[string]string   // user@REALM → label
	databases map[string][]*point // label → its probes and logins
	writers   map[subject]bool    // database and instance → whether it is the writer
	groups    map[subject]*group
	points    map[probe.ID]*point
}

// point is one probe.
type point struct {
	at             place
	group          *group
	facts          probe.Facts   // the facts of the target's plan
	outcome        probe.Outcome // the outcome of the latest run
	ran, succeeded float64       // when, in seconds since 1970; 0: never
	certificateEnd float64
}

// group is one kind of probe and target, over all addresses and transports.
type group struct {
	at              subject
	created         time.Time
	points          []*point
	failures, skips []tally
	duration        histogram
	stages          []stage
}

// tally counts what was seen.
type tally struct {
	reason probe.Reason
	n      uint64
}

// stage is how long a step of a probe took.
type stage struct {
	name string
	took histogram
}

// Track sets what is probed from now on. What is gone loses its series at once;
// what is new has every reason at 0. A result of a probe that is not planned is
// not counted: it ended after it was given up.
//
// Where users are hidden and one's name passes to another, since the logins are
// others or stand in another order, all series of targets begin anew.
func (m *Metrics) Track(targets []probe.Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	users := m.labels(targets)
	if m.hideUsers && passedOn(m.tracked.users, users) {
		m.sweep(tracked{})
		m.tracked = tracked{}
	}
	next := m.newTracked(targets, users)
	m.sweep(next)
	m.tracked = next
	if m.lean != nil {
		m.lean.regroup(next)
	}
	for s := range m.tracked.groups {
		m.kinds.WithLabelValues(s[0])
		if m.lean != nil && len(skipsOf(probe.Kind(s[0]))) > 0 {
			m.lean.skips.WithLabelValues(s[0])
		}
	}
	for user, label := range m.tracked.users {
		m.gauges[loginBreaker].WithLabelValues(label).Set(number(m.breakers[user]))
	}
	for i, writer := range m.tracked.writers {
		m.gauges[instanceWriter].WithLabelValues(i[:]...).Set(number(writer))
	}
	for d := range m.tracked.databases {
		m.gauges[unfinished].WithLabelValues(d).Set(float64(m.unfinished[d]))
		m.certificate(d)
	}
}

// labels returns each user's label; users are numbered in the order of their logins.
func (m *Metrics) labels(targets []probe.Target) map[string]string {
	users := map[string]string{}
	for _, t := range targets {
		user := t.Facts[probe.FactUser]
		if _, known := users[user]; t.ID.Kind != probe.Login || known {
			continue
		}
		if m.hideUsers {
			users[user] = fmt.Sprintf("user-%d", len(users)+1)
		} else {
			users[user] = safe(user)
		}
	}
	return users
}

// passedOn reports whether a label is another user's than before.
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

// newTracked takes over what stays.
func (m *Metrics) newTracked(targets []probe.Target, users map[string]string) tracked {
	old := make(map[place]*point, len(m.tracked.points))
	for _, p := range m.tracked.points {
		old[p.at] = p
	}
	next := tracked{users: users, databases: map[string][]*point{}, writers: map[subject]bool{}, groups: map[subject]*group{},
		points: make(map[probe.ID]*point, len(targets))}
	fresh := make(map[place]*point, len(targets))
	for _, t := range targets {
		if t.ID.Kind == probe.Krb5Conf && t.ID.Variant != "" {
			continue // an issue of the file, with its line: not a probe of its own
		}
		at := m.place(t, users)
		p := fresh[at]
		if p == nil {
			if p = old[at]; p == nil {
				p = &point{at: at}
			}
			fresh[at] = p
			p.group = m.joined(next, p)
		}
		p.facts = t.Facts
		next.points[t.ID] = p
		if d := t.Facts[probe.FactDatabase]; d != "" && (t.ID.Kind == probe.Login || t.ID.Kind == probe.Database) {
			next.databases[safe(d)] = append(next.databases[safe(d)], p)
			if role := t.Facts[probe.FactDBRole]; role != "" {
				next.writers[subject{safe(d), at[7]}] = role == probe.RoleWriter
			}
		}
	}
	return next
}

// place returns the labels of a planned probe. A login's target has its user in it.
func (m *Metrics) place(t probe.Target, users map[string]string) place {
	target := t.ID.Target
	if m.hideUsers && t.ID.Kind == probe.Login {
		target = users[t.Facts[probe.FactUser]] + "@" + t.Facts[probe.FactDatabase]
	}
	address := ""
	if t.ID.Address.IsValid() {
		address = t.ID.Address.String()
	}
	realm := ""
	switch t.ID.Kind {
	case probe.DNS, probe.KDC, probe.Kpasswd:
		realm = safe(t.Facts[probe.FactRealm])
	}
	variant := t.ID.Variant
	if t.ID.Kind == probe.Login {
		variant = "" // the instance has a label of its own
	}
	return place{string(t.ID.Kind), safe(target), address, string(t.ID.Transport), t.ID.Family(), variant, realm,
		safe(t.Facts[probe.FactInstance])}
}

// joined puts a probe into its group of the next tracked.
func (m *Metrics) joined(next tracked, p *point) *group {
	s := p.at.group()
	g := next.groups[s]
	if g == nil {
		if g = m.tracked.groups[s]; g == nil {
			g = newGroup(s)
		}
		g.points = nil
		next.groups[s] = g
	}
	g.points = append(g.points, p)
	return g
}

func newGroup(s subject) *group {
	kind := probe.Kind(s[0])
	return &group{at: s, created: time.Now(), failures: atZero(reasonsOf(kind)), skips: atZero(skipsOf(kind))}
}

func atZero(reasons []probe.Reason) []tally {
	out := make([]tally, len(reasons))
	for i, r := range reasons {
		out[i].reason = r
	}
	return out
}

// sweep deletes the client library's series of all that next has not.
func (m *Metrics) sweep(next tracked) {
	kdcs, instances, logins := map[subject]bool{}, map[subject]bool{}, map[place]bool{}
	for _, p := range next.points {
		switch probe.Kind(p.at[0]) {
		case probe.KDC:
			kdcs[p.at.kdc()] = true
		case probe.Login:
			logins[p.at] = true
			if at, is := p.instance(); is {
				instances[at] = true
			}
		}
	}
	for _, p := range m.tracked.points {
		switch kind := probe.Kind(p.at[0]); {
		case kind == probe.KDC && !kdcs[p.at.kdc()]:
			s := p.at.kdc()
			m.gauges[clockSkew].DeleteLabelValues(s[:]...)
		case kind == probe.Login && !logins[p.at]:
			name, labels := p.loginSeries(m.tracked.users[p.facts[probe.FactUser]])
			m.gauges[name].DeleteLabelValues(labels...)
			if at, is := p.instance(); is && !instances[at] {
				m.gauges[instanceLag].DeleteLabelValues(at[:]...)
			}
		}
	}
	kinds := map[string]bool{}
	for s := range next.groups {
		kinds[s[0]] = true
	}
	for s := range m.tracked.groups {
		if !kinds[s[0]] {
			m.kinds.DeleteLabelValues(s[0])
			if m.lean != nil {
				m.lean.skips.DeleteLabelValues(s[0])
			}
		}
		if next.groups[s] == nil {
			m.gauges[ticketExpiry].DeleteLabelValues(s[:]...)
			if m.lean != nil {
				m.lean.forget(s)
			}
		}
	}
	for user, label := range m.tracked.users {
		if _, ok := next.users[user]; !ok {
			m.gauges[loginBreaker].DeleteLabelValues(label)
			m.gauges[passwordExpiry].DeleteLabelValues(label)
		}
	}
	for i := range m.tracked.writers {
		if _, ok := next.writers[i]; !ok {
			m.gauges[instanceWriter].DeleteLabelValues(i[:]...)
		}
	}
	for d := range m.tracked.databases {
		if next.databases[d] == nil {
			m.gauges[unfinished].DeleteLabelValues(d)
			m.gauges[certificateExpiry].DeleteLabelValues(d)
		}
	}
}
