package metrics

import (
	"slices"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

const (
	applicationOK     = "kerbagent_application_ok"
	applicationTicket = "kerbagent_application_ticket_expiry_timestamp_seconds"
)

func applicationRows() []Row {
	return []Row{
		{applicationOK, TypeGauge, []string{"application"},
			"1 where the latest audit found nothing that would stop the next login of this application, 0 where it found something. Missing while the application does not run, and while there is no recent audit report.",
			`kerbagent_application_ok == 0`},
		{applicationTicket, TypeGauge, []string{"application"},
			"When the ticket in the application's credential cache ends, in seconds since 1970; the earliest where its processes use several. Missing where a client keytab gets new tickets, and where the cache cannot be read from outside.",
			`kerbagent_application_ticket_expiry_timestamp_seconds - time() < 2 * 3600`},
	}
}

// Applications sets what is known of the configured applications to what an
// audit saw. Other programs have no series: they choose their own names.
func (m *Metrics) Applications(configured []string, seen []probe.Result) {
	ok, ends := map[string]float64{}, map[string]float64{}
	for _, r := range seen {
		name := r.Facts[probe.FactApplication]
		if r.ID.Kind != probe.Application || r.Outcome == probe.Skipped || !slices.Contains(configured, name) {
			continue
		}
		if _, known := ok[name]; !known {
			ok[name] = 1
		}
		if r.Facts[probe.FactSeverity] == string(diagnose.Error) {
			ok[name] = 0
		}
		if end, has := r.Samples[probe.SampleTicketEnd]; has && (ends[name] == 0 || end < ends[name]) {
			ends[name] = end
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Concat(m.applications, configured) {
		m.show(applicationOK, name, ok)
		m.show(applicationTicket, name, ends)
	}
	m.applications = configured
}

// show sets the series of one application, or deletes it where nothing is known.
func (m *Metrics) show(metric, name string, values map[string]float64) {
	if v, known := values[name]; known {
		m.gauges[metric].WithLabelValues(safe(name)).Set(v)
	} else {
		m.gauges[metric].DeleteLabelValues(safe(name))
	}
}
