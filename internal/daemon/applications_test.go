package daemon

import (
	"os"
	"path/filepath"
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
	app := audit.Application{Name: "orders.service", PIDs: []int{1}, Facts: audit.Facts{UID: "1001"},
		Issues: []audit.Issue{{Code: "app-ccache-expired", Severity: audit.Error, Place: "/run/cc", Cause: "It ended.", Fix: "renew it"}}}
	if err := audit.WriteReport(file, audit.Report{Applications: []audit.Application{app}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.until("the ticket has ended", r.has("app-ccache-expired"))
	if r.has("app-report-stale")() {
		t.Error("there is a report, and it is said to be missing")
	}
	app.Issues = nil
	if err := audit.WriteReport(file, audit.Report{Applications: []audit.Application{app}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	r.until("all is well", func() bool { return !r.has("app-ccache-expired")() })
}
