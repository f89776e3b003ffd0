package web

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// state is how something is. It is shown as a word and a shape, and coloured.
type state string

// The states, worst last.
const (
	none   state = "none" // not asked
	good   state = "ok"
	partly state = "partly"
	failed state = "failed"
)

// Word is what the page writes.
func (s state) Word() string {
	switch s {
	case good:
		return "ok"
	case partly:
		return "partly broken"
	case failed:
		return "FAILED"
	}
	return "not asked"
}

// view is the page in the template's terms: every text in it is clean.
type view struct {
	Host, Version string
	Now, Started  *moment
	State         state
	Verdict       string // in one word
	Headline      string
	Covers        string   // what the verdict does not cover
	First         *finding // what is wrong; nil where nothing is
	Others        []finding
	Folded        []finding
	MoreFindings  int
	Stations      []station
	Logins        loginPart
	Applications  applicationPart
	AWS           []awsRegion
	Rungs         []rung
	Notes         []string
	Failures      []failure
	Probes        int
	Stale         int
}

// Bounds of the page.
const (
	maxFindings = 40
	maxOthers   = 6 // that are not folded away
	maxPlaces   = 4
	maxNotes    = 50
	maxFailures = 15
)

func newView(s State, records []recorder.Record) view {
	s = hidden(s)
	v := view{
		Host: clean(s.Host, maxName), Version: clean(s.Version, maxName), Now: at(s.Now, s.Now), Started: at(s.Started, s.Now),
		Stations: stations(s), Logins: logins(s), Applications: applications(s), AWS: awsRegions(s), Rungs: rungs(s),
		Failures: failures(records, s.Now), Probes: len(s.Entries),
	}
	v.verdict(s)
	for i, f := range s.Report.Findings {
		switch {
		case i == 0 && s.Report.Verdict != diagnose.VerdictOK:
			first := newFinding(f, s.Now)
			v.First = &first
		case len(v.Others) < maxOthers:
			v.Others = append(v.Others, newFinding(f, s.Now))
		case i < maxFindings:
			v.Folded = append(v.Folded, newFinding(f, s.Now))
		default:
			v.MoreFindings++
		}
	}
	for _, n := range s.Notes[:min(len(s.Notes), maxNotes)] {
		v.Notes = append(v.Notes, clean(n, maxText))
	}
	if more := len(s.Notes) - maxNotes; more > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("and %d more", more))
	}
	for _, e := range s.Entries {
		if stale(e, s.Now) {
			v.Stale++
		}
	}
	return v
}

func (v *view) verdict(s State) {
	switch {
	case s.Report.Verdict == diagnose.VerdictFailed:
		v.State, v.Verdict = failed, "FAILED"
	case s.Report.Verdict == diagnose.VerdictDegraded:
		v.State, v.Verdict = partly, "DEGRADED"
	case s.Ready && s.Report.Verdict == diagnose.VerdictUnknown:
		v.State, v.Verdict, v.Headline = none, "UNKNOWN", covers(s.Entries)
		return
	case !s.Ready || s.Report.Verdict != diagnose.VerdictOK:
		v.State, v.Verdict, v.Headline = none, "STARTING", "the first round is not over yet"
		return
	default:
		v.State, v.Verdict = good, "OK"
	}
	v.Covers = covers(s.Entries)
	switch {
	case len(s.Report.Findings) > 0 && v.State != good:
		v.Headline = clean(s.Report.Findings[0].Title, maxText)
	case v.State != good:
		v.Headline = "no finding explains it"
	default:
		v.Headline, v.Covers = v.Covers, ""
	}
}

// covers reports what works, and that a path alone is no login.
func covers(entries []results.Entry) string {
	var works, bad, held int
	name := ""
	for _, e := range entries {
		switch r := e.Result; {
		case r.ID.Kind != probe.Login:
		case r.Outcome == probe.OK:
			works++
			name = userOf(r) + " logs in to " + databaseOf(r)
		case r.Outcome == probe.Skipped:
			held++
		default:
			bad++
		}
	}
	text := ""
	switch {
	case works+bad+held == 0:
		return "path only, no login is configured"
	case bad > 0:
		text = count(works) + " of " + count(works+bad) + " logins work"
	case works == 0:
		text = "no login was tried"
	case works == 1:
		text = clean(name, 2*maxName)
	default:
		text = "all " + plural(works, "login") + " work"
	}
	if held > 0 && works+bad > 0 {
		text += ", " + count(held) + " not tried"
	}
	return text
}

// finding is one finding on the page.
type finding struct {
	ID       string // anchor
	State    state
	Severity string
	Code     string
	Title    string
	Cause    string
	Remedy   []block
	Where    []string
	More     int // places beyond those
	Silences []string
	Evidence []pair
	Since    *moment
}

type pair struct{ Key, Value string }

// block is a part of a remedy: words, or commands to be typed.
type block struct {
	Commands bool
	Text     string
}

func newFinding(f diagnose.Finding, now time.Time) finding {
	out := finding{
		ID: anchor("finding", string(f.Code)), State: stateOf(f.Severity), Severity: string(f.Severity), Code: string(f.Code),
		Title: clean(f.Title, maxText), Cause: clean(f.Cause, maxText), Remedy: remedy(f.Remedy), Since: at(f.Since, now),
	}
	if len(f.Affects) > 0 {
		out.ID = anchor("finding", string(f.Code), f.Affects[0].String()) // a code may come twice
	}
	for _, id := range f.Affects[:min(len(f.Affects), maxPlaces)] {
		out.Where = append(out.Where, clean(id.String(), maxName))
	}
	out.More = len(f.Affects) - len(out.Where)
	for _, c := range f.Silences {
		out.Silences = append(out.Silences, string(c))
	}
	for _, k := range slices.Sorted(maps.Keys(f.Evidence)) {
		out.Evidence = append(out.Evidence, pair{clean(k, maxName), clean(f.Evidence[k], maxText)})
	}
	return out
}

func stateOf(s diagnose.Severity) state {
	switch s {
	case diagnose.Error:
		return failed
	case diagnose.Warning:
		return partly
	}
	return none
}

// remedy splits words from commands: an indented line is a command.
func remedy(text string) []block {
	var out []block
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		command := strings.TrimLeft(l, " \t")
		is := command != l
		switch line := clean(command, maxText); {
		case line == "":
		case is && len(out) > 0 && out[len(out)-1].Commands:
			out[len(out)-1].Text += "\n" + line
		default:
			out = append(out, block{is, line})
		}
	}
	return out
}

// stale reports whether a result is older than three beats: its probe does not run.
func stale(e results.Entry, now time.Time) bool {
	return e.Interval > 0 && e.Result.Facts[probe.FactRefusedAt] == "" && now.Sub(e.Result.Started) > 3*e.Interval
}

// stateFrom sums up outcomes.
func stateFrom(ok, bad int) state {
	switch {
	case ok+bad == 0:
		return none
	case bad == 0:
		return good
	case ok == 0:
		return failed
	}
	return partly
}

// worst orders states for lists: broken ones first.
func worst(a, b state) int {
	order := []state{failed, partly, none, good}
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}
