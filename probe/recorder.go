package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// Past records a step that somebody else timed.
func (r *Recorder) Past(name string, start time.Time, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Stages = append(r.res.Stages, Stage{Name: name, Offset: start.Sub(r.res.Started), Duration: took, Err: err})
}

// Adopt takes over the stages, facts and samples of a result that is part of
// this run and is reported on its own as well.
func (r *Recorder) Adopt(part Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range part.Stages {
		s.Offset += part.Started.Sub(r.res.Started)
		r.res.Stages = append(r.res.Stages, s)
	}
	maps.Copy(r.res.Facts, part.Facts)
	maps.Copy(r.res.Samples, part.Samples)
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

// Facts records what is known from the plan.
func (r *Recorder) Facts(f Facts) {
	for k, v := range f {
		r.Fact(k, v)
	}
}

// Sample records a number.
func (r *Recorder) Sample(k Sample, v float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Samples[k] = v
}

// Resends counts one more sending of a datagram.
func (r *Recorder) Resends() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Samples[SampleResends]++
}

// Unsent counts one datagram that this host did not let out.
func (r *Recorder) Unsent() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Samples[SampleUnsent]++
}

// OK ends the run: the question was answered and the answer is good.
func (r *Recorder) OK() Result { return r.end(OK, "", nil) }

// Fail ends the run with a reason.
func (r *Recorder) Fail(reason Reason, err error) Result { return r.end(Failed, reason, err) }

// Skip ends the run without having asked.
func (r *Recorder) Skip(reason Reason, err error) Result { return r.end(Skipped, reason, err) }

// Held ends a run that a guard did not allow.
func (r *Recorder) Held(err error) Result {
	reason := ReasonNoRecord
	var held *HeldBack
	if errors.As(err, &held) {
		reason = held.Reason
	}
	return r.Skip(reason, err)
}

func (r *Recorder) end(o Outcome, reason Reason, err error) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Outcome, r.res.Reason, r.res.Err = o, reason, err
	r.res.Duration = r.now().Sub(r.res.Started)
	slices.SortStableFunc(r.res.Stages, func(a, b Stage) int { return cmp.Compare(a.Offset, b.Offset) })
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
