package dashboards_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"github.com/kerbagent/kerbagent/dashboards"
	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/metrics"
)

// group is a group of rules.
type group struct {
	Name     string
	Interval string
	Rules    []rule
}

type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

// groups returns all groups of rules by the name of their file.
func groups(t *testing.T) map[string][]group {
	t.Helper()
	names, err := fs.Glob(dashboards.Files(), "rules/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no rules", err)
	}
	out := map[string][]group{}
	for _, name := range names {
		var file struct{ Groups []group }
		strict := yaml.NewDecoder(bytes.NewReader(read(t, name)))
		strict.KnownFields(true)
		if err := strict.Decode(&file); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = file.Groups
	}
	return out
}

// rules returns all rules, those that record first.
func rules(t *testing.T) []rule {
	t.Helper()
	var out []rule
	for _, name := range []string{"rules/recording.yaml", "rules/alerts.yaml"} {
		for _, g := range groups(t)[name] {
			out = append(out, g.Rules...)
		}
	}
	return out
}

// series reports which labels the series of a name have: those of the metrics
// table, what a scrape adds, and what our rules record. That of a recorded
// name says which of all labels it has; here it may have any that a metric has.
func series(t *testing.T) map[string][]string {
	t.Helper()
	scraped := []string{"job", "instance"}
	out := map[string][]string{"up": scraped}
	every := append([]string{"le"}, scraped...)
	for _, r := range metrics.Table() {
		labels := append(slices.Clone(r.Labels), scraped...)
		every = append(every, r.Labels...)
		if r.Type != metrics.TypeHistogram {
			out[r.Name] = labels
			continue
		}
		lean, _ := r.Lean()
		labels = append(labels, lean...)
		out[r.Name] = labels // native
		out[r.Name+"_bucket"] = append(labels, "le")
		out[r.Name+"_sum"], out[r.Name+"_count"] = labels, labels
	}
	for _, r := range rules(t) {
		if r.Record != "" {
			out[r.Record] = every
		}
	}
	return out
}

// wrongQuery reports what is wrong with a query: how it is written, and whether
// its series, their labels, and the codes that it asks for exist. Labels that it
// groups or joins by are those of any metric.
func wrongQuery(query string, known map[string][]string) (wrong []string) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return []string{err.Error()}
	}
	grouped := func(by []string) {
		for _, l := range by {
			if !slices.ContainsFunc(slices.Collect(maps.Values(known)), func(labels []string) bool { return slices.Contains(labels, l) }) {
				wrong = append(wrong, fmt.Sprintf("no series has a label %q", l))
			}
		}
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.AggregateExpr:
			grouped(n.Grouping)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouped(n.VectorMatching.MatchingLabels)
			}
		}
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		labels, ok := known[v.Name]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("there is no series %q", v.Name))
		}
		for _, m := range v.LabelMatchers {
			if m.Name != "__name__" && !slices.Contains(labels, m.Name) {
				wrong = append(wrong, fmt.Sprintf("%s has no label %q", v.Name, m.Name))
			}
			if m.Name == "code" && m.Value != ".+" {
				for code := range strings.SplitSeq(m.Value, "|") {
					if _, ok := diagnose.Lookup(diagnose.Code(code)); !ok {
						wrong = append(wrong, fmt.Sprintf("there is no code %q", code))
					}
				}
			}
		}
		return nil
	})
	return wrong
}

// filled puts a host into a query, and all of every other variable.
func filled(q dashboardstest.Query, instance string) string {
	return q.Fill(map[string]string{"instance": instance, "__range": "15m", "__rate_interval": "2m"})
}

func TestDashboardQueries(t *testing.T) {
	known := series(t)
	for name, d := range dashboardstest.All(t) {
		declared := []string{"__range", "__rate_interval"}
		for _, v := range d.Templating.List {
			declared = append(declared, v.Name)
		}
		for _, q := range d.Queries(t) {
			for _, v := range q.Variables() {
				if !slices.Contains(declared, v) {
					t.Errorf("%s: %s: no variable %s", name, q.Panel, v)
				}
			}
			for _, w := range wrongQuery(filled(q, "h1"), known) {
				t.Errorf("%s: %s: %s", name, q.Panel, w)
			}
		}
	}
}

