package diagnose

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Snapshot is what Explain looks at.
type Snapshot struct {
	Results []probe.Result
	Now     time.Time
	// FailingSince holds when each probe began to fail; a probe that is not in it
	// began with its latest run. A one-shot check leaves it nil.
	FailingSince map[probe.ID]time.Time
	Limits       Limits
}

// Limits are the thresholds that somebody may configure.
type Limits struct {
	PasswordExpiry    time.Duration // warn when less is left
	CertificateExpiry time.Duration // warn when less is left
}

// SkewLimit is what Active Directory and MIT accept between two clocks by
// default (RFC 4120 §1.6 leaves the figure to the site; both chose 5 minutes).
const SkewLimit = 5 * time.Minute

// skewWarn is where a clock is worth a finding although tickets still work:
// a fifth of the limit is far beyond what NTP leaves.
const skewWarn = time.Minute

// Explain reports what the results mean: root causes, worst first, with their
// consequences folded under them. It is pure: the same snapshot produces the same
// report. Where a login was not tried, or a database not asked, nothing is ok; where the run was cut
// short, nothing is known but what stands on finished results alone.
func Explain(s Snapshot) Report {
	if slices.ContainsFunc(s.Results, unfinished) {
		return partial(s)
	}
	report := explain(s)
	if report.Verdict == VerdictOK && len(Untried(s.Results)) > 0 {
		report.Verdict = VerdictUnknown
	}
	return report
}

// Untried returns what was to be done and was not: logins that were not tried,
// the probes of databases that were asked at none of their addresses, and a reading of
// AWS that somebody asked for.
func Untried(results []probe.Result) (out []probe.ID) {
	asked := map[string]bool{}
	for _, r := range results {
		if r.ID.Kind == probe.Database && r.Outcome != probe.Skipped && r.ID.Variant != variantInstances {
			asked[r.ID.Target] = true
		}
	}
	for _, r := range results {
		if r.ID.Kind == probe.AWS && r.Outcome == probe.Skipped && r.Facts[probe.FactAsked] != "" {
			out = append(out, r.ID)
		}
		if r.Facts[probe.FactInstance] != "" { // the login by the endpoint was, or is reported itself
			continue
		}
		left := r.ID.Kind == probe.Login || r.ID.Kind == probe.Database && !asked[r.ID.Target]
		if left && r.Outcome == probe.Skipped {
			out = append(out, r.ID)
		}
	}
	return out
}

func explain(s Snapshot) Report {
	v := newView(s)
	var found []*found
	claimed := map[*probe.Result][]int{} // result → findings that account for it
	rules := rules()
	dependsOn := map[Code][]Code{}
	for _, r := range rules {
		dependsOn[r.Code] = r.DependsOn
	}
	for _, r := range rules {
		matches := r.match(v)
		if len(matches) == 0 {
			continue
		}
		deeper := closure(dependsOn, r.DependsOn)
		for _, m := range matches {
			if by := coveredBy(m, claimed, found, deeper); len(by) > 0 {
				for _, i := range by {
					part := m.claimedBy(i, claimed)
					found[i].silence(r.Code)
					found[i].take(part)
					claim(claimed, part, i)
				}
				if m.says != "" {
					found[by[0]].says = append(found[by[0]].says, m.says)
				}
				continue
			}
			found = append(found, newFound(r, m))
			if !r.Remark {
				claim(claimed, m, len(found)-1)
			}
		}
	}
	report := Report{Verdict: VerdictOK}
	// Worst first; of errors first the kind that most logins fail by, and of those that as many fail by the one that
	// keeps a login from its tickets: programs have these before they turn to the database.
	failing := map[Code]int{}
	for _, f := range found {
		failing[f.rule.Code] += f.failedLogins()
	}
	sort.SliceStable(found, func(i, j int) bool {
		a, b := found[i], found[j]
		if x, y := rank(a.severity(v)), rank(b.severity(v)); x != y {
			return x < y
		}
		if x, y := failing[a.rule.Code], failing[b.rule.Code]; x != y {
			return x > y
		}
		return a.keepsTickets() && !b.keepsTickets()
	})
	for _, f := range found {
		report.Findings = append(report.Findings, f.finding(v))
	}
	report.Verdict = v.verdict(report.Findings)
	return report
}

// verdict is the logins' alone where some are configured and each was tried:
// failed exactly when one fails. Without, it is that of the worst finding.
func (v *view) verdict(findings []Finding) Verdict {
	worst := VerdictOK
	for _, f := range findings {
		if f.Severity != Info && worst == VerdictOK {
			worst = VerdictDegraded
		}
		if f.Severity == Error {
			worst = VerdictFailed
		}
	}
	for _, l := range v.logins {
		if decides(l) && l.Outcome == probe.Failed {
			return VerdictFailed
		}
	}
	if worst == VerdictFailed && v.everyLoginWorks() {
		return VerdictDegraded
	}
	return worst
}

