package metrics

import (
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// seen is what an audit saw of a program: its ticket's end, and the severity
// of an issue.
func seen(name, target string, end float64, issue diagnose.Severity) []probe.Result {
	id := probe.ID{Kind: probe.Application, Target: target}
	whole := probe.Result{ID: id, Outcome: probe.OK, Facts: probe.Facts{probe.FactApplication: name}}
	if end != 0 {
		whole.Samples = probe.Samples{probe.SampleTicketEnd: end}
	}
	if issue == "" {
		return []probe.Result{whole}
	}
	whole.Outcome = probe.Failed
	id.Variant = "app-ccache-expired"
	return []probe.Result{whole, {ID: id, Outcome: probe.Failed, Facts: probe.Facts{probe.FactApplication: name, probe.FactSeverity: string(issue)}}}
}

func of(parts ...[]probe.Result) (out []probe.Result) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// An application has series while it is configured and was seen: the worst of
// its processes decides. A program that nobody configured has none, since it
// chooses its own name.
func TestApplications(t *testing.T) {
	m := New(Options{})
	want := func(text string) {
		t.Helper()
		same(t, series(t, m, "kerbagent_application"), text)
	}
	want("")
	m.Applications([]string{"etl.service", "idle.service", "orders.service"}, of(
		seen("orders.service", "orders.service", 2e9, ""), seen("orders.service", "orders.service-2", 1.5e9, diagnose.Error),
		seen("etl.service", "etl.service", 0, diagnose.Warning), seen("evil\xff", "evil_", 1e9, diagnose.Error),
		[]probe.Result{{ID: probe.ID{Kind: probe.Application, Target: "idle.service"}, Outcome: probe.Skipped, Facts: probe.Facts{probe.FactApplication: "idle.service"}}}))
	want(`kerbagent_application_ok{application="etl.service"} 1
kerbagent_application_ok{application="orders.service"} 0
kerbagent_application_ticket_expiry_timestamp_seconds{application="orders.service"} 1.5e+09`)
	m.Applications([]string{"orders.service"}, seen("orders.service", "orders.service", 0, ""))
	want(`kerbagent_application_ok{application="orders.service"} 1`)
	m.Applications([]string{"orders.service"}, nil) // the report is missing
	want("")
	m.Applications([]string{"orders.service"}, seen("orders.service", "orders.service", 0, ""))
	m.Applications(nil, nil)
	want("")
}
