package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// rehearsed is the part of the JSON report that these tests look at.
type rehearsed struct {
	Verdict  string
	Findings []rehearsedFinding
	Results  []result
}

type rehearsedFinding struct{ Code, Severity, Title, Cause, Remedy string }

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

// unfilled is a template's value that was not known, or was empty.
var unfilled = regexp.MustCompile(`<[a-z0-9]+>|  `)

// plainWords returns the words of a text that are no names, numbers or times.
func plainWords(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		if w = strings.Trim(w, ".,:;()\""); regexp.MustCompile(`^[A-Za-z'-]+$`).MatchString(w) && !strings.Contains(w, "rehearsal") {
			out[w] = true
		}
	}
	return out
}

// likeItsExample holds what is played against what the documentation shows as an example.
func likeItsExample(code diagnose.Code, title, cause string) string {
	rule, _ := diagnose.Lookup(code)
	exampleTitle, exampleCause := rule.Example()
	if code == "clock-skew" { // what is played has the view of the database too
		cause = strings.Replace(cause, "; the login took the KDCs' time, and database orders refuses the ticket: the KDCs' clocks may be the wrong ones", "", 1)
	}
	if got, want := plainWords(title+" "+cause), plainWords(exampleTitle+" "+exampleCause); !maps.Equal(got, want) {
		return fmt.Sprintf("the example in the documentation has other words:\nplayed  %s | %s\nexample %s | %s", title, cause, exampleTitle, exampleCause)
	}
	return ""
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
			if text := r.Findings[0].Title + " " + r.Findings[0].Cause; unfilled.MatchString(text) {
				t.Errorf("a value is missing: %s", text)
			}
			differs := likeItsExample(f.Code, r.Findings[0].Title, r.Findings[0].Cause)
			for tries := 2; differs != "" && tries > 0; tries-- { // on a busy machine a probe may be late, and more is seen
				if again, _ := rehearse(t, "--fault", string(f.Code)); len(again.Findings) > 0 {
					differs = likeItsExample(f.Code, again.Findings[0].Title, again.Findings[0].Cause)
				}
			}
			if differs != "" {
				t.Error(differs)
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
