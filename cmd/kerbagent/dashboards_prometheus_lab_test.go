//go:build lab && prometheus

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// well is the query that gives something where nothing is wrong, and nothing was for some seconds.
const well = "min(min_over_time(kerbagent_login_success[4s])) == 1 and absent(kerbagent_finding{severity!=\"info\"}) == 1 and min(min_over_time(kerbagent_probe_success[4s])) == 1"

// firing is the query that gives something while an alert fires.
func firing(alert, labels string) string {
	return fmt.Sprintf("ALERTS{alertname=%q,alertstate=%q,%s}", "Kerbagent"+alert, "firing", labels)
}

// notInTheLab are the alerts that no fault below brings: promtool's tests have
// them. They need hours of drift, a certificate's last two days, a quarter of a
// server's patience, daemons that hang.
var notInTheLab = []string{"KerbagentHostClockDrifting", "KerbagentKDCClockDrifting", "KerbagentCertificateExpiringNow",
	"KerbagentDatabaseProbingPaused", "KerbagentProbesStale", "KerbagentFleetStale"}

// TestPrometheusDashboardsInTheLab has Debian's Prometheus scrape the daemon,
// with our rules and native histograms, while the lab is well and while things are wrong in it, one
// after another, and asks every query of the dashboards about all of that time.
func TestPrometheusDashboardsInTheLab(t *testing.T) {
	labtest.Up(t)
	labtest.Break(t, "none")
	w := newWatched(t)
	w.happen()
	over := span{w.begun, time.Now()}
	w.rulesHold(over)
	wants, used := expected(), map[string]bool{}
	for file, d := range dashboardstest.All(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		choices := w.choices(d)
		for _, q := range d.Queries(t) {
			panel := name + ": " + q.Panel
			key := panel + " " + q.RefID
			want, ok := wants[key]
			if !ok {
				key = panel
				want, ok = wants[key]
			}
			if !ok {
				t.Errorf("%s: what is it to show? Say so in expected()", panel)
				continue
			}
			used[key] = true
			at := w
			if panel == "login-latency: Logins by how long they take" {
				at = w.byClassic() // its description says so
			}
			at.asked(panel+" "+q.RefID, q, want, over)
			at.chosen(panel+" "+q.RefID, q, choices, over)
		}
	}
	for key := range wants {
		if !used[key] {
			t.Errorf("there is no %s", key)
		}
	}
}

// happen is what befalls the lab. Most alerts fire by it.
func (w *watched) happen() {
	t := w.t
	heal := func() {
		labtest.Run(t, "heal")
		w.reload("")
		w.until(well)
	}
	w.during("healthy", func() {}, []string{well, "absent(ALERTS)", "count_over_time(up[5m]) >= 8",
		"histogram_count(sum(job_target:kerbagent_probe_duration_seconds:rate15m)) > 0"}, func() {})

	w.during("database", func() {
		labtest.Fault(t, "db", "cert", "otherca")
		w.reload("no_such_key: 1\n")
	}, []string{firing("Finding", `code="db-tls-untrusted"`), firing("ConfigReloadFailed", ""),
		`sum(job_probe_target_reason:kerbagent_probe_failures:rate15m{probe="login",reason="db-tls-untrusted"}) > 0`}, heal)

	// One step from failing, in several ways, and two users who were added by mistake.
	conf := filepath.Join(w.dir, "krb5.conf")
	w.during("controller", func() {
		labtest.Fault(t, "fault", "drop", "any", "any", "dc2")
		labtest.Fault(t, "db", "cert", "expiring")
		labtest.Fault(t, "cluster", "failover", "2")
		labtest.Fault(t, "db", "3", "sql", "UNINSTALL SONAME 'auth_gssapi'")
		labtest.Fault(t, "user", "expiring", "5")
		labtest.Break(t, "password-wrong") // heal unlocks its user
		w.ticket("carol", "carol@ONPREM.LOCAL", "20m")
		w.application(90 * time.Minute)
		if err := os.WriteFile(conf, []byte("[libdefaults]\n\tdefault_realm = CORP.EXAMPLE.COM\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		w.reload(fmt.Sprintf("  - {user: wrong.pw@CORP.EXAMPLE.COM, database: reporting, password_file: %s}\n"+
			"  - {user: expiring.user@CORP.EXAMPLE.COM, database: reporting, password_file: %s}\n", labtest.Secret("wrong"), labtest.Secret("user")))
	}, []string{firing("SingleKDCLeft", `realm="CORP.EXAMPLE.COM"`), firing("FindingWarning", `code="server-down"`), firing("CertificateExpiring", ""),
		firing("PasswordExpiring", `user="expiring.user@CORP.EXAMPLE.COM"`), firing("TicketExpiring", ""), firing("ApplicationTicketExpiring", `application="batch.service"`), firing("Krb5ConfOutOfSync", ""),
		firing("ReaderRefusesKerberos", `code="db-plugin-missing"`),
		`kerbagent_instance_writer{db_instance="mycluster-2"} == 1`, firing("LoginBreakerOpen", `user="wrong.pw@CORP.EXAMPLE.COM"`)}, func() {})
	w.during("mended", func() {
		w.krb5conf("apply")
		w.until("kerbagent_krb5conf_changes_total > 0") // another configuration begins to look anew
		w.ticket("carol", "carol@ONPREM.LOCAL", "10h")
		w.application(10 * time.Hour)
		heal()
	}, []string{"absent(ALERTS)", "increase(kerbagent_krb5conf_changes_total[5m]) > 0"}, func() {})

	w.during("realm", func() {
		labtest.Fault(t, "fault", "drop", "any", "88", "dc1")
		labtest.Fault(t, "fault", "drop", "any", "88", "dc2")
	}, []string{firing("RealmUnreachable", `code="realm-unreachable"`), `min(instance_realm:kerbagent_kdc:usable{realm="CORP.EXAMPLE.COM"}) == 0`}, heal)

	w.during("names", func() {
		labtest.Fault(t, "dns", "bend", "dc1", "refuse=corp.example.com")
		labtest.Fault(t, "dc", "skew", "600", "dc2")
		labtest.Fault(t, "fault", "bigdrop", "tcp", "3306", "300", "db")
	}, []string{`kerbagent_finding{code="dns-refused"} > 0`, `kerbagent_finding{code="clock-skew-one-kdc"} > 0`, "max(kerbagent_database_unfinished_handshakes) > 0",
		"job:kerbagent_kdc_clock_skew_seconds:worst > 500"}, func() {})

	w.during("gone", w.d.kill, []string{firing("AgentSilent", ""), firing("Absent", "")}, func() {})
}

