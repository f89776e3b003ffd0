package web

import (
	"cmp"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// applicationPart is the applications that were audited, broken ones first.
type applicationPart struct {
	State state
	Rows  list[applicationRow]
}

// applicationRow is what the next login of one application will use.
type applicationRow struct {
	ID, Name string
	State    state
	Word     string // "ok", "FAILED", "not running"
	Uses     []pair
	Ends     *moment // when its ticket ends; nil where that is not known, or does not matter
	Ended    bool
	Issues   []applicationIssue
	Age      string
	Stale    bool
}

// applicationIssue is one finding about an application.
type applicationIssue struct {
	State state
	Code  string
	Cause string
}

func applications(s State) applicationPart {
	var of []*results.Entry
	var states []state
	part := applicationPart{State: none}
	for i := range s.Entries {
		r := &s.Entries[i].Result
		if r.ID.Kind != probe.Application || r.ID.Variant != "" || r.Facts[probe.FactApplication] == "" {
			continue // a part of one, or the report as a whole
		}
		st := stateOfApplication(*r, s.Report)
		of, states = append(of, &s.Entries[i]), append(states, st)
		if part.State == none || worst(st, part.State) < 0 && st != none {
			part.State = st
		}
	}
	part.Rows = fold(states, func(i int) applicationRow { return newApplication(of[i], states[i], s) })
	return part
}

// stateOfApplication is what its findings say of its next login.
func stateOfApplication(r probe.Result, rep diagnose.Report) state {
	if r.Outcome == probe.Skipped {
		return none
	}
	st := good
	for _, f := range findingsAbout(r.ID, rep) {
		switch f.Severity {
		case diagnose.Error:
			return failed
		case diagnose.Warning:
			st = partly
		}
	}
	return st
}

func findingsAbout(id probe.ID, rep diagnose.Report) []diagnose.Finding {
	var out []diagnose.Finding
	for _, f := range rep.Findings {
		if slices.ContainsFunc(f.Affects, func(a probe.ID) bool { return a.Kind == id.Kind && a.Target == id.Target }) {
			out = append(out, f)
		}
	}
	return out
}

func newApplication(e *results.Entry, st state, s State) applicationRow {
	r := e.Result
	row := applicationRow{
		ID: anchor("application", r.ID.Target), Name: clean(r.ID.Target, maxName), State: st, Word: st.Word(),
		Age: ago(s.Now.Sub(r.Started)), Stale: stale(*e, s.Now),
	}
	if st == none {
		row.Word = "not running"
		return row
	}
	for _, p := range []struct {
		label string
		fact  probe.Fact
	}{
		{"process", probe.FactPIDs}, {"user number", probe.FactUID}, {"client", probe.FactClient}, {"Kerberos library", probe.FactReader},
		{"reads", probe.FactKrb5Conf}, {"database", probe.FactDatabase}, {"realm", probe.FactRealm}, {"logs in as", probe.FactUser},
		{"credential cache", probe.FactCache}, {"can be renewed until", probe.FactRenewTill}, {"keytab", probe.FactKeytab},
		{"namespaces of its own", probe.FactNamespaces}, {"not seen", probe.FactUnread},
	} {
		if v := r.Facts[p.fact]; v != "" {
			row.Uses = append(row.Uses, pair{p.label, clean(v, maxText)})
		}
	}
	if end, ok := r.Samples[probe.SampleTicketEnd]; ok {
		t := time.Unix(int64(end), 0)
		row.Ends, row.Ended = at(t, s.Now), !t.After(s.Now)
		if !row.Ended {
			row.Ends.Ago = ago(t.Sub(s.Now))
		}
	}
	for _, f := range findingsAbout(r.ID, s.Report) {
		row.Issues = append(row.Issues, applicationIssue{stateOf(f.Severity), string(f.Code), clean(cmp.Or(f.Cause, f.Title), maxText)})
	}
	return row
}
