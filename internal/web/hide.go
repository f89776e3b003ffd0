package web

import (
	"slices"

	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// hidden returns the state with every user name replaced, where that is asked
// for. A user has the same number here as in the report.
func hidden(s State) State {
	if !s.HideUsers {
		return s
	}
	results := make([]probe.Result, len(s.Entries))
	for i, e := range s.Entries {
		results[i] = e.Result
	}
	h := report.NewHider(s.Users, results...)
	s.Entries, s.Report.Findings, s.Notes = slices.Clone(s.Entries), slices.Clone(s.Report.Findings), slices.Clone(s.Notes)
	for i, r := range results {
		s.Entries[i].Result = h.Result(r)
	}
	for i, f := range s.Report.Findings {
		s.Report.Findings[i] = h.Finding(f)
	}
	for i, n := range s.Notes {
		s.Notes[i] = h.Text(n)
	}
	return s
}