// rulesHold asks Prometheus about its rules: each was evaluated, reads series
// that are there, and each alert has fired, or is one of those that cannot here.
func (w *watched) rulesHold(over span) {
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Type, Name, Query, Health, LastError string }
			}
		}
	}
	w.get("/api/v1/rules", &answer)
	seen := map[string]bool{}
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" || r.LastError != "" {
				w.t.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
			}
			for _, name := range names(w.t, r.Query) {
				// A native histogram is no point, its count is.
				if there := "count(" + name + ")"; !seen[name] && len(w.points(there, over)) == 0 && len(w.byClassic().points(there, over)) == 0 {
					w.t.Errorf("rule %s: nothing has the name %s", r.Name, name)
				}
				seen[name] = true
			}
			if r.Type != "alerting" {
				continue
			}
			fired := len(w.points(fmt.Sprintf("ALERTS{alertname=%q,alertstate=%q}", r.Name, "firing"), over)) > 0
			if fired == slices.Contains(notInTheLab, r.Name) {
				w.t.Errorf("alert %s: it has fired: %t", r.Name, fired)
			}
		}
	}
	if len(seen) < 20 {
		w.t.Errorf("the rules read %d names", len(seen))
	}
}

// names are those of the series that a query reads.
func names(t *testing.T, query string) []string {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			out = append(out, v.Name)
		}
		return nil
	})
	return out
}

// fill puts values into a query, as Grafana does for the whole of a time and a scrape each second.
func (w *watched) fill(q dashboardstest.Query, over span, variable, value string) string {
	values := map[string]string{"instance": strings.TrimPrefix(w.d.at, "http://"), "__rate_interval": "4s", "__range": fmt.Sprintf("%.0fs", over.to.Sub(over.from).Seconds())}
	if variable != "" {
		// Grafana quotes for the regular expression, and that for PromQL's string.
		values[variable] = strings.ReplaceAll(regexp.QuoteMeta(value), `\`, `\\`)
	}
	return strings.ReplaceAll(q.Fill(values), "offset 1m", "offset 2s")
}

// choices are the values of a dashboard's variables, over all that happened.
func (w *watched) choices(d dashboardstest.Dashboard) map[string][]string {
	out := map[string][]string{}
	for _, q := range d.Queries(w.t) {
		variable, ok := strings.CutPrefix(q.Panel, "variable ")
		if !ok || variable == "instance" || needsFull(d, variable) { // every query has an instance
			continue
		}
		label := regexp.MustCompile(`^count by \((\w+)\)`).FindStringSubmatch(q.Expr)[1]
		for _, s := range w.spans {
			for _, s := range w.series(q.Fill(nil), s.to) {
				if v := s.Metric[label]; !slices.Contains(out[variable], v) {
					out[variable] = append(out[variable], v)
				}
			}
		}
	}
	return out
}

// needsFull reports whether a variable says that one of its values alone needs the full metrics.
func needsFull(d dashboardstest.Dashboard, variable string) bool {
	return slices.ContainsFunc(d.Templating.List, func(v dashboardstest.Variable) bool {
		return v.Name == variable && strings.HasSuffix(v.Description, "needs kerbagent run --metrics full.")
	})
}

// chosen asks a query with each value of its variables alone: one of them has something to show.
func (w *watched) chosen(name string, q dashboardstest.Query, choices map[string][]string, over span) {
	w.t.Helper()
	for variable, values := range choices {
		if slices.Contains(q.Variables(), variable) && !slices.ContainsFunc(values, func(v string) bool {
			return len(w.points(w.fill(q, over, variable, v), over)) > 0
		}) {
			w.t.Errorf("%s: nothing for any of %s %q", name, variable, values)
		}
	}
}
