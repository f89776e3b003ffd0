package bootstrap

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

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
		return nil, w.problem("start", err)
	}
	if err := w.inAccount(changes); err != nil {
		return nil, err
	}
	if err := w.inRegion(); err != nil {
		return nil, err
	}
	if err := w.localPasswords(); err != nil {
		return nil, err
	}
	var err error
	if w.state, err = openState(o.StateDir, o.FormerStateDir, w.account, w.region, changes); err != nil {
		return nil, problem("start", err)
	}
	return &engine{world: w}, nil
}

// release releases the lock. While a request is still to be looked for, which
// only this host's state file knows of, this host keeps the lock.
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
	rep.Alias = e.alias(ctx)
	rep.Notes = e.unreachable(ctx)
	if e.Config.Account == "" {
		rep.Notes = append(rep.Notes, "apply changes nothing before the file names the account: under bootstrap:, write "+accountLine(e.account))
	}
	for _, s := range e.steps {
		v, err := s.look(ctx)
		var unreadable *unreadableError
		if errors.As(err, &unreadable) {
			rep.Steps = append(rep.Steps, StepReport{Step: s.name(), Is: "not looked at: that takes the password in " + unreadable.ref.String()})
			continue
		}
		if err != nil {
			p := e.problem(s, err)
			rep.Steps, rep.Error = append(rep.Steps, StepReport{Step: s.name(), Is: p.Text}), p
			return rep, p
		}
		r := v.report(s.name())
		if more := e.beyond(r.Waiting); more != "" {
			r.Notes = append(r.Notes, more)
		}
		rep.Steps = append(rep.Steps, r)
	}
	return rep, nil
}

// apply brings each step to its end before the next one begins.
func (e *engine) apply(ctx context.Context) (Report, error) {
	rep := e.report()
	for _, s := range e.steps {
		v, err := e.settle(ctx, s)
		if err != nil {
			p := e.problem(s, err)
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
	p := patience{world: e.world, lock: e.lock, step: s.name(), tries: map[string]int{}}
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

// problem puts an error of a step into a script's words. A permission that is
// missing is printed as the whole policy has it, with its conditions: without
// them it would be more than the step needs.
func (e *engine) problem(s step, err error) *Error {
	p := e.world.problem(s.name(), err)
	if p.Exit != ExitPermission {
		if more := e.beyond(p.Text + "\n" + p.Next); more != "" {
			p.Next += "\n" + more
		}
		return p
	}
	own := slices.DeleteFunc(s.needs(), func(n permission) bool {
		onKey := strings.HasPrefix(n.action, "kms:")
		if ofKey(err) && !onKey {
			return true
		}
		return n.action != missing(err).action && !(maybeOfKey(err) && onKey)
	})
	switch {
	case awsapi.Code(err) == "KMSKeyNotAccessibleFault" && e.Config.Cluster.KMSKey == "": // RDS's default key, or the snapshot's
		own = append(own, e.onKey("*", "rds", "DescribeKey", "CreateGrant")...)
	case len(own) == 0 && ofKey(err): // of a secret that somebody else created
		own = e.onKey("*", "secretsmanager", "Decrypt")
	}
	if len(own) > 0 {
		p.Policy = policyText(compile(own))
	}
	return p
}
