package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// apart keeps what AWS reports from what probes saw: no packet was sent for it.
func apart(in Input) Input {
	isAWS := func(r probe.Result) bool { return r.ID.Kind == probe.AWS }
	if !slices.ContainsFunc(in.Results, isAWS) {
		return in
	}
	out := in
	out.Results = nil
	for _, r := range in.Results {
		switch {
		case !isAWS(r):
			out.Results = append(out.Results, r)
		case r.Facts[probe.FactRegion] != "" || r.Outcome == probe.Skipped: // else of the reading as a whole
			out.aws = append(out.aws, r)
		}
	}
	return out
}

// regionJSON is what AWS reports in one Region.
type regionJSON struct {
	Region  string       `json:"region"`
	Read    string       `json:"read"`
	Error   string       `json:"error"` // why nothing was read
	NotSeen string       `json:"not_seen"`
	Reports []reportJSON `json:"reports"`
}

type reportJSON struct {
	What     string            `json:"what"`
	Name     string            `json:"name"`
	Evidence map[string]string `json:"evidence"` // as AWS said it
}

// awsJSON returns what AWS reports, by Region.
func awsJSON(results []probe.Result) (out []regionJSON) {
	for _, r := range results {
		if r.ID.Variant == "" {
			out = append(out, regionJSON{Region: validUTF8(r.Facts[probe.FactRegion]), Read: stamp(r.Started),
				Error: validUTF8(errorText(r.Err)), NotSeen: validUTF8(clip(r.Facts[probe.FactNotSeen], maxError)), Reports: []reportJSON{}})
			continue
		}
		if len(out) == 0 {
			continue
		}
		one := reportJSON{What: r.ID.Variant, Name: validUTF8(r.ID.Target), Evidence: map[string]string{}}
		for k, v := range r.Facts {
			if k != probe.FactRegion {
				one.Evidence[string(k)] = validUTF8(clip(v, maxFact))
			}
		}
		last := &out[len(out)-1]
		last.Reports = append(last.Reports, one)
	}
	return out
}

// AWSLine is what AWS reports of one thing: its name, and what there is to say of it.
func AWSLine(r probe.Result) (name, text string) {
	f := r.Facts
	var parts []string
	add := func(format string, fact probe.Fact) {
		if f[fact] != "" {
			parts = append(parts, fmt.Sprintf(format, f[fact]))
		}
	}
	switch r.ID.Variant {
	case probe.AWSCluster:
		add("%s", probe.FactState)
		if f[probe.FactMembership] == "" {
			parts = append(parts, "joined to no directory")
		} else {
			parts = append(parts, "in "+f[probe.FactDirectory]+": "+f[probe.FactMembership])
		}
		return "cluster " + f[probe.FactCluster], strings.Join(parts, ", ")
	case probe.AWSInstance:
		add("%s", probe.FactDBRole)
		add("%s", probe.FactState)
		add("%s", probe.FactMembership)
		add("made %s", probe.FactCreated)
		add("restarted %s", probe.FactRestarted)
		add("reboot pending for %s", probe.FactPending)
		return "instance " + f[probe.FactInstance], strings.Join(parts, ", ")
	case probe.AWSDirectory:
		add("%s", probe.FactState)
		add("(%s)", probe.FactStateWhy)
		add("domain controllers: %s", probe.FactControllers)
		return "directory " + r.ID.Target, strings.Join(parts, ", ")
	}
	text = f[probe.FactGroups]
	switch f[probe.FactState] {
	case probe.WayAdmitted:
		text += " admit " + f[probe.FactFrom]
	case probe.WayRefused:
		text += " do not admit " + f[probe.FactFrom] + " to " + f[probe.FactLacks]
	default:
		text += ": cannot tell, " + f[probe.FactStateWhy]
	}
	return "groups of " + r.ID.Target, text
}

// aws writes what AWS reports, Region by Region.
func (p *page) aws(results []probe.Result) {
	width := 0
	for _, r := range results {
		if name, _ := AWSLine(r); r.ID.Variant != "" {
			width = max(width, columnsOf(Terminal(name)))
		}
	}
	width = min(width, 40)
	for _, r := range results {
		if r.ID.Variant == "" {
			p.line("")
			p.line(p.bold("AWS's own view") + p.dim(Terminal(fmt.Sprintf("  %s, read %s ago; no packet was sent for it", r.ID.Target,
				ago(max(0, p.end.Sub(r.Started).Round(time.Second)))))))
			if r.Err != nil {
				p.field("not read", errorText(r.Err))
			}
			p.field("not seen", r.Facts[probe.FactNotSeen])
			continue
		}
		name, text := AWSLine(r)
		for i, l := range wrap(Terminal(clip(text, maxFact)), p.width-width-4) {
			head := ""
			if i == 0 {
				head = shorten(Terminal(name), width)
			}
			p.line("  " + pad(head, width) + "  " + l)
		}
	}
}
