package bootstrap

import (
	"context"
	"errors"
	"slices"
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
	notes   []string // for the operator
	seen    bool     // what was asked for before shows by now, though it is not done
}

// change is one thing to do.
type change struct {
	key    string        // names the request to AWS in the state file; empty for what is seen at once, or asks nobody
	what   string        // in the infinitive: "create the directory corp.example.com"
	settle time.Duration // how long AWS may take to show it; until then it is not asked for again
	act    func(context.Context) error
}

// Wait is something that takes its time.
type Wait struct {
	For    string        // "the directory d-… to become Active (it is Creating)"
	Usual  string        // "20 to 45 minutes"
	Every  time.Duration // between looks
	Budget time.Duration // until it is given up; a later run waits on
}

// Limits of the engine.
const (
	usualSettle   = time.Minute
	settleEvery   = 5 * time.Second
	mostTries     = 3                // of one change that AWS takes and does not show
	outageBudget  = 10 * time.Minute // of errors that pass, in a row
	outageEvery   = 10 * time.Second
	notYetBudget  = 5 * time.Minute // of refusals that IAM's and DNS's delays explain
	releaseBudget = 15 * time.Second
)

// notYetError is a refusal that has been seen to pass: what AWS was told a
// moment ago has not reached all of it.
type notYetError struct{ err error }

// Error is what was refused.
func (e *notYetError) Error() string { return e.err.Error() }

// Unwrap gives AWS's error.
func (e *notYetError) Unwrap() error { return e.err }

// engine drives the steps.
type engine struct {
	*world
	steps []step
	lock  *lock // held by an apply
}

// start learns who and where we are, and reads the state file.
func start(ctx context.Context, o Options, changes bool) (*engine, error) {
	w := &world{Options: o, began: o.Now()}
	if err := w.identify(ctx); err != nil {
		return nil, problem("start", err)
	}
	var err error
	if w.state, err = openState(o.StateDir, w.account, w.region, changes); err != nil {
		return nil, problem("start", err)
	}
	return &engine{world: w, steps: w.steps()}, nil
}

// release gives the lock back. Where a request is still to be looked for, which
// only this host's state file knows of, the lock stays with it.
func (e *engine) release(ctx context.Context, l *lock) error {
	if len(e.state.Sent) > 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseBudget)
	defer cancel()
	if err := l.release(ctx); err != nil {
		return problem("lock", err)
	}
	return nil
}

func (e *engine) report() Report {
	return Report{Schema: 1, Account: e.account, Region: e.region}
}

// plan looks at each step once.
func (e *engine) plan(ctx context.Context) (Report, error) {
	rep := e.report()
	for _, s := range e.steps {
		v, err := s.look(ctx)
		var unreadable *unreadableError
		if errors.As(err, &unreadable) {
			rep.Steps = append(rep.Steps, StepReport{Step: s.name(), Is: "not looked at: that takes the password in " + unreadable.ref.String()})
			continue
		}
		if err != nil {
			p := problem(s.name(), err)
			rep.Steps, rep.Error = append(rep.Steps, StepReport{Step: s.name(), Is: p.Text}), p
			return rep, p
		}
		rep.Steps = append(rep.Steps, v.report(s.name()))
	}
	return rep, nil
}

