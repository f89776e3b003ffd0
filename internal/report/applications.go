package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// Applications writes what an audit saw for a person: the verdict, then each
// application, the worst first, with what its next login uses and what is
// wrong with it. unread is what could not be looked at.
func Applications(w io.Writer, in Input, unread []string, o Options) error {
	in = hidden(in)
	if o.Width <= 0 || o.Width > maxWidth {
		o.Width = maxWidth
	}
	p := &page{width: max(o.Width, minWidth), color: o.Color, end: in.Started.Add(in.Elapsed)}
	for _, l := range wrap(ApplicationsHeadline(in), p.width) {
		p.line(p.colorOf(in.Report.Verdict)(l))
	}
	for _, r := range in.Results {
		if r.ID.Kind == probe.Application && r.ID.Variant == "" {
			p.application(r, in.Report)
		}
	}
	if len(unread) > 0 {
		p.line("")
		for i, u := range unread {
			label := ""
			if i == 0 {
				label = "not seen"
			}
			p.field(label, u)
		}
	}
	return flush(w, p.b.Bytes())
}

// ApplicationsHeadline is the verdict of an audit in one line.
func ApplicationsHeadline(in Input) string {
	var all, bad int
	for _, r := range in.Results {
		if r.ID.Kind != probe.Application || r.ID.Variant != "" || r.Outcome == probe.Skipped {
			continue
		}
		all++
		if len(about(r.ID, in.Report, diagnose.Error)) > 0 {
			bad++
		}
	}
	switch {
	case in.Report.Verdict == diagnose.VerdictOK:
		return fmt.Sprintf("ok: nothing was found that would stop the next login of %s", plural(all, "application"))
	case bad > 0:
		return fmt.Sprintf("FAILED: %s; the next login fails in %d of %s", firstFinding(in.Report), bad, plural(all, "application"))
	default:
		return fmt.Sprintf("DEGRADED: %s; %s looked at", firstFinding(in.Report), plural(all, "application"))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// about lists the findings of an application, of one severity or of all.
func about(id probe.ID, r diagnose.Report, only ...diagnose.Severity) []diagnose.Finding {
	var out []diagnose.Finding
	for _, f := range r.Findings {
		if len(only) > 0 && !slices.Contains(only, f.Severity) {
			continue
		}
		if slices.ContainsFunc(f.Affects, func(a probe.ID) bool { return a.Kind == id.Kind && a.Target == id.Target }) {
			out = append(out, f)
		}
	}
	return out
}

// application writes what one application will do, and what is wrong with it.
func (p *page) application(r probe.Result, report diagnose.Report) {
	f := r.Facts
	p.line("")
	if r.Outcome == probe.Skipped {
		p.line(p.bold(Terminal(clip(r.ID.Target, maxTitle))) + p.dim("  "+Terminal(r.Err.Error())))
		return
	}
	p.line(p.bold(Terminal(clip(r.ID.Target, maxTitle))) +
		p.dim(fmt.Sprintf("  process %s, user %s", Terminal(clip(f[probe.FactPIDs], maxTitle)), f[probe.FactUID])))
	p.field("client", f[probe.FactClient])
	if f[probe.FactReader] != "" {
		p.field("reads", cmp.Or(f[probe.FactKrb5Conf], "no krb5.conf")+" as "+f[probe.FactReader])
	}
	if f[probe.FactDatabase] != "" {
		p.field("database", strings.TrimSuffix(f[probe.FactDatabase]+", in realm "+f[probe.FactRealm], ", in realm "))
	}
	p.field("ticket", ticketText(r))
	p.field("keytab", f[probe.FactKeytab])
	p.field("apart", f[probe.FactNamespaces])
	p.field("not seen", f[probe.FactUnread])
	for _, finding := range about(r.ID, report) {
		p.further(finding, Past{})
	}
}

func ticketText(r probe.Result) string {
	f := r.Facts
	if f[probe.FactCache] == "" {
		return ""
	}
	text := f[probe.FactCache]
	if f[probe.FactUser] != "" {
		text = f[probe.FactUser] + " in " + text
	}
	if end, ok := r.Samples[probe.SampleTicketEnd]; ok {
		text += ", ends " + time.Unix(int64(end), 0).UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if till := f[probe.FactRenewTill]; till != "" {
		text += ", can be renewed until " + till
	}
	return text
}
