package web

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// rung is the servers of one sort, broken ones first.
type rung struct {
	ID, Name, Port string
	State          state
	Columns        []string // headings of the cells
	Clocks         bool     // there is a column for them
	Rows           list[serverRow]
}

// serverRow is all that is asked at one address.
type serverRow struct {
	Name, Address, Realm string
	State                state
	Cells                []cell // as many as Columns
	Clock                *clock
	Chart                *chart
	Age                  string
	Stale                bool
	Since                *moment // it fails since
	Failures             []failure
	Span                 int // columns of the table
}

// cell is what came of one transport or variant.
type cell struct {
	Column string
	State  state
	Text   string
}

// maxLines bounds the failures under a server. All is in the report.
const maxLines = 4

func rungs(s State) []rung {
	var out []rung
	for _, k := range probe.Rungs() {
		if k == probe.Login { // it has a part of its own
			continue
		}
		if r := newRung(k, s); len(r.Rows.Open)+len(r.Rows.Folded) > 0 {
			out = append(out, r)
		}
	}
	return out
}

func newRung(k probe.Kind, s State) rung {
	r := rung{ID: string(k), State: newStation(k, s).State, Clocks: k == probe.KDC}
	r.Name, r.Port = ladder.Name(k)
	groups := group(k, s.Entries)
	states := make([]state, len(groups))
	for i, of := range groups {
		states[i] = stateOfServer(of)
		for _, e := range of {
			if c := column(e.Result.ID); !slices.Contains(r.Columns, c) {
				r.Columns = append(r.Columns, c)
			}
		}
	}
	slices.SortStableFunc(r.Columns, func(a, b string) int { return columnOrder(a) - columnOrder(b) })
	r.Rows = fold(states, func(i int) serverRow { return r.row(states[i], groups[i], s.Now) })
	return r
}

// group gathers what is asked of one server, in the order of the entries.
func group(k probe.Kind, entries []results.Entry) [][]*results.Entry {
	var of []*results.Entry
	for i := range entries {
		if entries[i].Result.ID.Kind == k && !ladder.AsksNobody(&entries[i].Result) {
			of = append(of, &entries[i])
		}
	}
	return ladder.Servers(of, result)
}

func result(e *results.Entry) *probe.Result { return &e.Result }

// stateOfServer sums up what is asked of a server, its clock included.
func stateOfServer(of []*results.Entry) state {
	ok, bad := 0, 0
	for _, e := range of {
		switch e.Result.Outcome {
		case probe.OK:
			ok++
		case probe.Failed:
			bad++
		}
	}
	st := stateFrom(ok, bad)
	if c := clockOf(of); c != nil && c.State != good && st == good {
		st = partly
	}
	return st
}

// row makes the row of one server.
func (r *rung) row(st state, of []*results.Entry, now time.Time) serverRow {
	first := of[0].Result
	row := serverRow{
		Name: clean(ladder.ServerName(&first), maxName), State: st, Cells: r.cells(of), Chart: newChart(of),
		Failures: alike(of), Span: len(r.Columns) + 3,
	}
	if first.ID.Address.IsValid() {
		row.Address = first.ID.Address.String()
	}
	if first.ID.Kind == probe.KDC || first.ID.Kind == probe.Kpasswd {
		row.Realm = clean(first.Facts[probe.FactRealm], maxName)
	}
	if r.Clocks {
		row.Clock = cmp.Or(clockOf(of), &clock{State: none, Text: "–"})
		row.Span++
	}
	var since time.Time
	oldest := first.Started
	for _, e := range of {
		if f := e.FailingSince; e.Result.Outcome == probe.Failed && (since.IsZero() || f.Before(since)) {
			since = f
		}
		if e.Result.Started.Before(oldest) {
			oldest = e.Result.Started
		}
		row.Stale = row.Stale || stale(*e, now)
	}
	row.Since, row.Age = at(since, now), ago(now.Sub(oldest))
	return row
}

// column is where a result stands: by its variant, else its transport.
func column(id probe.ID) string {
	if id.Kind == probe.Krb5Conf {
		return "result"
	}
	return cmp.Or(id.Variant, string(id.Transport), "result")
}

func columnOrder(c string) int { return slices.Index([]string{"udp", "tcp", "large"}, c) }

// cells sums up a server's results, one for each column.
func (r *rung) cells(of []*results.Entry) []cell {
	out := make([]cell, len(r.Columns))
	for i, c := range r.Columns {
		out[i] = cell{Column: c, State: none, Text: "–"}
		if l, any := newLeg(c, of, func(id probe.ID) bool { return column(id) == c }); any {
			out[i] = cell{Column: c, State: l.State, Text: l.Text}
		}
	}
	return out
}

// alike returns one line for all that failed in the same way.
func alike(of []*results.Entry) []failure {
	groups := ladder.Alike(of, result)
	var out []failure
	for _, same := range groups[:min(len(groups), maxLines)] {
		r := &same[0].Result
		what := strings.TrimSpace(strings.ToUpper(string(r.ID.Transport)) + " " + r.ID.Variant)
		if r.ID.Kind == probe.DNS {
			what += " " + r.ID.Target
		}
		if n := len(same) - 1; n > 0 {
			what += " and " + count(n) + " more"
		}
		f := failure{What: clean(what, maxName), Reason: string(r.Reason), Took: span(r.Duration)}
		if r.Err != nil {
			f.Error = clean(r.Err.Error(), maxText)
		}
		out = append(out, f)
	}
	return out
}

// clock is a KDC's clock against ours: a mark on a line from five minutes
// behind to five minutes ahead.
type clock struct {
	State state
	X     int // the mark's position, from 0 to 100
	Text  string
}

func clockOf(of []*results.Entry) *clock {
	for _, e := range of {
		if v, measured := e.Result.Samples[probe.SampleSkew]; measured && e.Result.ID.Kind == probe.KDC {
			return newClock(v)
		}
	}
	return nil
}

func newClock(skew float64) *clock {
	limit := diagnose.SkewLimit.Seconds()
	c := &clock{State: good, X: 50 + int(math.Round(48*max(-1, min(1, skew/limit))))}
	switch off := math.Abs(skew); {
	case off >= limit:
		c.State = failed
	case off >= limit/5:
		c.State = partly
	}
	switch off := math.Abs(skew); {
	case off < 0.05:
		c.Text = "same"
	case off < 100:
		c.Text = fmt.Sprintf("%+.1f s", skew)
	default:
		c.Text = fmt.Sprintf("%+.1f min", skew/60)
	}
	return c
}