func (v view) report(name string) StepReport {
	r := StepReport{Step: name, Is: v.is, Notes: v.notes, Done: len(v.do) == 0 && v.wait == nil && v.blocked == ""}
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

// apply brings each step to its end before the next one begins.
func (e *engine) apply(ctx context.Context) (Report, error) {
	rep := e.report()
	for _, s := range e.steps {
		v, err := e.settle(ctx, s)
		if err != nil {
			p := problem(s.name(), err)
			rep.Steps, rep.Error = append(rep.Steps, v.report(s.name())), p
			return rep, p
		}
		rep.Steps = append(rep.Steps, v.report(s.name()))
		e.tell(Event{Step: s.name(), Kind: EventDone, Text: v.is})
	}
	return rep, nil
}

// settle looks and does the next thing until nothing is missing.
func (e *engine) settle(ctx context.Context, s step) (view, error) {
	p := patience{engine: e, step: s.name(), tries: map[string]int{}}
	for {
		if err := ctx.Err(); err != nil {
			return view{}, err
		}
		v, err := s.look(ctx)
		if forgot := e.recount(s.name(), v, err); forgot != nil {
			return v, forgot
		}
		if err != nil {
			if err = p.excuse(ctx, err); err != nil {
				return v, err
			}
			continue
		}
		p.found(v)
		switch {
		case v.blocked != "":
			return v, &blockedError{v.blocked}
		case v.wait != nil:
			err = p.wait(ctx, *v.wait)
		case len(v.do) == 0:
			return v, nil
		default:
			err = p.do(ctx, v.do[0])
		}
		if err != nil {
			return v, err
		}
	}
}

// recount forgets the requests of a step whose effect was seen: those that are
// not missing any more.
func (e *engine) recount(step string, v view, err error) error {
	if !v.seen && (err != nil || v.wait != nil) {
		return nil
	}
	return e.state.forgetBut(step, func(key string) bool {
		return slices.ContainsFunc(v.do, func(c change) bool { return step+"/"+c.key == key })
	})
}

// patience is one step's: how long it has waited, and how often it has tried.
type patience struct {
	*engine
	step    string
	told    string // what there was when it was last told
	waiting string
	since   time.Time // of waiting
	trouble time.Time // of the first error of a row; zero: none
	tries   map[string]int
	last    error  // of what was tried last; nil: it was taken
	doing   string // what was told to be done last
}

// found tells what there is, once.
func (p *patience) found(v view) {
	if v.is != p.told {
		p.told = v.is
		p.tell(Event{Step: p.step, Kind: EventFound, Text: v.is})
		for _, n := range v.notes {
			p.tell(Event{Step: p.step, Kind: EventNote, Text: n})
		}
	}
}

func (p *patience) wait(ctx context.Context, w Wait) error {
	p.trouble = time.Time{}
	now := p.Now()
	if w.For != p.waiting {
		// A new stage of the same wait has what the old one left of the budget.
		if p.waiting == "" {
			p.since = now
		}
		p.waiting = w.For
	}
	waited := now.Sub(p.since)
	if waited >= w.Budget {
		return &tiredError{wait: w, after: waited}
	}
	p.tell(Event{Step: p.step, Kind: EventWaiting, Text: w.For, For: waited, Wait: &w})
	return p.Sleep(ctx, w.Every)
}

// do asks for a change, once: the request is written down first, and while AWS
// may still show its effect it is looked for and not sent again.
func (p *patience) do(ctx context.Context, c change) error {
	p.waiting = ""
	key := p.step + "/" + c.key
	if c.settle == 0 {
		c.settle = usualSettle
	}
	if sent, ok := p.state.Sent[key]; ok && c.key != "" {
		if left := c.settle - p.Now().Sub(sent); left > 0 {
			p.trouble = time.Time{}
			w := &Wait{For: "AWS to show what it was asked: to " + c.what, Usual: "some seconds", Every: min(settleEvery, left), Budget: c.settle}
			p.tell(Event{Step: p.step, Kind: EventWaiting, Text: w.For, For: p.Now().Sub(sent), Wait: w})
			return p.Sleep(ctx, w.Every)
		}
	}
	if err := p.lock.still(ctx); err != nil {
		return p.excuse(ctx, err)
	}
	if p.doing != c.what {
		p.doing = c.what
		p.tell(Event{Step: p.step, Kind: EventDoing, Text: c.what})
	}
	if p.tries[c.what]++; p.tries[c.what] > mostTries {
		why := "the request was taken each time"
		if p.last != nil {
			why = "the last time: " + text(p.last)
		}
		return advise(goOn, "tried %d times to %s, and it is not so (%s)", mostTries, c.what, why)
	}
	if c.key != "" {
		if err := p.state.note(key, p.Now()); err != nil {
			return err
		}
	}
	err := c.act(ctx)
	if p.last = err; err == nil {
		p.trouble = time.Time{}
		return nil
	}
	if refused(err) {
		p.tries[c.what]--
		if clear := p.state.forget(key); clear != nil {
			return errors.Join(err, clear)
		}
	}
	return p.excuse(ctx, err)
}

// excuse waits out an error that passes, and gives any other back.
func (p *patience) excuse(ctx context.Context, err error) error {
	var notYet *notYetError
	budget := outageBudget
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &notYet):
		budget = notYetBudget
	case !passes(err):
		return err
	}
	if p.trouble.IsZero() {
		p.trouble = p.Now()
	}
	if p.Now().Sub(p.trouble) >= budget {
		return err
	}
	p.tell(Event{Step: p.step, Kind: EventAgain, Text: text(err)})
	return p.Sleep(ctx, outageEvery)
}
