package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// codeReport is what is said where no report of use is there.
const codeReport = "app-report-stale"

// stale is the age at which a report says nothing of now: three runs of the
// timer were missed.
const stale = 15 * time.Minute

// Probe reads the report that root's one-shot has left. It looks at no process.
type Probe struct {
	Path string // of the report; empty: DefaultReport
	Now  func() time.Time
	// Parts hears of the applications and their issues, one result each, before
	// Run returns the result of the report itself; it may be nil.
	Parts func([]probe.Result)
}

var _ probe.Probe = Probe{}

// ID is of the report as a whole.
func (p Probe) ID() probe.ID { return probe.ID{Kind: probe.Application, Target: "report"} }

// Run reads the report once. A report that is missing, old or not root's is an
// issue of its own, and nothing is said of applications.
func (p Probe) Run(context.Context) probe.Result {
	path := p.Path
	if path == "" {
		path = DefaultReport
	}
	rec := probe.Begin(p.ID(), p.Now)
	r, taken, err := ReadReport(path)
	age := p.Now().Sub(taken)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("there is no %s: nobody has looked at the applications", path)
	case err == nil && age > stale:
		err = fmt.Errorf("%s was written %s ago: nobody looks at the applications by now", path, age.Round(time.Minute))
	}
	if err != nil {
		p.give(nil)
		rec.Facts(probe.Facts{probe.FactIssue: codeReport, probe.FactSeverity: string(Warning), probe.FactPlace: path,
			probe.FactCause: err.Error() + ".", probe.FactFix: "enable kerbagent-audit.timer, and see how its last run ended"})
		return rec.Fail(probe.Reason(codeReport), err)
	}
	p.give(Results(r, p.Now))
	return rec.OK()
}

func (p Probe) give(parts []probe.Result) {
	if p.Parts != nil {
		p.Parts(parts)
	}
}
