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

// Hider replaces the names of users by "user-1", "user-2" and so on. The same
// user has the same number in all outputs: that of its first login in the
// configuration. Whoever is not in there, and is hidden all the same, comes
// after those.
//
// A name is looked for as a word in everything that is text, so a user called
// "mysql" costs some text that has nothing to do with the user: rather that
// than a name that slips out.
type Hider struct {
	names  []string          // the longest first
	tokens map[string]string // the replacement of each name; keys are in lower case
	match  *regexp.Regexp
}

// HideUsers returns a text of any kind with the names of these users (user@REALM)
// replaced.
func HideUsers(text string, users []string) string { return NewHider(users).Text(text) }

// hidden returns in with every user name replaced, where that is asked for, and with
// what AWS reports apart.
func hidden(in Input) Input {
	in = apart(in)
	if !in.HideUsers {
		return in
	}
	h := NewHider(in.Users, in.Results...)
	out := in
	out.HideUsers = false // done
	out.Results = make([]probe.Result, len(in.Results))
	for i, r := range in.Results {
		out.Results[i] = h.Result(r)
	}
	out.Report.Findings = make([]diagnose.Finding, len(in.Report.Findings))
	for i, f := range in.Report.Findings {
		out.Report.Findings[i] = h.Finding(f)
	}
	return out
}

// usersOf lists the users (user@REALM) that results are about, sorted.
func usersOf(results []probe.Result) []string {
	principals := map[string]bool{}
	for _, r := range results {
		u := r.Facts[probe.FactUser]
		if u != "" && !strings.HasPrefix(u, probe.Stranger+"@") {
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

// NewHider hides users (user@REALM), which are the configured ones in the order
// of their logins, and those that these results are about.
func NewHider(users []string, about ...probe.Result) *Hider {
	users = slices.Clone(users)
	for _, u := range usersOf(about) {
		if !slices.Contains(users, u) {
			users = append(users, u)
		}
	}
	h := &Hider{tokens: map[string]string{}}
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

// Text replaces names that stand as words.
func (h *Hider) Text(s string) string {
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

func (h *Hider) id(id probe.ID) probe.ID {
	id.Target = h.Text(id.Target)
	return id
}

func (h *Hider) err(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(h.Text(err.Error()))
}

// Result returns r with every name replaced, and without its salt: that is realm
// and name in one word.
func (h *Hider) Result(r probe.Result) probe.Result {
	r.ID, r.Err = h.id(r.ID), h.err(r.Err)
	r.Stages = slices.Clone(r.Stages)
	for i := range r.Stages {
		r.Stages[i].Err = h.err(r.Stages[i].Err)
	}
	facts := probe.Facts{}
	for k, v := range r.Facts {
		if k != probe.FactSalt {
			facts[k] = h.Text(v)
		}
	}
	r.Facts = facts
	return r
}

// Finding does the same to f.
func (h *Hider) Finding(f diagnose.Finding) diagnose.Finding {
	f.Title, f.Cause, f.Remedy = h.Text(f.Title), h.Text(f.Cause), h.Text(f.Remedy)
	f.Affects = slices.Clone(f.Affects)
	for i := range f.Affects {
		f.Affects[i] = h.id(f.Affects[i])
	}
	evidence := map[string]string{}
	for k, v := range f.Evidence {
		if k != string(probe.FactSalt) {
			evidence[k] = h.Text(v)
		}
	}
	f.Evidence = evidence
	return f
}
