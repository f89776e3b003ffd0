package report

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// hidden gives in with every user name replaced, where that is asked for. The
// same user has the same token all over one report. A name is looked for as a
// word in everything that is text, so a user called "mysql" costs some text
// that has nothing to do with the user: rather that than a name that slips out.
func hidden(in Input) Input {
	if !in.HideUsers {
		return in
	}
	h := newHider(usersOf(in.Results))
	out := in
	out.HideUsers = false // done
	out.Results = make([]probe.Result, len(in.Results))
	for i, r := range in.Results {
		out.Results[i] = h.result(r)
	}
	out.Report.Findings = make([]diagnose.Finding, len(in.Report.Findings))
	for i, f := range in.Report.Findings {
		out.Report.Findings[i] = h.finding(f)
	}
	return out
}

// HideUsers gives a text of any kind with the names of these users (user@REALM)
// replaced, where they stand as words: the first by "user-1", and so on.
func HideUsers(text string, users []string) string { return newHider(users).text(text) }

// hider knows every user of a report, longest name first.
type hider struct {
	names  []string
	tokens map[string]string // of a name in lower case
	match  *regexp.Regexp
}

// usersOf lists the users (user@REALM) that results are about, sorted.
func usersOf(results []probe.Result) []string {
	principals := map[string]bool{}
	for _, r := range results {
		if u := r.Facts[probe.FactUser]; u != "" {
			principals[u] = true
		}
		if r.ID.Kind == probe.Login { // user@REALM@database
			if parts := strings.SplitN(r.ID.Target, "@", 3); len(parts) > 1 {
				principals[parts[0]+"@"+parts[1]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(principals))
}

// newHider gives the users (user@REALM) their tokens, in the order in which they come.
func newHider(users []string) *hider {
	h := &hider{tokens: map[string]string{}}
	add := func(name, token string) {
		name = strings.ToLower(name)
		if _, ok := h.tokens[name]; name != "" && !ok {
			h.tokens[name] = token
			h.names = append(h.names, name)
		}
	}
	for i, p := range users {
		token := fmt.Sprintf("user-%d", i+1)
		name, realm, _ := strings.Cut(p, "@")
		add(p, token)
		add(name, token)
		add(realm+strings.ReplaceAll(name, "/", ""), token) // a salt (RFC 4120 §4)
	}
	// The longest first, so that alice@CORP goes before alice.
	slices.SortStableFunc(h.names, func(a, b string) int { return len(b) - len(a) })
	quoted := make([]string, len(h.names))
	for i, n := range h.names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	if len(quoted) > 0 {
		h.match = regexp.MustCompile(`(?i)` + strings.Join(quoted, "|"))
	}
	return h
}

// text replaces names that stand as words.
func (h *hider) text(s string) string {
	if h.match == nil {
		return s
	}
	var b strings.Builder
	last := 0
	for _, at := range h.match.FindAllStringIndex(s, -1) {
		if at[0] > 0 && wordByte(s[at[0]-1]) || at[1] < len(s) && wordByte(s[at[1]]) {
			continue
		}
		b.WriteString(s[last:at[0]])
		b.WriteString(h.tokens[strings.ToLower(s[at[0]:at[1]])])
		last = at[1]
	}
	return b.String() + s[last:]
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func (h *hider) id(id probe.ID) probe.ID {
	id.Target = h.text(id.Target)
	return id
}

func (h *hider) err(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(h.text(err.Error()))
}

func (h *hider) result(r probe.Result) probe.Result {
	r.ID, r.Err = h.id(r.ID), h.err(r.Err)
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		r.Stages[i].Err = h.err(r.Stages[i].Err)
	}
	facts := probe.Facts{}
	for k, v := range r.Facts {
		if k != probe.FactSalt { // realm and name in one word
			facts[k] = h.text(v)
		}
	}
	r.Facts = facts
	return r
}

func (h *hider) finding(f diagnose.Finding) diagnose.Finding {
	f.Title, f.Cause, f.Remedy = h.text(f.Title), h.text(f.Cause), h.text(f.Remedy)
	f.Affects = slices.Clone(f.Affects)
	for i := range f.Affects {
		f.Affects[i] = h.id(f.Affects[i])
	}
	evidence := map[string]string{}
	for k, v := range f.Evidence {
		if k != string(probe.FactSalt) {
			evidence[k] = h.text(v)
		}
	}
	f.Evidence = evidence
	return f
}
