package probe

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Sampled asks a harmless question again while it is not answered: one lost
// packet must not look like a blocked port. Each time is a run of its own, with a
// connection of its own, beside those that still wait; the first answer ends all,
// and none comes later than the first run's own timeout. How often it was asked
// again before an answer came is in SampleResends.
type Sampled struct {
	Probe   Probe
	Timeout time.Duration // the probe's own
}

// Ask runs p as Safely does, and samples it where its question is harmless: a
// DNS server, a KDC or a kpasswd server may be asked twice. A database counts.
func Ask(ctx context.Context, p Probe, timeout time.Duration) Result {
	switch p.ID().Kind {
	case DNS, KDC, Kpasswd:
		return Sampled{Probe: p, Timeout: timeout}.Run(ctx)
	}
	return Safely(ctx, p)
}

// samples is how often a question is asked, in equal parts of its timeout.
const samples = 3

var _ Probe = Sampled{}

// ID is the probe's.
func (s Sampled) ID() ID { return s.Probe.ID() }

// Run asks, at once and then again while nothing comes.
func (s Sampled) Run(ctx context.Context) Result {
	ctx, cancel := context.WithCancel(ctx)
	r := sampling{Sampled: s, cancel: cancel, started: 1}
	r.mu.Lock()
	r.next = time.AfterFunc(s.Timeout/samples, func() { r.again(ctx) })
	r.mu.Unlock()
	defer r.end()
	first := Safely(ctx, s.Probe)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	switch {
	case r.answered:
		return r.answer
	case first.Silent():
		return first.after(r.started - 1)
	}
	return first
}

// sampling is a question that is being asked, by the caller of Run first and by others after it.
type sampling struct {
	Sampled
	cancel context.CancelFunc
	others sync.WaitGroup

	mu       sync.Mutex
	next     *time.Timer
	started  int
	over     bool // nothing more is started
	answered bool // by one of the others, before the first
	answer   Result
}

// again asks once more, and has the next one started in time.
func (r *sampling) again(ctx context.Context) {
	r.mu.Lock()
	if r.over || r.answered {
		r.mu.Unlock()
		return
	}
	n := r.started
	r.started++
	if r.started < samples {
		r.next.Reset(r.Timeout / samples)
	}
	r.others.Add(1)
	r.mu.Unlock()
	defer r.others.Done()
	res := Safely(ctx, r.Probe)
	if res.Silent() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.over && !r.answered {
		r.answered, r.answer = true, res.after(n)
		r.cancel() // the first run ends with this
	}
}

// end ends the runs that still wait, before Run returns.
func (r *sampling) end() {
	r.next.Stop()
	r.cancel()
	r.others.Wait()
}

// Silent reports whether nothing came back within the timeout.
func (r Result) Silent() bool {
	return r.Outcome == Failed && (r.Reason == ReasonUDPSilent || r.Reason == ReasonConnectTimeout || r.Reason == ReasonTCPSilent)
}

// after notes that n runs before it had no answer.
func (r Result) after(n int) Result {
	if n > 0 {
		if r.Samples == nil {
			r.Samples = Samples{}
		}
		r.Samples[SampleResends] += float64(n)
	}
	return r
}

// Both returns what two runs of one question say together: the better answer, and in
// SampleResends what the other one shows to be lost. Whoever answers one of two alike questions at
// once got the other one late, or not, by chance.
func Both(a, b Result) Result {
	best, other := a, b
	if a.Silent() && !b.Silent() || !a.Silent() && !b.Silent() && b.Outcome == OK && b.Duration < a.Duration {
		best, other = b, a
	}
	best.Started = a.Started
	lost := int(other.Samples[SampleResends])
	if other.Silent() {
		lost++
	}
	if other.Outcome == OK && other.Duration >= lateAlone && (best.Duration < lateAlone/2 || best.connectedLate()) {
		lost++
	}
	best.Samples = maps.Clone(best.Samples)
	return best.after(lost)
}

// connectedLate reports whether a SYN had to be sent again.
func (r Result) connectedLate() bool {
	return slices.ContainsFunc(r.Stages, func(s Stage) bool { return s.Name == "connect" && s.Duration >= lateAlone })
}

// lateAlone is how late an answer is where the same question, asked again, is answered at once,
// for a packet of it to be lost: a SYN is sent again after a second (RFC 6298 §2).
const lateAlone = time.Second
