package probe

import (
	"context"
	"time"
)

// Limit returns a context that ends d after now, for one run of a probe. A
// deadline of the returned context is always the probe's own: when ctx ends
// first, in whichever way, the returned context is canceled, so that a run that
// is cut short does not look like a peer that does not answer. d must be positive.
func Limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, cancel)
	return limited, func() {
		stop()
		cancel()
	}
}
