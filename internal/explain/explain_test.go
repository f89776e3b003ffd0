package explain

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// words panics where an explanation reads it, as a bug in a rule would.
type words struct{ broken *atomic.Bool }

func (w words) Error() string {
	if w.broken.Load() {
		panic("a bug in a rule")
	}
	return "no answer"
}

// After an explanation that took long there is a pause ten times as long. Whoever
// waits for the first report does not wait for that.
func TestTheFirstReportWaitsForNoPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		rec, err := recorder.Open(t.TempDir(), recorder.Options{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		const slow = 5 * time.Second
		e := New(Options{Log: slog.New(slog.DiscardHandler), Results: results.New(time.Now), Metrics: metrics.New(metrics.Options{}), Recorder: rec,
			Settings: func() Settings { time.Sleep(slow); return Settings{Interval: 15 * time.Second} }, Headline: func(string) {}, Recorded: func(error) {}})
		done := make(chan struct{})
		go func() { defer close(done); e.Run(ctx) }()
		time.Sleep(30 * time.Second)
		e.FirstRoundOver()
		time.Sleep(2*slow + time.Second)
		if _, shown := e.Report(); !shown {
			t.Error("no report although the first round is over")
		}
		cancel()
		<-done
	})
}

// A panic while results are explained once left a lock held, and the daemon
// stood still. It costs that explanation, and is logged.
func TestAPanicCostsOneExplanation(t *testing.T) {
	var log bytes.Buffer
	var broken atomic.Bool
	store := results.New(time.Now)
	id := probe.ID{Kind: probe.KDC, Target: "dc1.corp.example.com", Transport: probe.TCP}
	store.Expect([]results.Job{{Key: "kdc", Asks: []probe.ID{id}, Beat: time.Hour, Limit: time.Hour}})
	rec, err := recorder.Open(t.TempDir(), recorder.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	headline := ""
	e := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Results: store, Metrics: metrics.New(metrics.Options{}), Recorder: rec,
		Settings: func() Settings { return Settings{Interval: time.Second} }, Headline: func(h string) { headline = h }, Recorded: func(error) {}})
	e.FirstRoundOver()
	fails := func(why error) {
		t.Helper()
		res := probe.Result{ID: id, Outcome: probe.Failed, Reason: probe.ReasonRefused, Err: why, Started: time.Now(),
			Facts: probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM", probe.FactSource: probe.SourceConfigured}}
		if _, taken := store.Put(res, time.Second); !taken {
			t.Fatal("the result was not taken")
		}
	}
	broken.Store(true)
	fails(words{&broken})
	e.Explain()
	if _, shown := e.Report(); shown || !strings.Contains(log.String(), "explaining the results panicked") || !strings.Contains(log.String(), "a bug in a rule") {
		t.Fatalf("shown %v, log %s", shown, log.String())
	}
	broken.Store(false)
	fails(errors.New("no answer"))
	e.Explain()
	if rep, shown := e.Report(); !shown || len(rep.Findings) == 0 || headline == "" {
		t.Errorf("after the panic: shown %v, %+v, headline %q", shown, rep, headline)
	}
}
