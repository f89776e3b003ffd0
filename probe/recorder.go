package probe

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Recorder builds a Result while a probe runs. Its methods may be called from
// several goroutines, since a login gets its ticket beside the dial.
type Recorder struct {
	mu  sync.Mutex
	now func() time.Time
	res Result
}

// Begin starts the record of one run. now may be nil for time.Now.
func Begin(id ID, now func() time.Time) *Recorder {
	if now == nil {
		now = time.Now
	}
	return &Recorder{now: now, res: Result{ID: id, Started: now(), Facts: Facts{}, Samples: Samples{}}}
}

// Stage runs one step and records how long it took and how it ended.
func (r *Recorder) Stage(name string, step func() error) error {
	start := r.now()
	err := step()
	end := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Stages = append(r.res.Stages, Stage{Name: name, Offset: start.Sub(r.res.Started), Duration: end.Sub(start), Err: err})
	return err
}

// Fact records what was learnt; an empty value is not recorded.
func (r *Recorder) Fact(k Fact, v string) {
	if v == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Facts[k] = v
}

// Sample records a number.
func (r *Recorder) Sample(k Sample, v float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Samples[k] = v
}

// OK ends the run: the question was answered and the answer is good.
func (r *Recorder) OK() Result { return r.end(OK, "", nil) }

// Fail ends the run with a reason.
func (r *Recorder) Fail(reason Reason, err error) Result { return r.end(Failed, reason, err) }

// Skip ends the run without having asked.
func (r *Recorder) Skip(reason Reason, err error) Result { return r.end(Skipped, reason, err) }

func (r *Recorder) end(o Outcome, reason Reason, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Outcome, r.res.Reason, r.res.Err = o, reason, err
	r.res.Duration = r.now().Sub(r.res.Started)
	return r.res
}

// Safely runs p and turns a panic into a failed Result, so that one broken
// probe cannot take the others with it.
func Safely(ctx context.Context, p Probe) (res Result) {
	started := time.Now()
	defer func() {
		if v := recover(); v != nil {
			res = Result{ID: p.ID(), Outcome: Failed, Reason: ReasonInternal, Err: fmt.Errorf("panic in probe: %v", v),
				Started: started, Duration: time.Since(started), Facts: Facts{}, Samples: Samples{}}
		}
	}()
	return p.Run(ctx)
}
