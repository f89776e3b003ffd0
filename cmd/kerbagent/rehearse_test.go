package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// rehearsed is the part of the JSON report that these tests look at.
type rehearsed struct {
	Verdict  string
	Findings []struct{ Code, Severity, Remedy string }
	Results  []result
}

type result struct {
	Probe, Outcome, Reason string
	Evidence               map[string]any
}

// rehearse runs the command and returns its report and exit code.
func rehearse(t *testing.T, args ...string) (rehearsed, int) {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(context.Background(), append([]string{"rehearse", "-o", "json"}, args...), os.Stdin, &out, &errOut)
	var r rehearsed
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\nstdout: %s\nstderr: %s", err, out.Bytes(), errOut.Bytes())
	}
	return r, code
}

// Every fault that can be played is found, first and alone.
func TestEveryFaultIsFound(t *testing.T) {
	for _, f := range rehearsal.Catalogue() {
		t.Run(string(f.Code), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			r, exit := rehearse(t, "--fault", string(f.Code))
			if len(r.Findings) == 0 || r.Findings[0].Code != string(f.Code) {
				t.Fatalf("verdict %s, findings %+v; want %s first", r.Verdict, r.Findings, f.Code)
			}
			if r.Findings[0].Remedy == "" {
				t.Error("no remedy")
			}
			for _, other := range r.Findings[1:] {
				if other.Severity == string(diagnose.Error) {
					t.Errorf("%s stands beside it as an error", other.Code)
				}
			}
			want := map[string]int{"ok": 0, "degraded": 1, "failed": 2}[r.Verdict]
			if exit != want {
				t.Errorf("exit %d with verdict %s", exit, r.Verdict)
			}
			broken := slices.ContainsFunc(r.Results, func(x result) bool { return x.Probe == "login" && x.Outcome == "failed" })
			if broken && r.Verdict != "failed" {
				t.Errorf("a login failed, and the verdict is %s", r.Verdict)
			}
		})
	}
}

// The catalogue of findings and the rehearsal know each other: what is played
// has a rule, and what codes.md marks R is played.
func TestWhatIsPlayedHasARule(t *testing.T) {
	for _, f := range rehearsal.Catalogue() {
		if _, ok := diagnose.Lookup(f.Code); !ok {
			t.Errorf("%s is played and has no rule", f.Code)
		}
	}
}

func TestHealthyWorldHasNoFinding(t *testing.T) {
	for range 20 {
		r, exit := rehearse(t)
		if r.Verdict != "ok" || len(r.Findings) > 0 || exit != 0 {
			t.Fatalf("exit %d, verdict %s, findings %+v", exit, r.Verdict, r.Findings)
		}
		users := 0
		for _, x := range r.Results {
			if x.Outcome == "failed" {
				t.Errorf("%s failed: %s", x.Probe, x.Reason)
			}
			if x.Probe == "login" && x.Evidence["current_user()"] != nil {
				users++
			}
		}
		if users != 3 {
			t.Errorf("%d logins say who they are, want 3", users)
		}
	}
}
