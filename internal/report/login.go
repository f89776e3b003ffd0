package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/probe"
)

// login writes one user's login with its stages, each in a line.
func (p *page) login(r probe.Result) {
	user, database := loginNames(r)
	head := user
	if database != "" {
		head += " at " + database
	}
	if r.ID.Address.IsValid() {
		head += " (" + r.ID.Address.String() + ")"
	}
	outcome, paint := "ok "+span(r.Duration), p.green
	switch r.Outcome {
	case probe.Failed:
		outcome, paint = "FAILED "+string(r.Reason), p.red
	case probe.Skipped:
		outcome, paint = "not tried: "+string(r.Reason), p.yellow
		if r.Reason == probe.ReasonCanceled {
			outcome = "not finished"
		}
	}
	lines := wrap(Terminal(clip(head, 400))+"  ", p.width-4-columnsOf(outcome))
	for i, l := range lines {
		if i == len(lines)-1 {
			l += "  " + paint(outcome)
		}
		p.line("  " + l)
	}
	width := 0
	for _, s := range r.Stages {
		width = max(width, len(s.Name))
	}
	for _, s := range r.Stages {
		result := p.green("ok")
		if s.Err != nil {
			result = p.red("FAILED")
		}
		p.line(fmt.Sprintf("    %-*s  %8s  %s  %s", width, s.Name, span(s.Duration), p.dim(fmt.Sprintf("at %7s", span(s.Offset))), result))
	}
	if r.Outcome == probe.Failed && r.Err != nil {
		for _, l := range wrap(Terminal(clip(errorText(r.Err), 600)), p.width-6) {
			p.line("      " + l)
		}
	}
	p.proof(r)
}

// proof reports what shows that a login was a real one.
func (p *page) proof(r probe.Result) {
	var words []string
	for _, f := range []struct {
		fact  probe.Fact
		label string
	}{
		{probe.FactCurrentUser, "current_user()"}, {probe.FactSPN, "SPN"}, {probe.FactHops, "realms"}, {probe.FactKDC, "KDC"},
		{probe.FactTicketType, "ticket etype"}, {probe.FactTLSVersion, "over"},
	} {
		if v := r.Facts[f.fact]; v != "" {
			words = append(words, f.label+" "+v)
		}
	}
	if lag, ok := ladder.Lag(&r); ok {
		words = append(words, "replica lag "+span(lag))
	}
	for _, l := range wrap(Terminal(clip(strings.Join(words, ", "), 400)), p.width-6) {
		p.line("    " + p.dim(l))
	}
}

// notAsked reports what the verdict does not cover.
func (p *page) notAsked(results []probe.Result) {
	var out []string
	for _, kind := range []probe.Kind{probe.Database, probe.Login} {
		if !slices.ContainsFunc(results, func(r probe.Result) bool { return r.ID.Kind == kind }) {
			if kind == probe.Login {
				out = append(out, "login: no user was given")
			} else if !slices.ContainsFunc(results, func(r probe.Result) bool { return r.ID.Kind == probe.Login }) {
				out = append(out, "database: none was given")
			}
		}
	}
	out = append(out, skippedTexts(results)...)
	if len(out) == 0 {
		return
	}
	p.line("")
	p.line(p.bold("Not asked"))
	for _, text := range out {
		for i, l := range wrap(Terminal(clip(text, maxError)), p.width-6) {
			indent := "  "
			if i > 0 {
				indent = "    "
			}
			p.line(indent + l)
		}
	}
}

// skippedTexts returns one text for all that was not asked for one reason.
func skippedTexts(results []probe.Result) []string {
	var whys []string
	ids := map[string][]probe.ID{}
	for _, r := range results {
		if r.Outcome != probe.Skipped {
			continue
		}
		why := string(r.Reason)
		if r.Err != nil {
			why = errorText(r.Err) // says more than the word
		}
		if ids[why] == nil {
			whys = append(whys, why)
		}
		ids[why] = append(ids[why], r.ID)
	}
	for i, why := range whys {
		most := 2
		if strings.HasPrefix(why, "not finished") { // the run was cut short: each is named
			most = 20
		}
		whys[i] = places(ids[why], most) + ": " + why
	}
	return whys
}
