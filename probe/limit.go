package probe

import (
	"context"
	"time"
)

// Limit gives one run of a probe its own time. A deadline of the returned
// context is always the probe's own: when ctx ends first, in whichever way,
// the returned context is canceled, so that a run that is cut short does not
// look like a peer that stays silent. d must be positive.
func Limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, cancel)
	return limited, func() {
		stop()
		cancel()
	}
}
