package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

// application is what an audit saw of a program.
func application(name string, end time.Time, facts probe.Facts) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.Application, Target: name}, Outcome: probe.OK, Facts: probe.Facts{probe.FactApplication: name}}
	for k, v := range facts {
		r.Facts[k] = v
	}
	if !end.IsZero() {
		r.Samples = probe.Samples{probe.SampleTicketEnd: float64(end.Unix())}
	}
	return r
}

// The page has a row for each application, the broken ones first: what its next
// login uses, when its ticket ends, and each finding with its cause.
func TestApplicationsOnThePage(t *testing.T) {
	now := time.Now()
	absent := application("idle.service", time.Time{}, nil)
	absent.Outcome, absent.Err = probe.Skipped, errors.New("it is not running")
	broken := application("orders.service", now.Add(-time.Minute), probe.Facts{probe.FactCache: "/run/orders/<b>cc", probe.FactUser: "alice@CORP.EXAMPLE.COM"})
	issue := broken.ID
	issue.Variant = "app-ccache-expired"
	s := after([]probe.Result{absent, application("fine.service", now.Add(3*time.Hour+time.Minute), nil), broken, {ID: issue, Outcome: probe.Failed, Facts: broken.Facts},
		{ID: probe.ID{Kind: probe.Application, Target: "report"}, Outcome: probe.OK}})
	s.Report = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{{Code: "app-ccache-expired", Severity: diagnose.Error,
		Title: "title", Cause: "The ticket ended.", Affects: []probe.ID{issue}}}}
	page := pageOf(t, s)
	html := part(t, page, "application")
	got := texts(html)
	at := -1
	for _, want := range []string{"Applications their next login FAILED", "orders.service FAILED ticket ended", "ago", "app-ccache-expired The ticket ended.",
		"logs in as alice@CORP.EXAMPLE.COM", "credential cache /run/orders/<b>cc", "idle.service not running", "fine.service ok ticket ends", "in 3 h"} {
		i := strings.Index(got, want)
		if i <= at {
			t.Errorf("%q is not there, or not in its place:\n%s", want, got)
		}
		at = i
	}
	if strings.Contains(html, "<b>") {
		t.Error("a path is markup")
	}
	if strings.Contains(got, "report") {
		t.Error("the report itself has a row")
	}
	s.HideUsers = true
	_, page = get(t, web.Handler(&source{state: s}, web.Options{}), "/")
	if strings.Contains(page, "alice") {
		t.Error("a user's name is shown")
	}
	if code, page := get(t, web.Handler(&source{state: after(nil)}, web.Options{}), "/"); code != http.StatusOK || strings.Contains(page, `data-part="application"`) {
		t.Error("there is a part although nothing was audited")
	}
}

// An audit sends nothing: that it went well does not say that this host can send.
func TestAnAuditIsNoSignOfANetwork(t *testing.T) {
	s := rehearse(t, "host-offline")
	s.Entries = append(s.Entries, after([]probe.Result{application("fine.service", time.Time{}, nil)}).Entries...)
	if got := stations(t, pageOf(t, s)); !strings.HasPrefix(got, "This=failed*") {
		t.Errorf("the path is %s", got)
	}
}
