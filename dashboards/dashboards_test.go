package dashboards_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/dashboards"
	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := fs.ReadFile(dashboards.Files(), name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What provisioning from files needs, and what a reader at night needs.
func TestDashboards(t *testing.T) {
	for name, d := range dashboardstest.All(t) {
		t.Run(path.Base(name), func(t *testing.T) {
			if !bytes.Contains(read(t, name), []byte(`"id": null`)) || d.ID != nil {
				t.Error("id must be null: Grafana gives one")
			}
			if d.UID != "kerbagent-"+strings.TrimSuffix(path.Base(name), ".json") || len(d.UID) > 40 {
				t.Errorf("uid %q", d.UID)
			}
			if d.SchemaVersion < 39 || d.Title == "" || d.Description == "" || !slices.Contains(d.Tags, "kerbagent") {
				t.Error("schemaVersion, title, description or tags")
			}
			if d.Templating.List[0].Type != "datasource" || string(d.Templating.List[0].Query) != `"prometheus"` {
				t.Error("the first variable must be the data source")
			}
			for _, v := range d.Templating.List[1:] {
				if v.Type != "query" || v.Datasource != (dashboardstest.Datasource{Type: "prometheus", UID: "${datasource}"}) || v.Refresh != 2 || v.Label == "" {
					t.Errorf("variable %s", v.Name)
				}
			}
			for _, l := range d.Links {
				if l.Title == "" || l.Type == "" || l.Icon == "" || l.Tooltip == "" || l.Tags == nil || slices.Contains([]*bool{l.AsDropdown, l.KeepTime, l.IncludeVars, l.TargetBlank}, nil) {
					t.Errorf("the link %q lacks what Grafana's schema wants", l.Title)
				}
			}
			ids := map[int]bool{}
			for i, p := range d.Panels {
				if ids[p.ID] {
					t.Errorf("two panels have the id %d", p.ID)
				}
				ids[p.ID] = true
				if p.Type == "row" {
					checkRow(t, p)
				} else {
					checkPanel(t, p)
				}
				for _, q := range d.Panels[:i] {
					a, b := p.GridPos, q.GridPos
					if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
						t.Errorf("%q lies on %q", p.Title, q.Title)
					}
				}
			}
		})
	}
}

// checkRow checks a row that is repeated; an open one has its panels behind it.
func checkRow(t *testing.T, p dashboardstest.Panel) {
	t.Helper()
	if p.Title != "$"+p.Repeat || p.Collapsed == nil || *p.Collapsed || len(p.Panels)+len(p.Targets) > 0 || p.GridPos.W != 24 || p.GridPos.H != 1 {
		t.Errorf("the row %q: %+v", p.Title, p)
	}
}

func checkPanel(t *testing.T, p dashboardstest.Panel) {
	t.Helper()
	if !slices.Contains([]string{"stat", "table", "timeseries", "state-timeline", "heatmap"}, p.Type) {
		t.Errorf("%q: type %q", p.Title, p.Type)
	}
	if p.Title == "" || !strings.HasSuffix(p.Description, ".") {
		t.Errorf("%q: a panel has a title, and a description in sentences", p.Title)
	}
	if p.Datasource != (dashboardstest.Datasource{Type: "prometheus", UID: "${datasource}"}) {
		t.Errorf("%q: data source %v", p.Title, p.Datasource)
	}
	for _, key := range []string{"unit", "noValue"} {
		var v string
		if err := json.Unmarshal(p.FieldConfig.Defaults[key], &v); err != nil || v == "" {
			t.Errorf("%q: no %s", p.Title, key)
		}
		// A number's panel shows its text in a number's size.
		if most := map[bool]int{true: 4, false: 9}[p.Type == "stat"] * p.GridPos.W; key == "noValue" && len(v) > most {
			t.Errorf("%q: %q does not fit a panel of %d units: %d letters at most", p.Title, v, p.GridPos.W, most)
		}
	}
	if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 3 || g.X+g.W > 24 {
		t.Errorf("%q: at %+v", p.Title, g)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if q.RefID == "" || refs[q.RefID] || q.Instant == q.Range {
			t.Errorf("%q: query %q", p.Title, q.RefID)
		}
		refs[q.RefID] = true
		if len(p.Targets) > 1 && q.LegendFormat == "" && q.Format != "table" {
			t.Errorf("%q: query %s has no legend", p.Title, q.RefID)
		}
	}
	if len(refs) == 0 {
		t.Errorf("%q asks nothing", p.Title)
	}
}

// Every link leads somewhere: to a dashboard of ours with its variables, or to a page of ours.
func TestLinks(t *testing.T) {
	inside := regexp.MustCompile(`"/d/([^?"]+)\?([^"]*)"`)
	boards := dashboardstest.All(t)
	variables := map[string][]string{}
	for _, d := range boards {
		for _, v := range d.Templating.List {
			variables[d.UID] = append(variables[d.UID], v.Name)
		}
	}
	for name := range boards {
		text := string(read(t, name))
		for _, m := range inside.FindAllStringSubmatch(text, -1) {
			if variables[m[1]] == nil {
				t.Errorf("%s: there is no dashboard %s", name, m[1])
			}
			for _, p := range strings.Split(m[2], "&") {
				if v, ok := strings.CutPrefix(p, "var-"); ok && !slices.Contains(variables[m[1]], v[:strings.Index(v, "=")]) {
					t.Errorf("%s: dashboard %s has no variable of %s", name, m[1], p)
				}
			}
		}
		for _, m := range regexp.MustCompile(`https://[^"]*`).FindAllString(text, -1) {
			if !regexp.MustCompile(`^https://github\.com/kerbagent/kerbagent/blob/main/docs/codes/(README|\$\{__(data\.fields|field\.labels)\.code\})\.md$`).MatchString(m) {
				t.Errorf("%s: a link to %s", name, m)
			}
		}
	}
	for name, want := range map[string]string{
		"grafana/auth-health.json":         "/d/kerbagent-host-ladder?",
		"grafana/controllers-and-dns.json": "/d/kerbagent-host-ladder?",
		"grafana/login-latency.json":       "/d/kerbagent-host-ladder?",
		"grafana/host-ladder.json":         "${__data.fields.code}.md",
	} {
		if !strings.Contains(string(read(t, name)), want) {
			t.Errorf("%s: no link to %s", name, want)
		}
	}
}

// readDisk reads a file that is not exported.
func readDisk(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func docs(t *testing.T) string { return string(readDisk(t, "../docs/dashboards.md")) }
