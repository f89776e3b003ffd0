// Package dashboardstest reads the dashboards for tests: their model, strictly,
// and their queries with the variables put in as Grafana does.
package dashboardstest

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/dashboards"
)

// Dashboard is the part of Grafana's model that ours use: an unknown key is an error.
type Dashboard struct {
	ID            *int   `json:"id"`
	UID           string `json:"uid"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	Tags          []string
	SchemaVersion int
	Version       int
	Editable      bool
	GraphTooltip  int
	Timezone      string
	Refresh       string
	Time          struct{ From, To string }
	Annotations   struct{ List []Annotation }
	Links         []Link
	Templating    struct{ List []Variable }
	Panels        []Panel
}

// Annotation marks times on every panel.
type Annotation struct {
	Name, IconColor, Expr, Step, TitleFormat, TextFormat, TagKeys string
	Datasource                                                    Datasource
	Enable                                                        bool
}

// Link is one at the top of a dashboard. Grafana's schema wants all of it but the URL.
type Link struct {
	Title, Type, Icon, Tooltip, URL                string
	Tags                                           []string
	AsDropdown, KeepTime, IncludeVars, TargetBlank *bool
}

// Variable is a choice at the top of a dashboard.
type Variable struct {
	Name, Label, Type string
	Description       string
	Datasource        Datasource
	Definition        string
	Query             json.RawMessage
	Refresh, Sort     int
	Multi, IncludeAll bool
	AllValue          string
	Current           json.RawMessage
}

// Datasource is the Grafana data source that a query is sent to.
type Datasource struct{ Type, UID string }

// Panel is one picture or table.
type Panel struct {
	ID                       int
	Type, Title, Description string
	Repeat                   string // of a row: the variable for each of whose values it stands there once
	Collapsed                *bool  // of a row
	Panels                   []Panel
	Datasource               Datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []Target
	FieldConfig              struct {
		Defaults  map[string]json.RawMessage
		Overrides []json.RawMessage
	}
	Options         json.RawMessage
	Transformations []json.RawMessage
}

// Target is one query of a panel.
type Target struct {
	RefID, Expr, LegendFormat, Format string
	Instant, Range                    bool
}

// All returns the dashboards by file name.
func All(t testing.TB) map[string]Dashboard {
	t.Helper()
	names, err := fs.Glob(dashboards.Files(), "grafana/*.json")
	if err != nil || len(names) != 5 {
		t.Fatalf("%d dashboards, %v", len(names), err)
	}
	out := map[string]Dashboard{}
	for _, name := range names {
		b, err := fs.ReadFile(dashboards.Files(), name)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		var d Dashboard
		if err := dec.Decode(&d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[name] = d
	}
	return out
}

// Query is one of a panel, or of a variable ("variable job"), which has no RefID.
type Query struct {
	Panel, RefID, Expr string
	Instant            bool
	all                map[string]string // what Grafana puts in the place of each variable of which all values are chosen
}

var labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// Queries returns those of the panels and of the variables: of these PromQL
// that gives a series for each value.
func (d Dashboard) Queries(t testing.TB) []Query {
	t.Helper()
	var out []Query
	all := map[string]string{}
	for _, v := range d.Templating.List {
		if v.IncludeAll {
			all[v.Name] = v.AllValue
		}
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			out = append(out, Query{p.Title, q.RefID, q.Expr, q.Instant, all})
		}
	}
	for _, a := range d.Annotations.List {
		out = append(out, Query{Panel: "annotation " + a.Name, Expr: a.Expr, all: all})
	}
	for _, v := range d.Templating.List[1:] {
		var q struct{ Query string }
		if err := json.Unmarshal(v.Query, &q); err != nil {
			t.Fatal(err)
		}
		m := labelValues.FindStringSubmatch(q.Query)
		if m == nil || v.Definition != q.Query {
			t.Fatalf("variable %s: %s", v.Name, q.Query)
		}
		out = append(out, Query{Panel: "variable " + v.Name, Expr: "count by (" + m[2] + ") (" + m[1] + ")", all: all})
	}
	return out
}

var variable = regexp.MustCompile(`\$([A-Za-z_]\w*)`)

// Fill puts values of variables into a query, and where it has none what stands for all.
func (q Query) Fill(values map[string]string) string {
	return variable.ReplaceAllStringFunc(q.Expr, func(v string) string {
		if value, ok := values[v[1:]]; ok {
			return value
		}
		if all := q.all[v[1:]]; all != "" {
			return all
		}
		return ".+"
	})
}

// Variables returns the names of those that a query asks for.
func (q Query) Variables() []string {
	names := map[string]bool{}
	for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}
