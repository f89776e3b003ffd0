package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
)

// Login logs a user of the configuration in once, as Run would, and under the
// same records. The database is its name there or its host. The error is of
// the configuration, and then nothing has been asked.
func Login(ctx context.Context, cfg *config.Config, env Env, user, database string) (probe.Result, error) {
	if host, _, err := net.SplitHostPort(database); err == nil {
		database = host
	}
	r := newRun(cfg, env)
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
