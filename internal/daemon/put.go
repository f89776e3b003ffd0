package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/probe"
)

// put keeps a result, tells its readers, and sees whether anything is new.
func (d *Daemon) put(ctx context.Context, res probe.Result, interval time.Duration) {
	if errors.Is(res.Err, guard.ErrNotYet) || res.Reason == probe.ReasonCanceled && ctx.Err() != nil {
		return // not asked, or cut short by us: that says nothing
	}
	change, taken := d.results.Put(res, interval)
	if !taken {
		return
	}
	d.metrics.Observe(res)
	if change.Says {
		d.explainer.Soon()
	}
	if res.ID.Kind == probe.DNS && !change.First {
		d.turns.lookUpAgain(res, change)
	}
	if !change.First && change.Turned {
		d.turns.pull(res)
	}
	if change.Turned && res.Outcome == probe.Failed {
		d.turns.onceMore(res)
	}
}
