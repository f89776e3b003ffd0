package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// What root's one-shot saw of the applications becomes findings, and ends with
// its next report; a report that is missing is said to be.
func TestRunReadsTheAudit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("LEFT OUT: needs root, whose report alone is read")
	}
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	file := filepath.Join(t.TempDir(), "report.json")
	r := startIn(t, w, filepath.Join(t.TempDir(), "state"), func(o *Options, cfg *config.Config) {
		o.AuditReport = file
		cfg.Applications = []config.Application{{Unit: "orders.service", Database: cfg.Databases[0].Name}}
	})
	r.until("no report", r.has("app-report-stale"))
	has := func(series string) func() bool {
		return func() bool { return strings.Contains(r.get("/metrics"), series) }
	}
	if has("kerbagent_application_ok{")() {
		t.Error("nobody has looked, and there is a series")
	}
	app := audit.Application{Name: "orders.service", PIDs: []int{1}, Facts: audit.Facts{UID: "1001"},
		Issues: []audit.Issue{{Code: "app-ccache-expired", Severity: audit.Error, Place: "/run/cc", Cause: "It ended.", Fix: "renew it"}}}
	if err := audit.WriteReport(file, audit.Report{Applications: []audit.Application{app}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.until("the ticket has ended", r.has("app-ccache-expired"))
	if r.has("app-report-stale")() {
		t.Error("there is a report, and it is said to be missing")
	}
	r.until("its metric", has(`kerbagent_application_ok{application="orders.service"} 0`))
	app.Issues = nil
	app.Facts.CacheEnds = "2033-05-18T03:33:20Z"
	if err := audit.WriteReport(file, audit.Report{Applications: []audit.Application{app}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.until("all is well", func() bool { return !r.has("app-ccache-expired")() })
	r.until("its metric", has(`kerbagent_application_ok{application="orders.service"} 1`))
	r.until("its ticket's end", has(`kerbagent_application_ticket_expiry_timestamp_seconds{application="orders.service"} 2e+09`))
	if page := r.get("/"); !strings.Contains(page, `data-part="application"`) {
		t.Error("the page has no row for it")
	}
	if err := audit.WriteReport(file, audit.Report{Absent: []string{"orders.service"}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.until("it has ended", func() bool { return strings.Contains(r.get("/"), "not running") && !has("kerbagent_application_ok{")() })
}
