package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

func newKrb5ConfLint(s streams, o *krb5confOptions) *cobra.Command {
	var out output
	c := &cobra.Command{
		Use:   "lint",
		Short: "Report what is wrong with the file, line by line",
		Long: `lint checks krb5.conf, and the credential cache of the user who runs it. It asks no
server. Without kerbagent.yaml it reports what the file alone shows. With one, it
also reports whether every configured login gets what it needs.

EXIT STATUS
  0  nothing is wrong (notes do not count)
  1  warnings
  2  errors
  3  nothing could be checked: usage, configuration`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			f, _, err := o.find(s)
			if err != nil {
				return out.unknown(s, err)
			}
			started := time.Now()
			results, err := f.Lint(c.Context(), time.Now)
			if err != nil {
				return out.unknown(s, err)
			}
			in := report.Input{Results: results, Started: started, Elapsed: time.Since(started),
				Report: diagnose.Explain(diagnose.Snapshot{Results: results, Now: started})}
			if out == "json" {
				return out.print(s.out, in)
			}
			inOrder(in)
			text := linted(f.Main(), in.Report)
			if out == "nagios" {
				text = lintedNagios(f.Main(), in)
			}
			if _, err := fmt.Fprint(s.out, text); err != nil {
				return fmt.Errorf("writing the report: %w", err)
			}
			if code := report.ExitCode(in.Report.Verdict); code != 0 {
				return exitError(code)
			}
			return nil
		},
	}
	out.register(c)
	return c
}

// inOrder sorts findings of one severity by line, as the results are.
func inOrder(in report.Input) {
	at := func(f diagnose.Finding) int {
		return slices.IndexFunc(in.Results, func(r probe.Result) bool { return slices.Contains(f.Affects, r.ID) })
	}
	worst := []diagnose.Severity{diagnose.Error, diagnose.Warning, diagnose.Info}
	slices.SortStableFunc(in.Report.Findings, func(a, b diagnose.Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(worst, a.Severity), slices.Index(worst, b.Severity)), cmp.Compare(at(a), at(b)))
	})
}

// linted prints findings as compilers do, so that editors can jump to them.
func linted(path string, r diagnose.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		place := f.Evidence[string(probe.FactPlace)]
		fmt.Fprintf(&b, "%s: %s: %s\n", report.Terminal(place), f.Severity, f.Code)
		if line := f.Evidence[string(probe.FactLine)]; line != "" {
			b.WriteString("  | " + report.Terminal(line) + "\n")
		}
		cause, fix := f.Evidence[string(probe.FactCause)], f.Evidence[string(probe.FactFix)]
		if cause == "" { // not of the file
			cause, fix = f.Cause, f.Remedy
		}
		put(&b, "  ", lines(cause))
		put(&b, "  ", "→ "+lines(fix))
	}
	b.WriteString(report.Terminal(path) + ": " + counted(r) + "\n")
	if len(r.Findings) > 0 {
		b.WriteString("Run `kerbagent explain CODE` for details.\n")
	}
	return b.String()
}

// lines escapes a text, but for the line ends of a remedy.
func lines(s string) string {
	parts := strings.Split(s, "\n")
	for i := range parts {
		parts[i] = report.Terminal(parts[i])
	}
	return strings.Join(parts, "\n")
}

// counted reports how many findings there are of each severity.
func counted(r diagnose.Report) string {
	n := map[diagnose.Severity]int{}
	for _, f := range r.Findings {
		n[f.Severity]++
	}
	var parts []string
	for _, s := range []struct {
		severity diagnose.Severity
		word     string
	}{{diagnose.Error, "error"}, {diagnose.Warning, "warning"}, {diagnose.Info, "note"}} {
		switch n[s.severity] {
		case 0:
		case 1:
			parts = append(parts, "1 "+s.word)
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n[s.severity], s.word))
		}
	}
	if parts == nil {
		return "nothing is wrong"
	}
	return strings.Join(parts, ", ")
}

// lintedNagios prints findings as a nagios plugin does. | begins the perfdata,
// so none may stand in the text.
func lintedNagios(path string, in report.Input) string {
	word := []string{"OK", "WARNING", "CRITICAL"}[report.ExitCode(in.Report.Verdict)]
	text := func(s string) string { return strings.ReplaceAll(report.Terminal(s), "|", `\x7c`) }
	var b strings.Builder
	fmt.Fprintf(&b, "KRB5CONF %s - %s: %s | 'time'=%.6fs;;;0 'findings'=%d;;;0\n", word, text(path), counted(in.Report),
		in.Elapsed.Seconds(), len(in.Report.Findings))
	for _, f := range in.Report.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Severity, f.Code, text(f.Cause))
	}
	return b.String()
}
