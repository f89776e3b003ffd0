package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// fileResult is an issue of a file, and the result of the file as a whole.
func fileResult(code Code, severity Severity) []probe.Result {
	id := probe.ID{Kind: probe.Krb5Conf, Target: "/etc/krb5.conf"}
	whole := probe.Result{ID: id, Outcome: probe.OK, Started: testNow}
	issue := whole
	issue.ID.Variant = string(code) + ":3"
	issue.Facts = probe.Facts{probe.FactIssue: string(code), probe.FactSeverity: string(severity), probe.FactPlace: "/etc/krb5.conf:3:1",
		probe.FactCause: "It is $(reboot) so.", probe.FactFix: "Do $(reboot) that", probe.FactLine: "x = y"}
	if severity != Info {
		issue.Outcome, issue.Reason = probe.Failed, probe.Reason(code)
		whole.Outcome, whole.Reason = probe.Failed, probe.Reason(code)
	}
	return []probe.Result{whole, issue}
}

// Each issue of a file is one finding, and nothing else: as bad as the issue
// is, with its place and cause, and no word of the file in what is to be typed.
func TestFileIssuesAreFindings(t *testing.T) {
	for _, rule := range fileRules() {
		if rule.Code == "ticket-expiring" {
			continue
		}
		for _, severity := range []Severity{Warning, Info} {
			got := Explain(Snapshot{Results: fileResult(rule.Code, severity), Now: testNow})
			if len(got.Findings) != 1 || got.Findings[0].Code != rule.Code || got.Findings[0].Severity != severity {
				t.Fatalf("%s: %+v, want it as %s", rule.Code, got.Findings, severity)
			}
			f := got.Findings[0]
			if f.Cause != "/etc/krb5.conf:3:1: It is $(reboot) so. What to do: Do $(reboot) that." || strings.Contains(f.Remedy, "reboot") {
				t.Errorf("%s: cause %q, remedy %q", rule.Code, f.Cause, f.Remedy)
			}
			if want := map[Severity]Verdict{Warning: VerdictDegraded, Info: VerdictOK}[severity]; got.Verdict != want {
				t.Errorf("%s as %s: verdict %s", rule.Code, severity, got.Verdict)
			}
		}
	}
}

// An error in the file is one beside no login, and a warning beside logins that
// work: applications may have a way of their own.
func TestFileErrorBesideLogins(t *testing.T) {
	file := fileResult("krb5conf-missing", Error)
	if got := Explain(Snapshot{Results: file, Now: testNow}); got.Verdict != VerdictFailed {
		t.Errorf("alone: %s", got.Verdict)
	}
	if got := Explain(Snapshot{Results: append(file, loginResult("", "")), Now: testNow}); got.Verdict != VerdictDegraded {
		t.Errorf("beside a login that works: %s", got.Verdict)
	}
}

func TestTicketExpiring(t *testing.T) {
	for _, c := range []struct {
		name      string
		end, till time.Duration // from now; 0 for none
		want      bool
	}{
		{"fresh", 9 * time.Hour, 0, false},
		{"soon", 50 * time.Minute, 0, true},
		{"soon, but renewable", 50 * time.Minute, 24 * time.Hour, false},
		{"soon, and nearly no more renewable", 50 * time.Minute, 55 * time.Minute, true},
		{"ended: no renewal any more", -time.Minute, 24 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := fileResult("ticket-expiring", Info)[1]
			r.Facts[probe.FactUser] = "alice@R.TEST"
			r.Samples = probe.Samples{probe.SampleTicketEnd: float64(testNow.Add(c.end).Unix())}
			if c.till != 0 {
				r.Facts[probe.FactRenewTill] = testNow.Add(c.till).Format(time.RFC3339)
			}
			got := Explain(Snapshot{Results: []probe.Result{r}, Now: testNow})
			if (len(got.Findings) == 1) != c.want || got.Verdict != VerdictOK {
				t.Errorf("%+v", got)
			}
		})
	}
}
