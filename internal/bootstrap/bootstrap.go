// Package bootstrap does what Aurora MySQL's Kerberos guide tells a person to
// click: directory, trust, role, users, cluster, database users, and the files
// of this host. It reads what there is, says what is missing, does the one next
// thing and reads again, so that it can be ended and begun again at any moment.
//
// # How it is safe
//
// AWS is the truth: every step looks before it does anything. What is asked of
// AWS is first written to a state file (ids and times, nothing secret), because
// Directory Service and RDS know no idempotency token: a request whose answer is
// lost is looked for before it is sent again. A secret of a fixed name in
// Secrets Manager is the lock.
//
// # What it leaves alone
//
// Nothing is deleted but its own lock. Security groups of a cluster, ports,
// master passwords of clusters that are there, and users that have a password
// are not changed.
//
// It imports config, the words of probe and diagnose, and report's escaping. The krb5.conf,
// the check at the end, the directory's users and the database's come from its
// caller.
package bootstrap

import (
	"context"
)

// Plan looks at everything and changes nothing. Where a step fails, the report
// goes as far as it.
func Plan(ctx context.Context, o Options) (Report, error) {
	e, err := start(ctx, o, false)
	if err != nil {
		return Report{Schema: 1}, err
	}
	e.steps = e.world.steps()
	return e.plan(ctx)
}

// Apply makes what is missing, waits for it, and ends with a login. The error
// is an *Error.
func Apply(ctx context.Context, o Options) (Report, error) {
	return run(ctx, o, func(w *world) ([]step, error) { return w.steps(), nil })
}

// Rotate changes passwords in the directory: of Admin, or of users of the
// configuration. The error is an *Error.
func Rotate(ctx context.Context, o Options, names []string) (Report, error) {
	return run(ctx, o, func(w *world) ([]step, error) { return w.rotateSteps(names) })
}

// Client sets up a further host: kerbagent.yaml, krb5.conf, the passwords for its
// daemon, and a verified login. It reads what another host's Apply has made, takes
// no lock and changes nothing at AWS. The error is an *Error.
func Client(ctx context.Context, o Options) (Report, error) {
	e, err := start(ctx, o, false)
	if err != nil {
		return Report{Schema: 1}, err
	}
	e.steps = e.world.clientSteps()
	return e.apply(ctx)
}

// run brings steps to their end, under the lock.
func run(ctx context.Context, o Options, steps func(*world) ([]step, error)) (rep Report, err error) {
	e, err := start(ctx, o, true)
	if err != nil {
		return Report{Schema: 1}, err
	}
	defer e.state.close()
	if e.steps, err = steps(e.world); err != nil {
		return e.report(), problem("start", err)
	}
	l := &lock{sm: o.AWS.secrets, world: e.world}
	if err := l.take(ctx); err != nil {
		return e.report(), problem("lock", err)
	}
	e.lock = l
	rep, err = e.apply(ctx)
	if released := e.release(ctx, l); err == nil {
		err = released
	}
	return rep, err
}
