package schedule

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkTenThousandJobs lets 10,000 jobs beat every 5 seconds for as long,
// each with work of a probe's order, and returns how late the starts were and
// what the scheduler keeps of each job. The goals are 50 ms and, with all that
// the agent keeps, 10 KiB.
func BenchmarkTenThousandJobs(b *testing.B) {
	const n, interval = 10_000, 5 * time.Second
	for b.Loop() {
		before := liveHeap()
		s := New(Options{Host: "bench"})
		jobs := make([]Job, n)
		for i := range jobs {
			jobs[i] = Job{Key: fmt.Sprintf("kdc/dc1.corp.example.com/10.0.0.1:%d/tcp", i), Interval: interval, Timeout: interval / 2,
				Run: func(context.Context) {
					sum := 0
					for k := range 20_000 {
						sum += k * k
					}
					runtime.KeepAlive(sum)
				}}
		}
		s.Set(jobs)
		jobs = nil
		size := liveHeap() - before
		late := make([]time.Duration, 0, 2*n)
		s.started = func(d time.Duration) { late = append(late, d) } // under the scheduler's lock
		ctx, cancel := context.WithTimeout(b.Context(), interval)
		s.Run(ctx)
		cancel()
		if len(late) < n*9/10 {
			b.Fatalf("%d starts", len(late))
		}
		slices.Sort(late)
		b.ReportMetric(float64(late[len(late)*99/100].Microseconds())/1000, "p99-late-ms")
		b.ReportMetric(float64(size)/n, "heap-B/job")
	}
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkRun starts one job again and again, whose stack grows as a probe's
// does.
func BenchmarkRun(b *testing.B) {
	ran := make(chan struct{})
	s := New(Options{Host: "bench"})
	s.Set([]Job{{Key: "dns", Interval: time.Hour, Timeout: time.Minute, Run: func(context.Context) {
		var deep [12 << 10]byte
		runtime.KeepAlive(&deep)
		ran <- struct{}{}
	}}})
	go s.Run(b.Context())
	b.ReportAllocs()
	for b.Loop() {
		s.Soon("dns")
		<-ran
		for { // until it has ended, and may be started again
			s.mu.Lock()
			running := s.jobs["dns"].running
			s.mu.Unlock()
			if !running {
				break
			}
			runtime.Gosched()
		}
	}
}
