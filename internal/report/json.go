package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

//go:embed schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of what JSON writes.
func Schema() []byte { return []byte(schema) }

// The object of `-o json` and /api/v1/report. Its names are stable.
type object struct {
	Schema   int           `json:"schema"`
	Verdict  string        `json:"verdict"`
	Started  string        `json:"started"`
	Seconds  float64       `json:"seconds"`
	Only     []probe.Kind  `json:"only,omitempty"`
	Findings []findingJSON `json:"findings"`
	Results  []resultJSON  `json:"results"`
	AWS      []regionJSON  `json:"aws,omitempty"`
}

type findingJSON struct {
	Code     string            `json:"code"`
	Severity string            `json:"severity"`
	Title    string            `json:"title"`
	Cause    string            `json:"cause"`
	Remedy   string            `json:"remedy"`
	Affects  []string          `json:"affects"`
	Evidence map[string]string `json:"evidence"`
	Silences []string          `json:"silences"`
	Since    string            `json:"since,omitempty"`
	Failing  string            `json:"failing_since,omitempty"`
	LastGood string            `json:"last_good,omitempty"`
	Changed  []string          `json:"changed,omitempty"`
}

type resultJSON struct {
	ID        string         `json:"id"`
	Probe     string         `json:"probe"`
	Target    string         `json:"target"`
	Address   string         `json:"address"`
	Instance  string         `json:"db_instance,omitempty"`
	Transport string         `json:"transport"`
	Family    string         `json:"family"`
	Outcome   string         `json:"outcome"`
	Reason    string         `json:"reason"`
	Seconds   float64        `json:"seconds"`
	Error     string         `json:"error"`
	Stages    []stageJSON    `json:"stages"`
	Evidence  map[string]any `json:"evidence"` // facts are strings, samples numbers
}

type stageJSON struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
}

// JSON writes the report as one object, with a line end after it. It is valid
// UTF-8, and harmless to a terminal that it is shown on.
func JSON(w io.Writer, in Input) error {
	in = hidden(in)
	o := object{
		Schema: 1, Verdict: string(in.Report.Verdict), Started: stamp(in.Started), Seconds: seconds(in.Elapsed), Only: in.Only,
		Findings: []findingJSON{}, Results: []resultJSON{},
	}
	for _, f := range in.Report.Findings {
		finding, past := findingOf(f), in.past(f)
		finding.Failing, finding.LastGood, finding.Changed = stamp(past.Since), stamp(past.LastGood), past.Changed
		o.Findings = append(o.Findings, finding)
	}
	for _, r := range sorted(in.Results) {
		o.Results = append(o.Results, resultOf(r))
	}
	o.AWS = awsJSON(in.aws)
	b, err := encode(o, "  ")
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// Result is one result as an object of the report's results[], in one line.
// Where hide is set, the names of users are replaced as a Hider does it.
func Result(r probe.Result, hide bool, users []string) (json.RawMessage, error) {
	if hide {
		r = NewHider(users, r).Result(r)
	}
	b, err := encode(resultOf(r), "")
	if err != nil {
		return nil, fmt.Errorf("encoding result: %w", err)
	}
	return bytes.TrimSuffix(b, []byte("\n")), nil
}

// encode makes JSON that is harmless to a terminal, with a line end after it.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return asciiControls(b.Bytes()), nil
}

func findingOf(f diagnose.Finding) findingJSON {
	out := findingJSON{
		Code: string(f.Code), Severity: string(f.Severity), Title: validUTF8(f.Title), Cause: validUTF8(f.Cause), Remedy: validUTF8(f.Remedy),
		Affects: []string{}, Evidence: map[string]string{}, Silences: []string{}, Since: stamp(f.Since),
	}
	for _, id := range f.Affects {
		out.Affects = append(out.Affects, validUTF8(id.String()))
	}
	for k, v := range f.Evidence {
		out.Evidence[validUTF8(k)] = validUTF8(clip(v, maxFact))
	}
	for _, c := range f.Silences {
		out.Silences = append(out.Silences, string(c))
	}
	return out
}

func resultOf(r probe.Result) resultJSON {
	out := resultJSON{
		ID: validUTF8(r.ID.String()), Probe: string(r.ID.Kind), Target: validUTF8(r.ID.Target),
		Instance: validUTF8(r.Facts[probe.FactInstance]), Transport: string(r.ID.Transport), Family: r.ID.Family(),
		Outcome: string(r.Outcome), Reason: string(r.Reason),
		Seconds: seconds(r.Duration), Error: validUTF8(errorText(r.Err)), Stages: []stageJSON{}, Evidence: map[string]any{},
	}
	if r.ID.Address.IsValid() {
		out.Address = r.ID.Address.String()
	}
	for _, s := range r.Stages {
		out.Stages = append(out.Stages, stageJSON{s.Name, seconds(s.Duration), validUTF8(errorText(s.Err))})
	}
	for k, v := range r.Facts {
		out.Evidence[string(k)] = validUTF8(clip(v, maxFact))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Samples)) {
		if v := r.Samples[k]; !math.IsNaN(v) && !math.IsInf(v, 0) { // JSON has neither
			out.Evidence[string(k)] = v
		}
	}
	return out
}

// stamp is RFC 3339 in UTC to the millisecond; empty for no time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// seconds rounds to the microsecond: what is below is noise.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Second)
}
