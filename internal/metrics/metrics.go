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
	"github.com/kerbagent/kerbagent/probe"
)

// Options of New.
type Options struct {
	Version   string // of kerbagent
	HideUsers bool   // users are user-1, user-2, … in the order in which their logins are planned
}

// Metrics holds the series. Its methods may be called from several goroutines.
type Metrics struct {
	hideUsers bool

	registry   *prometheus.Registry
	gauges     map[string]*prometheus.GaugeVec
	counters   map[string]*prometheus.CounterVec
	histograms map[string]*prometheus.HistogramVec

	mu         sync.Mutex
	plan       plan
	points     map[place]*point
	groups     map[subject]*group
	byID       map[probe.ID]*point
	findings   map[labelled]prometheus.Gauge
	breakers   map[string]bool // by user@REALM
	unfinished map[string]int  // by database
}

// The histograms. The classic buckets are few, since each costs a series for
// every target and stage: within a rack, within a region, between regions,
// slow, clients begin to retry (MIT's library after 1 s), and the default
// timeout, beyond which is nothing but what timed out. A native histogram
// needs none and is exact to a tenth.
func buckets() []float64 { return []float64{0.002, 0.01, 0.05, 0.2, 1, 5} }

const (
	nativeFactor     = 1.1
	nativeMaxBuckets = 100       // from 1 ms to 10 s with this factor are 97
	nativeReset      = time.Hour // at most once in this time all counts begin anew to get rid of buckets
)

// New makes the metrics, with every series that needs no plan.
func New(o Options) *Metrics {
	m := &Metrics{
		hideUsers: o.HideUsers,
		registry:  prometheus.NewRegistry(),
		gauges:    map[string]*prometheus.GaugeVec{}, counters: map[string]*prometheus.CounterVec{}, histograms: map[string]*prometheus.HistogramVec{},
		points: map[place]*point{}, groups: map[subject]*group{}, byID: map[probe.ID]*point{}, findings: map[labelled]prometheus.Gauge{},
		breakers: map[string]bool{}, unfinished: map[string]int{},
	}
	m.registry.MustRegister(
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		// Of Go's own numbers the few that tell of a leak: goroutines, threads, and the heap below.
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled(), collectors.WithoutGoCollectorRuntimeMetrics(regexp.MustCompile(".*")),
			collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile("^/memory/classes/heap/objects:bytes$")})),
	)
	for _, r := range Table() {
		switch r.Type {
		case TypeGauge:
			m.gauges[r.Name] = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: r.Name, Help: r.Help}, r.Labels)
			m.registry.MustRegister(m.gauges[r.Name])
		case TypeCounter:
			m.counters[r.Name] = prometheus.NewCounterVec(prometheus.CounterOpts{Name: r.Name, Help: r.Help}, r.Labels)
			m.registry.MustRegister(m.counters[r.Name])
		case TypeHistogram:
			m.histograms[r.Name] = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: r.Name, Help: r.Help, Buckets: buckets(),
				NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeMaxBuckets, NativeHistogramMinResetDuration: nativeReset}, r.Labels)
			m.registry.MustRegister(m.histograms[r.Name])
		}
	}
	m.gauges[buildInfo].WithLabelValues(safe(o.Version), runtime.Version()).Set(1)
	m.counters[krb5confChanges].WithLabelValues()
	for _, r := range diagnose.Catalogue() {
		m.finding(labelled{r.Code, r.Severity})
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

// Findings sets the current ones. A series that has been there stays, at 0.
func (m *Metrics) Findings(now []diagnose.Finding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	count := map[labelled]int{}
	for _, f := range now {
		count[labelled{f.Code, f.Severity}]++
	}
	for l := range count {
		m.finding(l)
	}
	for l, g := range m.findings {
		g.Set(float64(count[l]))
	}
}

// Breaker says whether logins of user (user@REALM) are held back. It shows once
// a login of the user is planned.
func (m *Metrics) Breaker(user string, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.breakers[user] = open
	if label, ok := m.plan.users[user]; ok {
		m.gauges[loginBreaker].WithLabelValues(label).Set(number(open))
	}
}

// Unfinished says how many handshakes with a database stayed unfinished. It
// shows once a probe of the database is planned.
func (m *Metrics) Unfinished(database string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	label := safe(database)
	m.unfinished[label] = n
	if m.plan.databases[label] != nil {
		m.gauges[unfinished].WithLabelValues(label).Set(float64(n))
	}
}

// Krb5Conf says whether krb5.conf is what kerbagent would write.
func (m *Metrics) Krb5Conf(inSync bool) {
	m.gauges[krb5confInSync].WithLabelValues().Set(number(inSync))
}

// Krb5ConfChanged counts a change of krb5.conf.
func (m *Metrics) Krb5ConfChanged() { m.counters[krb5confChanges].WithLabelValues().Inc() }

// Reloaded says how loading kerbagent.yaml went, the first time too.
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
