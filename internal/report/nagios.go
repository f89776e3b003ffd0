package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// Caps on the output in bytes: NRPE hands over 4 KiB of a plugin's by default. The
// perfdata have a third of it; a cause and a remedy, in runes, are worth a line each.
const (
	maxNagios = 4 << 10
	maxPerf   = maxNagios / 3
	maxCause  = 400
)

// Nagios writes the output of a nagios plugin: the headline and perfdata in
// one line, then one long line for each finding. The exit code is ExitCode.
//
//	KERBEROS OK - alice@CORP.EXAMPLE.COM logs in to orders | 'time'=0.142s …
func Nagios(w io.Writer, in Input) error {
	in = hidden(in)
	word := map[int]string{0: "OK", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}[ExitCode(in.Report.Verdict)]
	text := firstFinding(in.Report) + part("; ", in.Only)
	switch in.Report.Verdict {
	case diagnose.VerdictOK:
		text = covered(in)
	case diagnose.VerdictUnknown:
		text = unknown(slices.Concat(in.Results, in.aws)) + part("; ", in.Only)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "KERBEROS %s - %s | %s\n", word, nagiosText(clip(text, maxError/2)), perfdata(in))
	for i, f := range in.Report.Findings { // the worst first, as they stand
		line := fmt.Sprintf("%s %s: %s", f.Severity, f.Code, nagiosText(clip(f.Cause, maxCause)))
		if f.Remedy != "" {
			line += " Next: " + nagiosText(clip(oneLine(f.Remedy), maxCause))
		}
		if b.Len()+len(line) > maxNagios-60 {
			fmt.Fprintf(&b, "and %d more findings: kerbagent check\n", len(in.Report.Findings)-i)
			break
		}
		b.WriteString(line + "\n")
	}
	return flush(w, b.Bytes())
}

// NagiosUnknown writes the one line of a check that could not start (exit 3).
func NagiosUnknown(w io.Writer, why string) error {
	return flush(w, fmt.Appendf(nil, "KERBEROS UNKNOWN - %s\n", nagiosText(clip(why, maxError))))
}

// perfdata returns times, the worst clock skew of each KDC, and what is left
// until something expires.
// A probe that failed has the value U, undetermined.
func perfdata(in Input) string {
	var b strings.Builder
	put := func(label, value string) {
		item := fmt.Sprintf("'%s'=%s", perfLabel(label), value)
		if b.Len()+len(item) < maxPerf {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(item)
		}
	}
	failed := 0
	for _, r := range in.Results {
		if r.Outcome == probe.Failed {
			failed++
		}
	}
	put("time", number(in.Elapsed.Seconds())+"s;;;0")
	put("probes", fmt.Sprintf("%d;;;0", len(in.Results)))
	put("probes_failed", fmt.Sprintf("%d;;;0", failed))
	skews := map[string]float64{}
	for _, r := range sorted(in.Results) {
		label := strings.ReplaceAll(r.ID.String(), "/", " ")
		switch {
		case r.Outcome == probe.Skipped:
			continue
		case r.ID.Kind == probe.DNS || r.ID.Variant != "":
			// Too many for perfdata; the metrics have them.
		case r.Outcome == probe.Failed:
			put(label, "U")
		default:
			put(label, number(r.Duration.Seconds())+"s;;;0")
		}
		if v, ok := r.Samples[probe.SampleSkew]; ok && r.ID.Kind == probe.KDC && math.Abs(v) >= math.Abs(skews[r.ID.Target]) {
			skews[r.ID.Target] = v
		}
		for _, end := range []struct {
			name   string
			sample probe.Sample
		}{{"password_expiry", probe.SamplePasswordExpiry}, {"certificate_expiry", probe.SampleCertExpiry}} {
			if v, ok := r.Samples[end.sample]; ok {
				put(end.name+" "+label, number(math.Round(v-float64(in.Started.Unix())))+"s")
			}
		}
	}
	for _, kdc := range slices.Sorted(maps.Keys(skews)) {
		put("skew "+kdc, number(skews[kdc])+"s")
	}
	return b.String()
}

func number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "U"
	}
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

func flush(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// oneLine puts a remedy's commands behind each other, and keeps them apart.
func oneLine(remedy string) string {
	var b strings.Builder
	for line := range strings.Lines(remedy) {
		if said := b.String(); said != "" {
			if !strings.HasSuffix(said, ":") && !strings.HasSuffix(said, ".") {
				b.WriteString(";")
			}
			b.WriteString(" ")
		}
		b.WriteString(strings.Join(strings.Fields(line), " "))
	}
	return b.String()
}
