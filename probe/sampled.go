package probe

import (
	"context"
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
	type run struct {
		n   int
		res Result
	}
	runs := make(chan run, samples)
	var first Result
	again := time.NewTicker(s.Timeout / samples)
	defer again.Stop()
	started, ended := 0, 0
	defer func() { // the runs that still wait end with their context, and before this one
		cancel()
		for ; ended < started; ended++ {
			<-runs
		}
	}()
	for {
		if started < samples {
			n := started
			started++
			go func() { runs <- run{n, Safely(ctx, s.Probe)} }()
		}
		more := again.C
		if started == samples {
			more = nil
		}
	waiting:
		for {
			select {
			case <-more:
				break waiting
			case r := <-runs:
				ended++
				if r.n == 0 {
					first = r.res
				}
				if !silent(r.res) || r.res.Reason == ReasonCanceled {
					return r.res.after(r.n)
				}
				if r.n == 0 || ended == samples {
					return first.after(started - 1)
				}
			}
		}
	}
}

// silent reports whether nothing came back within the timeout.
func silent(r Result) bool {
	return r.Outcome == Failed && (r.Reason == ReasonUDPSilent || r.Reason == ReasonConnectTimeout || r.Reason == ReasonTCPSilent)
}

// after notes that n runs before it had no answer.
func (r Result) after(n int) Result {
	if n > 0 {
		r.Samples[SampleResends] += float64(n)
	}
	return r
}