// found is a finding in the making.
type found struct {
	rule     Rule
	m        match
	silences []Code
	says     []string        // what consequences add to the cause
	results  []*probe.Result // all that it accounts for
}

func newFound(r Rule, m match) *found {
	return &found{rule: r, m: m, results: slices.Concat(m.affects, m.explains)}
}

// silence notes a consequence. That something would have been reported as
// unexplained is none.
func (f *found) silence(c Code) {
	if c != f.rule.Code && c != codeLoginFailed && c != codeProbeFailed && !slices.Contains(f.silences, c) {
		f.silences = append(f.silences, c)
	}
}

func (f *found) take(m match) { f.results = append(append(f.results, m.affects...), m.explains...) }

func (f *found) finding(v *view) Finding {
	out := Finding{
		Code: f.rule.Code, Severity: f.severity(v), Title: fill(f.rule.Title, named(f.m)),
		Cause: fill(f.rule.Cause, named(f.m)), Remedy: f.remedyFor(),
		Evidence: f.m.evidence, Silences: f.silences, Unheard: f.m.unheard,
	}
	for _, s := range f.says {
		out.Cause += " " + s + "."
	}
	out.Cause += v.awsSays(f)
	if len(f.m.affects) > 0 {
		if share := v.share(f.m); share != "" && !f.rule.Remark {
			out.Title += "; it fails " + share
		}
		if at := f.m.affects[0].Facts[probe.FactRefusedAt]; at != "" {
			out.Title += " (refused at " + at + ", not tried again since)"
		}
	}
	had := map[probe.ID]bool{}
	for _, r := range f.m.affects {
		if !had[r.ID] {
			had[r.ID], out.Affects = true, append(out.Affects, r.ID)
		}
		if since := v.since(r); out.Since.IsZero() || since.Before(out.Since) {
			out.Since = since
		}
	}
	return out
}

// failedLogins counts those that the finding accounts for, those among them that failed until they had their ticket.
func (f *found) failedLogins() int {
	failed := map[*probe.Result]bool{}
	for _, r := range f.results {
		fails := r.Outcome == probe.Failed || f.rule.Code == codeAuthTimeout && r.Facts[probe.FactHungUp] != ""
		if r.ID.Kind == probe.Login && fails && !f.rule.Remark {
			failed[r] = true
		}
	}
	return len(failed)
}

// keepsTickets reports whether the finding accounts for a login that failed before the database was its concern.
func (f *found) keepsTickets() bool {
	return f.m.noTicket || !f.rule.Remark && slices.ContainsFunc(f.results, func(r *probe.Result) bool {
		return r.ID.Kind == probe.Login && r.Outcome == probe.Failed && r.Facts[probe.FactFailedAt] != probe.AtDatabase
	})
}

// severity is the rule's, but what accounts for a broken or paused login is always an
// error, and an error beside logins that all work, or beside another way that
// works, is a warning.
func (f *found) severity(v *view) Severity {
	for _, r := range f.results {
		if !f.rule.Remark && decides(r) && (r.Outcome == probe.Failed || r.Outcome == probe.Skipped && r.Reason == probe.ReasonPaused) {
			return Error
		}
	}
	worst := cmp.Or(f.m.severity, f.rule.Severity)
	if worst == Error && (f.m.spare || v.everyLoginWorks()) {
		return Warning
	}
	return worst
}

// coveredBy returns the findings of deeper codes that together account for
// every result that the match would affect; nil when one is left over.
func coveredBy(m match, claimed map[*probe.Result][]int, found []*found, deeper map[Code]bool) []int {
	var by []int
	for _, r := range m.affects {
		covered := false
		for _, i := range claimed[r] {
			if deeper[found[i].rule.Code] {
				covered = true
				if !slices.Contains(by, i) {
					by = append(by, i)
				}
			}
		}
		if !covered {
			return nil
		}
	}
	return by
}

// claimedBy returns the part of a match that a finding accounts for: a login at one instance is no
// consequence of what is wrong with another.
func (m match) claimedBy(i int, claimed map[*probe.Result][]int) match {
	m.affects = slices.DeleteFunc(slices.Clone(m.affects), func(r *probe.Result) bool { return !slices.Contains(claimed[r], i) })
	return m
}

func claim(claimed map[*probe.Result][]int, m match, by ...int) {
	for _, r := range slices.Concat(m.affects, m.explains) {
		claimed[r] = append(claimed[r], by...)
	}
}

// closure is the set of codes that can be reached over DependsOn.
func closure(dependsOn map[Code][]Code, codes []Code) map[Code]bool {
	all := map[Code]bool{}
	for todo := slices.Clone(codes); len(todo) > 0; {
		c := todo[0]
		todo = todo[1:]
		if !all[c] {
			all[c] = true
			todo = append(todo, dependsOn[c]...)
		}
	}
	return all
}

func rank(s Severity) int { return slices.Index([]Severity{Error, Warning, Info}, s) }
