package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// Options of Human.
type Options struct {
	Color bool // escape sequences for colour; nothing else in the output needs a terminal
	Width int  // columns; 0 for 100, which is also the most: longer lines are hard to read
}

const maxWidth, minWidth = 100, 60

// Human writes the report for a person: the verdict, the first finding in
// full, the others short, then the ladder rung by rung, what was not asked,
// and the verdict again unless it is ok.
func Human(w io.Writer, in Input, o Options) error {
	in = hidden(in)
	if o.Width <= 0 || o.Width > maxWidth {
		o.Width = maxWidth
	}
	p := &page{width: max(o.Width, minWidth), color: o.Color, end: in.Started.Add(in.Elapsed)}
	p.verdict(in)
	for i, f := range in.Report.Findings {
		if i == maxFurther {
			p.counted(in.Report.Findings[i:])
			break
		}
		if i == 0 && named(in.Report.Verdict) {
			p.finding(f, in.past(f))
		} else {
			p.further(f, in.past(f))
		}
	}
	shown := sorted(in.Results)
	if len(shown) > maxResults {
		shown = slices.DeleteFunc(shown, func(r probe.Result) bool { return r.Outcome == probe.OK })
		shown = shown[:min(len(shown), maxBroken)]
		p.line("")
		p.line(fmt.Sprintf("%d probes; the first %d that are not ok are shown, kerbagent check -o json has all.", len(in.Results), len(shown)))
	}
	p.ladder(shown)
	if len(in.Results) <= maxResults {
		p.notAsked(shown)
	}
	p.aws(in.aws)
	if left := omitted(in.Only); len(left) > 0 {
		p.line("")
		p.line("Not checked, because of --only: " + join(left))
	}
	p.line("")
	p.line(p.dim(fmt.Sprintf("%d probes in %s, begun %s.", len(in.Results), span(in.Elapsed),
		in.Started.UTC().Format("2006-01-02 15:04:05 UTC"))))
	if in.Report.Verdict != diagnose.VerdictOK {
		p.verdict(in) // once more, where the eye is when the text has scrolled by
	}
	return flush(w, p.b.Bytes())
}

// Beyond these a report is a summary: of findings, of results that are all
// shown, and of broken ones where not all are.
const (
	maxFurther = 20
	maxResults = 1000
	maxBroken  = 60
)

// counted reports how many findings of each code are not shown.
func (p *page) counted(findings []diagnose.Finding) {
	counts := map[diagnose.Code]int{}
	for _, f := range findings {
		counts[f.Code]++
	}
	var words []string
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s (%d)", code, counts[code]))
	}
	p.line("")
	for _, l := range wrap(fmt.Sprintf("%d more findings: %s", len(findings), strings.Join(words, ", ")), p.width) {
		p.line(l)
	}
}

// named reports whether the headline names the first finding.
func named(v diagnose.Verdict) bool {
	return v == diagnose.VerdictFailed || v == diagnose.VerdictDegraded
}

// page is the output while it is made.
type page struct {
	b     bytes.Buffer
	width int
	color bool
	end   time.Time
}

func (p *page) line(s string) { p.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// The colours mean one thing each: bad, careful, good, secondary.
func (p *page) red(s string) string    { return p.paint("1;31", s) }
func (p *page) yellow(s string) string { return p.paint("33", s) }
func (p *page) green(s string) string  { return p.paint("32", s) }
func (p *page) dim(s string) string    { return p.paint("2", s) }
func (p *page) bold(s string) string   { return p.paint("1", s) }

func (p *page) paint(code, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) verdict(in Input) {
	for _, l := range wrap(headline(in), p.width) {
		p.line(p.colorOf(in.Report.Verdict)(l))
	}
}

func (p *page) colorOf(v diagnose.Verdict) func(string) string {
	switch v {
	case diagnose.VerdictOK:
		return p.green
	case diagnose.VerdictDegraded, diagnose.VerdictUnknown:
		return p.yellow
	}
	return p.red
}

func (p *page) severity(s diagnose.Severity) string {
	switch s {
	case diagnose.Error:
		return p.red(string(s))
	case diagnose.Warning:
		return p.yellow(string(s))
	}
	return string(s)
}

// finding writes the root cause in full.
func (p *page) finding(f diagnose.Finding, past Past) {
	p.line("")
	p.field("why", f.Cause)
	p.field("where", places(f.Affects, 4))
	switch {
	case !past.Since.IsZero():
		p.field("history", past.text(p.end))
	case !f.Since.IsZero():
		since := f.Since.UTC().Format("2006-01-02 15:04:05 UTC")
		if d := p.end.Sub(f.Since); d >= time.Second {
			since += ", " + ago(d) + " ago"
		}
		p.field("since", since)
	}
	for i, k := range slices.Sorted(maps.Keys(f.Evidence)) {
		label := ""
		if i == 0 {
			label = "seen"
		}
		p.field(label, Terminal(k)+": "+f.Evidence[k])
	}
	if len(f.Silences) > 0 {
		p.field("leads to", join(f.Silences))
	}
	p.remedy("do this", f.Remedy)
	p.field("more", "kerbagent explain "+string(f.Code))
}

// further writes a finding that is not the first.
func (p *page) further(f diagnose.Finding, past Past) {
	p.line("")
	head := fmt.Sprintf("%s: %s — %s", f.Severity, f.Code, Terminal(clip(f.Title, maxTitle)))
	for i, l := range wrap(head, p.width) {
		if i == 0 {
			l = p.severity(f.Severity) + strings.TrimPrefix(l, string(f.Severity))
		}
		p.line(l)
	}
	p.field("why", f.Cause)
	p.field("where", places(f.Affects, 2))
	if !past.Since.IsZero() {
		p.field("history", past.text(p.end))
	}
	p.remedy("do this", f.Remedy)
}

const labelWidth = 10

// field writes a label and a text beside it, wrapped. The text may be a peer's.
func (p *page) field(label, text string) {
	if text == "" {
		return
	}
	for i, l := range wrap(Terminal(clip(text, maxError)), p.width-labelWidth-2) {
		if i > 0 {
			label = ""
		}
		p.line("  " + p.dim(fmt.Sprintf("%-*s", labelWidth, label)) + l)
	}
}

// remedy keeps the lines of a remedy, since some are to be typed: an indented
// line is a command, and is not wrapped.
func (p *page) remedy(label, text string) {
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if l == "" {
			continue
		}
		if command := strings.TrimLeft(l, " \t"); command != l {
			p.line("  " + fmt.Sprintf("%-*s", labelWidth, "") + "  " + p.bold(Terminal(command)))
			continue
		}
		p.field(label, l)
		label = " "
	}
}

// places lists what a finding affects, the first few of them.
func places(ids []probe.ID, most int) string {
	var out []string
	for i, id := range ids {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(ids)-most))
			break
		}
		out = append(out, id.String())
	}
	return strings.Join(out, ", ")
}

func join[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return strings.Join(out, ", ")
}

// wrap breaks a text between words into lines of at most width columns. A word
// longer than that is broken too.
func wrap(s string, width int) []string {
	var out []string
	line, n := "", 0
	for _, word := range strings.Fields(s) {
		runes := []rune(word)
		if n > 0 && n+1+len(runes) > width {
			out = append(out, line)
			line, n = "", 0
		}
		for len(runes) > width {
			out = append(out, string(runes[:width]))
			runes = runes[width:]
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+string(runes), n+len(runes)
	}
	if n > 0 {
		out = append(out, line)
	}
	return out
}

// span prints a duration with two digits that matter.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}

// ago is a span as people say it.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
