package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// Live logs a user of the configuration in once, as Check would, and under the
// same records. The database is its name there or its host. The error is of
// the configuration, and then nothing has been asked.
func Live(ctx context.Context, cfg *config.Config, env Env, user, database string) (probe.Result, error) {
	if host, _, err := net.SplitHostPort(database); err == nil {
		database = host
	}
	var others []string
	for _, l := range cfg.Logins {
		db, _ := cfg.Database(l.Database)
		if l.Principal() != user || database != db.Name && !strings.EqualFold(database, db.Host) {
			others = append(others, l.Principal()+" "+l.Database)
			continue
		}
		r := &round{cfg: cfg, env: env, plan: planner{cfg: cfg, env: env}, found: newDiscovery(cfg, env.Dialer, env.Resolver)}
		return r.ask(ctx, r.plan.loginProbe(l, db, r.endpoint(db, tlsConfig(db)), r.found)), nil
	}
	if others == nil {
		return probe.Result{}, errors.New("the configuration has no login to try: logins is empty")
	}
	return probe.Result{}, fmt.Errorf("%s %s is no login of the configuration; those are: %s", user, database, strings.Join(others, ", "))
}
