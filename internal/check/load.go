package check

import (
	"context"
	"sync"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/plan"
)

// Load returns what `kerbagent run` asks of each server with a configuration. It
// looks up names, and asks nobody else.
func Load(ctx context.Context, cfg *config.Config, env Env) ([]plan.Load, []plan.DatabaseLoad) {
	r := newRun(cfg, env)
	var wg sync.WaitGroup
	for _, s := range (discover.Known{}).Searches(cfg) {
		wg.Go(func() {
			servers, err := r.finder.Find(ctx, s)
			r.memory.Learn(s, servers, err, r.finder.Most(s))
		})
	}
	wg.Wait()
	return r.planner.Load(r.memory.Known(env.Resolver))
}
