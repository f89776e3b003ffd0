package bootstrap

import (
	"context"
	"time"
)

// step is one part of the guide. Look reads and never changes; what is to be
// done comes back as values, of which the engine does the first and looks again.
type step interface {
	name() string
	look(ctx context.Context) (view, error)
	needs() []permission
}

// view is what a step saw. Nothing to do and nothing to wait for: it is done.
type view struct {
	is      string   // what there is, one line
	do      []change // what is missing, in order
	wait    *Wait    // first wait for this
	blocked string   // somebody else has to do this first; lines
	billed  []string // what is missing that AWS bills by the hour, once it is made
	notes   []string // for the operator
	seen    bool     // what was asked for before shows by now, though it is not done
}

// change is one thing to do.
type change struct {
	key    string        // names the request to AWS in the state file; empty for what is seen at once, or asks nobody
	what   string        // in the infinitive: "create the directory corp.example.com"
	settle time.Duration // how long AWS may take to show it; until then it is not asked for again
	next   string        // what a person can do when AWS takes the request and it has no effect; empty: nothing better than goOn
	// act makes the change. It is nil where a plan can only name the change: what
	// it needs is made by an earlier one.
	act func(context.Context) error
}

// Limits of the engine.
const (
	usualSettle   = time.Minute
	settleEvery   = 5 * time.Second
	mostTries     = 3                // of one change that AWS takes and does not show
	outageBudget  = 10 * time.Minute // of errors that pass, in a row
	outageEvery   = 10 * time.Second
	notYetBudget  = 5 * time.Minute // of refusals that IAM's and DNS's delays explain
	linkedBudget  = time.Minute     // of the refusal that a service-linked role which is on its way explains
	keyBudget     = 2 * time.Minute // of the refusal that a KMS key which is seconds old explains
	releaseBudget = 15 * time.Second
)

func (v view) report(name string) StepReport {
	r := StepReport{Step: name, Is: v.is, Billed: v.billed, Notes: v.notes, Done: len(v.do) == 0 && v.wait == nil && v.blocked == ""}
	for _, c := range v.do {
		r.Missing = append(r.Missing, c.what)
	}
	if v.wait != nil {
		r.Waiting = v.wait.For
	}
	if v.blocked != "" {
		r.Waiting = v.blocked
	}
	return r
}
