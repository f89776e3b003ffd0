// Package metrics is what Prometheus sees of kerbagent. The agent pushes the
// plan, each result and the current findings in; a scrape reads what is there
// and never resolves or dials. All metrics stand in one table (Table), of
// which the collectors and docs/metrics.md are made.
//
// Label values are words of the configuration, host names that were checked,
// addresses, and bounded words of ours: what a peer says never becomes one.
//
// It imports the vocabulary in probe, internal/diagnose, and Prometheus'
// client; it must not import config or anything that asks the network.
package metrics

//go:generate go test -run TestDocs -update .

import (
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// Options of New.
type Options struct {
	Version   string // kerbagent's version
	Lean      bool   // the level for a fleet: at most 200 series a host in the usual set-up
	Classic   bool   // lean histograms have classic buckets too, for a Prometheus that takes no native ones
	HideUsers bool   // users are user-1, user-2, … in the order in which their logins are planned, which is that of the configuration
}

// Metrics holds the series. Its methods may be called from several goroutines.
type Metrics struct {
	hideUsers bool

	registry *prometheus.Registry
	gauges   map[string]*prometheus.GaugeVec
	changes  prometheus.Counter          // counts the changes of krb5.conf
	descs    map[string]*prometheus.Desc // the descriptions of perTarget's metrics
	kinds    *prometheus.CounterVec      // failed runs by kind of probe
	lean     *lean                       // nil at the full level

	mu         sync.Mutex
	tracked    tracked
	findings   map[labelled]prometheus.Gauge
	breakers   map[string]bool // whether logins are paused, by user@REALM
	unfinished map[string]int  // the number of unfinished handshakes, by database

	applications []string // the configured ones, as of the latest audit
}

// New makes the metrics, with every series that needs no plan.
func New(o Options) *Metrics {
	m := &Metrics{
		hideUsers: o.HideUsers,
		registry:  prometheus.NewRegistry(),
		gauges:    map[string]*prometheus.GaugeVec{}, descs: map[string]*prometheus.Desc{}, findings: map[labelled]prometheus.Gauge{},
		breakers: map[string]bool{}, unfinished: map[string]int{},
	}
	m.registry.MustRegister(
		newProcess(),
		// Of Go's own numbers the few that tell of a leak: goroutines, threads, and the heap below.
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled(), collectors.WithoutGoCollectorRuntimeMetrics(regexp.MustCompile(".*")),
			collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/memory/classes/heap/objects:bytes$")})),
	)
	for _, r := range Table() {
		switch {
		case ours(r.Name):
			m.descs[r.Name] = prometheus.NewDesc(r.Name, r.Help, r.Labels, nil)
		case r.Type == TypeGauge:
			m.gauges[r.Name] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: r.Name, Help: r.Help}, r.Labels)
			m.registry.MustRegister(m.gauges[r.Name])
		case r.Name == kindFailures:
			m.kinds = prometheus.NewCounterVec(prometheus.CounterOpts{Name: r.Name, Help: r.Help}, r.Labels)
			m.registry.MustRegister(m.kinds)
		case r.Name == krb5confChanges:
			m.changes = prometheus.NewCounter(prometheus.CounterOpts{Name: r.Name, Help: r.Help})
			m.registry.MustRegister(m.changes)
		}
	}
	if o.Lean {
		m.lean = newLean(m, o.Classic)
	} else {
		m.registry.MustRegister(perTarget{m})
	}
	m.gauges[buildInfo].WithLabelValues(safe(o.Version), runtime.Version()).Set(1)
	for _, r := range diagnose.Catalogue() {
		if !o.Lean {
			m.finding(labelled{r.Code, r.Severity})
		}
	}
	return m
}

// labelled is one series of findings.
type labelled struct {
	code     diagnose.Code
	severity diagnose.Severity
}

func (m *Metrics) finding(l labelled) prometheus.Gauge {
	g := m.findings[l]
	if g == nil {
		g = m.gauges[finding].WithLabelValues(string(l.code), string(l.severity))
		m.findings[l] = g
	}
	return g
}

// Findings sets the current ones. At the full level a series that has been there
// stays, at 0.
func (m *Metrics) Findings(now []diagnose.Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gauges[firstFinding].Reset()
	if len(now) > 0 {
		m.gauges[firstFinding].WithLabelValues(string(now[0].Code), string(now[0].Severity)).Set(1)
	}
	count := map[labelled]int{}
	for _, f := range now {
		count[labelled{f.Code, f.Severity}]++
	}
	for l := range count {
		m.finding(l)
	}
	for l, g := range m.findings {
		if g.Set(float64(count[l])); m.lean != nil && count[l] == 0 {
			m.gauges[finding].DeleteLabelValues(string(l.code), string(l.severity))
			delete(m.findings, l)
		}
	}
}

// Breaker reports whether logins of user (user@REALM) are held back. It shows once
// a login of the user is planned.
func (m *Metrics) Breaker(user string, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breakers[user] = open
	if label, ok := m.tracked.users[user]; ok {
		m.gauges[loginBreaker].WithLabelValues(label).Set(number(open))
	}
}

// Unfinished reports how many handshakes with a database stayed unfinished. It
// shows once a probe of the database is planned.
func (m *Metrics) Unfinished(database string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	label := safe(database)
	m.unfinished[label] = n
	if m.tracked.databases[label] != nil {
		m.gauges[unfinished].WithLabelValues(label).Set(float64(n))
	}
}

// Krb5Conf says whether krb5.conf is what kerbagent would write.
func (m *Metrics) Krb5Conf(inSync bool) {
	m.gauges[krb5confInSync].WithLabelValues().Set(number(inSync))
}

// Krb5ConfNotKept says that nobody compares: krb5.conf is not kerbagent's to keep.
func (m *Metrics) Krb5ConfNotKept() { m.gauges[krb5confInSync].DeleteLabelValues() }

// Krb5ConfChanged counts a change of krb5.conf.
func (m *Metrics) Krb5ConfChanged() { m.changes.Inc() }

// Reloaded reports how loading kerbagent.yaml went, the first time too.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	m.gauges[reloadSuccessful].WithLabelValues().Set(number(ok))
	if ok {
		m.gauges[reloadTime].WithLabelValues().Set(seconds(at))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// safe makes a label value of a word of the configuration: the client library
// panics on what is not UTF-8, and a path may be anything.
func safe(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
