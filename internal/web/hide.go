package web

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/latest"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// hidden gives the state with every user name replaced, where that is asked
// for. A user has the same token here as in the report.
func hidden(s State) State {
	if !s.HideUsers {
		return s
	}
	t := &texts{}
	s.Entries, s.Report.Findings, s.Notes = slices.Clone(s.Entries), slices.Clone(s.Report.Findings), slices.Clone(s.Notes)
	users := map[string]bool{}
	for i := range s.Entries {
		if r := s.Entries[i].Result; r.ID.Kind == probe.Login || r.Facts[probe.FactUser] != "" {
			users[userOf(r)] = true
		}
		t.entry(&s.Entries[i])
	}
	for i := range s.Report.Findings {
		t.finding(&s.Report.Findings[i])
	}
	for i := range s.Notes {
		t.add(&s.Notes[i])
	}
	t.replace(slices.Sorted(maps.Keys(users)))
	return s
}

// texts are replaced together: the names are made into one expression, which
// is too dear to be made for each text.
type texts struct {
	all []string
	put []func(string)
}

// between stands between two texts, and in none.
const between = "\x00"

func (t *texts) each(s string, put func(string)) {
	t.all = append(t.all, strings.ReplaceAll(s, between, `\x00`))
	t.put = append(t.put, put)
}

func (t *texts) add(s *string) { t.each(*s, func(n string) { *s = n }) }

func (t *texts) err(e *error) {
	if *e != nil {
		t.each((*e).Error(), func(n string) { *e = errors.New(n) })
	}
}

func (t *texts) entry(e *latest.Entry) {
	r := &e.Result
	t.add(&r.ID.Target)
	t.err(&r.Err)
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		t.err(&r.Stages[i].Err)
	}
	r.Facts = maps.Clone(r.Facts)
	for k, v := range r.Facts {
		t.each(v, func(n string) { r.Facts[k] = n })
	}
}

func (t *texts) finding(f *diagnose.Finding) {
	t.add(&f.Title)
	t.add(&f.Cause)
	t.add(&f.Remedy)
	f.Affects = slices.Clone(f.Affects)
	for i := range f.Affects {
		t.add(&f.Affects[i].Target)
	}
	f.Evidence = maps.Clone(f.Evidence)
	delete(f.Evidence, string(probe.FactSalt)) // realm and name in one word
	for k, v := range f.Evidence {
		t.each(v, func(n string) { f.Evidence[k] = n })
	}
}

func (t *texts) replace(users []string) {
	for i, s := range strings.Split(report.HideUsers(strings.Join(t.all, between), users), between) {
		t.put[i](s)
	}
}
