package probe

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// lossy answers the n-th run; the others stay silent for their timeout.
type lossy struct {
	answers int32
	reason  Reason
	runs    *atomic.Int32
}

func (lossy) ID() ID { return ID{Kind: KDC, Target: "dc.test"} }

func (l lossy) Run(ctx context.Context) Result {
	rec := Begin(l.ID(), nil)
	if l.runs.Add(1) == l.answers {
		return rec.OK()
	}
	ctx, cancel := Limit(ctx, lossyTimeout)
	defer cancel()
	<-ctx.Done()
	if errors.Is(ctx.Err(), context.Canceled) {
		return rec.Fail(ReasonCanceled, ctx.Err())
	}
	return rec.Fail(l.reason, ctx.Err())
}

const lossyTimeout = 300 * time.Millisecond

func TestOneLostPacketIsNoSilence(t *testing.T) {
	for _, tt := range []struct {
		answers int32
		outcome Outcome
		resends float64
	}{{1, OK, 0}, {2, OK, 1}, {3, OK, 2}, {0, Failed, 2}} {
		var runs atomic.Int32
		began := time.Now()
		res := Sampled{Probe: lossy{answers: tt.answers, reason: ReasonUDPSilent, runs: &runs}, Timeout: lossyTimeout}.Run(t.Context())
		if res.Outcome != tt.outcome || res.Samples[SampleResends] != tt.resends {
			t.Errorf("answered at %d: %s, asked again %v times; want %s, %v", tt.answers, res.Outcome, res.Samples[SampleResends], tt.outcome, tt.resends)
		}
		if took := time.Since(began); took > 3*lossyTimeout {
			t.Errorf("took %s", took)
		}
	}
}

// Who refuses was reached: that needs no second question.
func TestARefusalIsNotAskedAgain(t *testing.T) {
	var runs atomic.Int32
	res := Sampled{Probe: refusing{&runs}, Timeout: lossyTimeout}.Run(t.Context())
	if res.Reason != ReasonRefused || runs.Load() != 1 {
		t.Errorf("%s after %d runs", res.Reason, runs.Load())
	}
}

type refusing struct{ runs *atomic.Int32 }

func (refusing) ID() ID { return ID{Kind: KDC, Target: "dc.test"} }

func (r refusing) Run(context.Context) Result {
	r.runs.Add(1)
	return Begin(r.ID(), nil).Fail(ReasonRefused, errors.New("refused"))
}

func TestARunCutShortIsNotSilence(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var runs atomic.Int32
	if res := (Sampled{Probe: lossy{reason: ReasonUDPSilent, runs: &runs}, Timeout: lossyTimeout}).Run(ctx); res.Reason != ReasonCanceled {
		t.Errorf("%s", res.Reason)
	}
}

// outliving counts the runs that are under way.
type outliving struct {
	lossy
	now *atomic.Int32
}

func (o outliving) Run(ctx context.Context) Result {
	o.now.Add(1)
	defer o.now.Add(-1)
	return o.lossy.Run(ctx)
}

// Runs that were asked in vain went on after the answer, with their sockets.
func TestNoRunOutlivesTheAnswer(t *testing.T) {
	for range 20 {
		var runs, now atomic.Int32
		if res := (Sampled{Probe: outliving{lossy{answers: 3, reason: ReasonUDPSilent, runs: &runs}, &now}, Timeout: lossyTimeout}).Run(t.Context()); res.Outcome != OK || now.Load() != 0 {
			t.Fatalf("%s, and %d runs go on", res.Outcome, now.Load())
		}
	}
}

// What was not answered, or late, and is answered at once when it is asked again, was lost by
// chance. What is late twice is late, unless its connection was.
func TestTheSecondRunTellsChanceFromSilence(t *testing.T) {
	of := func(reason Reason, took, connect time.Duration) Result {
		r := Result{Outcome: OK, Reason: reason, Duration: took, Stages: []Stage{{Name: "connect", Duration: connect}}}
		if reason != "" {
			r.Outcome = Failed
		}
		return r
	}
	quick, late, synLost, silent := of("", 10*time.Millisecond, 0), of("", 2*time.Second, 0), of("", 1100*time.Millisecond, 1050*time.Millisecond), of(ReasonTCPSilent, 3*time.Second, 0)
	for _, tt := range []struct {
		name          string
		first, second Result
		took          time.Duration
		outcome       Outcome
		lost          float64
	}{
		{"silent, then answered", silent, quick, quick.Duration, OK, 1},
		{"answered, then silent", quick, silent, quick.Duration, OK, 1},
		{"silent twice", silent, silent, silent.Duration, Failed, 1},
		{"late, then at once", late, quick, quick.Duration, OK, 1},
		{"at once, then late", quick, late, quick.Duration, OK, 1},
		{"late twice", late, late, late.Duration, OK, 0},
		{"two SYNs lost", synLost, synLost, synLost.Duration, OK, 1},
		{"refused after silence", silent, of(ReasonRefused, time.Millisecond, 0), time.Millisecond, Failed, 1},
		{"at once twice", quick, quick, quick.Duration, OK, 0},
	} {
		if got := Both(tt.first, tt.second); got.Outcome != tt.outcome || got.Duration != tt.took || got.Samples[SampleResends] != tt.lost {
			t.Errorf("%s: %s after %s, %v lost", tt.name, got.Outcome, got.Duration, got.Samples[SampleResends])
		}
	}
}
