package schedule

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// starts notes when a job was started.
type starts struct {
	mu sync.Mutex
	at []time.Time
}

func (s *starts) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
}

func (s *starts) list() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func (s *starts) job(key string, interval time.Duration) Job {
	return Job{Key: key, Interval: interval, Timeout: interval / 2, Run: func(context.Context) { s.note() }}
}

// running runs a scheduler until the test's bubble ends.
func running(t *testing.T, o Options, jobs ...Job) *Scheduler {
	t.Helper()
	s := New(o)
	s.Set(jobs)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// pass lets d go by, and everything happen that happens in it.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s starts
		running(t, Options{Host: "a"}, s.job("dns", 15*time.Second))
		pass(time.Minute)
		at := s.list()
		if len(at) != 4 {
			t.Fatalf("%d starts in a minute", len(at))
		}
		for i := range at[1:] {
			if d := at[i+1].Sub(at[i]); d != 15*time.Second {
				t.Errorf("%v between two starts", d)
			}
		}
	})
}

// A reload that takes a job away, and one that brings it back while its last run
// still hangs, made it overlap itself.
func TestNoOverlapOfOneThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, most atomic.Int32
		release := make(chan struct{})
		hangs := Job{Key: "hangs", Interval: 10 * time.Second, Timeout: 5 * time.Second, Run: func(context.Context) {
			most.Store(max(most.Load(), runs.Add(1)))
			<-release
			runs.Add(-1)
		}}
		s := running(t, Options{}, hangs)
		pass(10 * time.Second)
		for range 2 {
			s.Set(nil)
			pass(time.Minute)
			s.Set([]Job{hangs})
			pass(time.Minute)
		}
		if most.Load() != 1 || runs.Load() != 1 {
			t.Errorf("%d runs side by side", most.Load())
		}
		if _, late := s.Progress(); late < 40*time.Second {
			t.Errorf("a job that does not end is only %v late", late)
		}
		close(release)
		pass(20 * time.Second)
		if _, late := s.Progress(); late != 0 || runs.Load() != 0 || len(s.leaving) != 0 {
			t.Errorf("%d runs, %v late, %d leaving, once the first has ended", runs.Load(), late, len(s.leaving))
		}
		s.Set(nil)
	})
}

// A host that starts again finds its old place; hosts and jobs are spread.
func TestPlaceIsOfHostAndJob(t *testing.T) {
	place := func(host, key string, after time.Duration) (p time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(after)
			var s starts
			running(t, Options{Host: host}, s.job(key, time.Minute))
			pass(time.Minute)
			p = time.Duration(s.list()[0].UnixNano() % int64(time.Minute))
		})
		return p
	}
	if a, b := place("web-1", "dns", 0), place("web-1", "dns", 17*time.Second); a != b {
		t.Errorf("place %v, and %v after a restart", a, b)
	}
	quarters := map[time.Duration]int{}
	for i := range 100 {
		quarters[place(fmt.Sprint("web-", i), "dns", 0)/(15*time.Second)]++
		quarters[place("web-1", fmt.Sprint("job-", i), 0)/(15*time.Second)]++
	}
	for q := range time.Duration(4) {
		if quarters[q] < 30 {
			t.Errorf("places by quarter: %v of 200", quarters)
		}
	}
}

func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		release := make(chan struct{})
		s := running(t, Options{}, Job{Key: "hangs", Interval: 10 * time.Second, Timeout: 5 * time.Second, Run: func(context.Context) {
			runs.Add(1)
			<-release
		}})
		pass(time.Minute)
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs side by side", n)
		}
		if _, late := s.Progress(); late < 40*time.Second {
			t.Errorf("a job that does not end is only %v late", late)
		}
		close(release)
		pass(10 * time.Second)
		if n := runs.Load(); n != 2 {
			t.Errorf("%d runs, once the first has ended", n)
		}
		if _, late := s.Progress(); late != 0 {
			t.Errorf("still %v late", late)
		}
	})
}

func TestTimeoutEndsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took atomic.Int64
		running(t, Options{}, Job{Key: "slow", Interval: time.Minute, Timeout: 5 * time.Second, Run: func(ctx context.Context) {
			start := time.Now()
			<-ctx.Done()
			took.Store(int64(time.Since(start)))
		}})
		pass(time.Minute + 6*time.Second)
		if d := time.Duration(took.Load()); d != 5*time.Second {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestPanicIsHeardAndTheJobGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard, runs atomic.Int32
		running(t, Options{Panicked: func(key string, v any, stack []byte) {
			if key != "bad" || v != "oops" || len(stack) == 0 {
				t.Errorf("heard %v %v", key, v)
			}
			heard.Add(1)
		}}, Job{Key: "bad", Interval: time.Second, Timeout: time.Second / 2, Run: func(context.Context) { runs.Add(1); panic("oops") }})
		pass(3 * time.Second)
		if runs.Load() != 3 || heard.Load() != 3 {
			t.Errorf("%d runs, %d panics heard", runs.Load(), heard.Load())
		}
	})
}

func TestSetKeepsTheBeatOfWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old, kept, gone, fresh starts
		s := running(t, Options{}, old.job("stays", 10*time.Second), gone.job("goes", 10*time.Second))
		pass(10 * time.Second)
		first := old.list()
		s.Set([]Job{kept.job("stays", 10*time.Second), fresh.job("comes", 10*time.Second)})
		pass(10 * time.Second)
		if len(first) != 1 || len(old.list()) != 1 || len(kept.list()) != 1 || kept.list()[0].Sub(first[0]) != 10*time.Second {
			t.Errorf("%v, then %v", first, kept.list())
		}
		if len(gone.list()) != 1 {
			t.Errorf("a job that is gone was started: %v", gone.list())
		}
		if len(fresh.list()) != 1 {
			t.Errorf("a new job: %v", fresh.list())
		}
		s.Set(nil)
		pass(time.Minute)
		if len(kept.list()) != 1 {
			t.Errorf("started although there are no jobs: %v", kept.list())
		}
	})
}

func TestSoonIsOutOfTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s starts
		sch := running(t, Options{Host: "a"}, s.job("dns", 15*time.Minute))
		synctest.Wait()
		asked := time.Now()
		sch.Soon("dns")
		sch.Soon("dns") // it waits already
		sch.Soon("nobody")
		synctest.Wait()
		pass(15 * time.Minute)
		at := s.list()
		if len(at) != 2 || at[0] != asked {
			t.Fatalf("asked at %v, started at %v", asked, at)
		}
		pass(15 * time.Minute)
		if again := s.list(); again[2].Sub(again[1]) != 15*time.Minute {
			t.Errorf("the beat has moved: %v", again)
		}
	})
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, runs atomic.Int32
		var jobs []Job
		for i := range 20 {
			jobs = append(jobs, Job{Key: fmt.Sprint(i), Interval: 10 * time.Second, Timeout: 9 * time.Second, Run: func(context.Context) {
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
				runs.Add(1)
			}})
		}
		running(t, Options{Slots: 3}, jobs...)
		pass(20 * time.Second)
		if most.Load() > 3 || runs.Load() < 20 {
			t.Errorf("%d at once, %d runs", most.Load(), runs.Load())
		}
	})
}

// After a moment when much hung, no more goroutines stay than serve a quiet
// daemon; and those that stay are used.
func TestFewWorkersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var jobs []Job
		for i := range 50 {
			jobs = append(jobs, Job{Key: fmt.Sprint(i), Interval: time.Minute, Timeout: 50 * time.Second, Run: func(ctx context.Context) { <-ctx.Done() }})
		}
		s := running(t, Options{}, jobs...)
		synctest.Wait()
		for i := range jobs {
			s.Soon(fmt.Sprint(i))
		}
		synctest.Wait()
		if n := workers(); n != len(jobs) {
			t.Fatalf("%d goroutines for %d jobs that hang", n, len(jobs))
		}
		s.Set([]Job{{Key: "quick", Interval: time.Second, Timeout: time.Second / 2, Run: func(context.Context) {}}})
		pass(2 * time.Minute)
		if n := workers(); n != maxIdle {
			t.Errorf("%d goroutines wait for jobs, want %d", n, maxIdle)
		}
	})
}

// workers counts the goroutines that run jobs or wait for them. Those of the
// whole process are others', too: of a test before this one they may just be ending.
func workers() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("(*Scheduler).work("))
}

func TestStopWaitsForWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		var tidied atomic.Bool
		s.Set([]Job{{Key: "a", Interval: time.Second, Timeout: time.Second / 2, Run: func(ctx context.Context) {
			<-ctx.Done()
			tidied.Store(true)
		}}})
		s.Soon("a")
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		s.Run(ctx)
		if !tidied.Load() {
			t.Error("left a job behind")
		}
	})
}