func TestRules(t *testing.T) {
	known := series(t)
	var used strings.Builder
	for name, gs := range groups(t) {
		for _, g := range gs {
			// Alerts count samples of one a minute.
			if strings.Contains(name, "recording") && g.Interval != "1m" {
				t.Errorf("%s: interval %q", g.Name, g.Interval)
			}
			for _, r := range g.Rules {
				for _, w := range wrongQuery(r.Expr, known) {
					t.Errorf("%s%s: %s", r.Record, r.Alert, w)
				}
				if r.Alert != "" {
					checkAlert(t, r)
				}
				used.WriteString(r.Expr + "\n")
			}
		}
	}
	for _, d := range dashboardstest.All(t) {
		for _, q := range d.Queries(t) {
			used.WriteString(q.Expr + "\n")
		}
	}
	for _, r := range rules(t) {
		if r.Record != "" && !regexp.MustCompile(regexp.QuoteMeta(r.Record)+`\b`).MatchString(used.String()) {
			t.Errorf("nobody reads %s", r.Record)
		}
	}
}

func checkAlert(t *testing.T, r rule) {
	t.Helper()
	if !strings.HasPrefix(r.Alert, "Kerbagent") || !slices.Contains([]string{"critical", "warning"}, r.Labels["severity"]) {
		t.Errorf("%s: name or severity", r.Alert)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(r.Annotations)), []string{"description", "runbook_url", "summary"}) {
		t.Errorf("%s: annotations", r.Alert)
	}
	// What to type is in each.
	if d := r.Annotations["description"]; !strings.Contains(d, "kerbagent ") && !strings.Contains(d, "type: ") {
		t.Errorf("%s: says nothing to type: %s", r.Alert, d)
	}
	runbook, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/kerbagent/kerbagent/blob/main/docs/")
	code, isCode := strings.CutPrefix(strings.TrimSuffix(runbook, ".md"), "codes/")
	_, isKnown := diagnose.Lookup(diagnose.Code(code))
	switch {
	case !ok:
		t.Errorf("%s: runbook %s", r.Alert, r.Annotations["runbook_url"])
	case isCode && code != "{{ $labels.code }}" && !isKnown:
		t.Errorf("%s: no code %q", r.Alert, code)
	case isCode && !isKnown && !strings.Contains(r.Expr, "by (job, code)"):
		t.Errorf("%s: has no label code", r.Alert)
	case !isCode && runbook != "dashboards.md#"+strings.ToLower(r.Alert):
		t.Errorf("%s: runbook %s", r.Alert, runbook)
	case !isCode && !strings.Contains(docs(t), "\n### "+r.Alert+"\n"):
		t.Errorf("%s: docs/dashboards.md has no such heading", r.Alert)
	}
}

// What each alert is tested with: once it fires, once it does not.
func TestAlertsAreTested(t *testing.T) {
	var file struct {
		Tests []struct {
			Rules []struct {
				Alertname string `yaml:"alertname"`
				Want      []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	if err := yaml.Unmarshal(readDisk(t, "testdata/alerts_test.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, r := range test.Rules {
			if len(r.Want) > 0 {
				fires[r.Alertname] = true
			} else {
				quiet[r.Alertname] = true
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" && (!fires[r.Alert] || !quiet[r.Alert]) {
			t.Errorf("%s: a test in which it fires: %t, in which it does not: %t", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

// The alerts that the Alertmanager example names are there.
func TestInhibition(t *testing.T) {
	var file struct {
		Rules []struct {
			Source []string `yaml:"source_matchers"`
			Target []string `yaml:"target_matchers"`
		} `yaml:"inhibit_rules"`
	}
	if err := yaml.Unmarshal(read(t, "examples/alertmanager.yaml"), &file); err != nil || len(file.Rules) == 0 {
		t.Fatal("no inhibition", err)
	}
	var names []string
	for _, r := range rules(t) {
		names = append(names, r.Alert)
	}
	for _, r := range file.Rules {
		for _, m := range append(r.Source, r.Target...) {
			for _, name := range regexp.MustCompile(`Kerbagent\w+`).FindAllString(m, -1) {
				if !slices.Contains(names, name) {
					t.Errorf("there is no alert %s", name)
				}
			}
		}
	}
}

// The checks must catch what they are for.
func TestQueriesCatch(t *testing.T) {
	known := series(t)
	for query, want := range map[string]string{
		`kerbagent_finding{severity="error"} > 0`:      "",
		`kerbagent_findings`:                           "no series",
		`kerbagent_finding{host="h1"}`:                 "no label",
		`sum by (host) (kerbagent_finding)`:            "no series has",
		`up and on (host) kerbagent_build_info`:        "no series has",
		`kerbagent_finding{code=~"clock-skew|gone"}`:   `no code "gone"`,
		`sum by (job (kerbagent_finding)`:              "parse error",
		`kerbagent_probe_duration_seconds{probe="kdc"`: "parse error",
	} {
		got := strings.Join(wrongQuery(query, known), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", query, got)
		}
	}
}
