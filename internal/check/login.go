package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// before waits until a login may begin, and returns what is to be done when it has
// ended. The record has room for one attempt of an account at a time. At an instance no
// attempt is made, but the ticket must be there.
func (r *run) before(ctx context.Context, j plan.Job) (after func()) {
	if j.Instance != "" {
		if r.store.Ticket(j.Login) != nil {
			return func() {}
		}
		select {
		case <-r.ended[j.Login]:
		case <-ctx.Done():
		}
		return func() {}
	}
	turn := r.turn(j.Login.Principal())
	turn.Lock()
	return func() {
		turn.Unlock()
		close(r.ended[j.Login])
	}
}

// heard returns a login with what hears of its database, and of its cluster.
func (r *run) heard(ctx context.Context, j plan.Job, p login.Probe) login.Probe {
	if j.Tells {
		p.OnDatabase = func(res probe.Result) { r.add(whole(ctx, res)) }
	}
	if p.IsInstance != nil && !r.single {
		p.OnInstances = func(t probe.Topology) {
			if j.Instance == "" && r.memory.LearnCluster(j.Database, t, r.env.Now()) {
				r.plan(ctx)
			}
		}
	}
	return p
}

// Login logs a user of the configuration in once, as Run would, and under the
// same records. The database is its name there or its host. The error is of
// the configuration, and then nothing has been asked.
func Login(ctx context.Context, cfg *config.Config, env Env, user, database string) (probe.Result, error) {
	if host, _, err := net.SplitHostPort(database); err == nil {
		database = host
	}
	r := newRun(cfg, env)
	r.single = true
	var others []string
	for _, j := range r.planner.Jobs(discover.Known{}) {
		switch l := j.Login; {
		case l.User == "":
		case l.Principal() != user || database != j.Database.Name && !strings.EqualFold(database, j.Database.Host):
			others = append(others, l.Principal()+" "+l.Database)
		default:
			j.Tells = false
			r.do(ctx, j)
			i := slices.IndexFunc(r.results, func(res probe.Result) bool { return res.ID.Kind == probe.Login })
			return r.results[i], nil
		}
	}
	if others == nil {
		return probe.Result{}, errors.New("the configuration has no login to try: logins is empty")
	}
	return probe.Result{}, fmt.Errorf("%s %s is no login of the configuration; those are: %s", user, database, strings.Join(others, ", "))
}

// fetchAgain is the time from a refusal until a password_command is run once more.
const fetchAgain = time.Second

// fetchedAgain returns the login that is tried in the place of one whose password was
// refused: the password may have been changed while its command printed the old one. The
// command is run once more, and only another password is tried, if the record allows it.
func (r *run) fetchedAgain(ctx context.Context, j plan.Job, res probe.Result) (login.Probe, bool) {
	p, is := j.Probes[0].(login.Probe)
	if !is || j.Instance != "" || res.Outcome != probe.Failed || !guard.Refused(res.Reason) || j.Login.Secret.Command() == nil {
		return p, false
	}
	select {
	case <-time.After(fetchAgain):
	case <-ctx.Done():
		return p, false
	}
	m, err := r.store.Material(j.Login)
	p.OnDatabase = nil // which the first told of
	return p, err == nil && p.Account.Paused(m.Identity) == nil
}
