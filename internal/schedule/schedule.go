// Package schedule runs jobs, each on its own beat. It knows nothing of what
// they do and imports only the standard library.
//
// A job's place in its interval is a hash of host and key: one host always has
// the same, a fleet does not beat in step, and jobs on one host are spread. A
// job never overlaps itself: a beat that comes while it still runs is left out.
package schedule

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"runtime/debug"
	"sync"
	"time"
)

// Job is something done again and again.
type Job struct {
	Key      string        // unique
	Interval time.Duration // between two starts
	Timeout  time.Duration // Run's context ends after it; shorter than Interval
	Run      func(context.Context)
}

// Options of New.
type Options struct {
	Host string // the host name; it decides the place in the interval
	// Panicked hears of a Run that panicked. The job goes on at its next beat.
	Panicked func(key string, value any, stack []byte)
	Slots    int // how many jobs may run at once; 0: 4096
}

const defaultSlots = 4096

// maxIdle is how many workers wait for another job. A new goroutine's stack is
// small and is copied each time that it grows, in every run of every job: that
// was a twelfth of a quiet daemon's CPU. A few workers serve it; those beyond, of
// a moment when much hangs, end.
const maxIdle = 4

// Scheduler runs jobs. Its methods may be called from several goroutines, and
// from jobs.
type Scheduler struct {
	host     string
	panicked func(string, any, []byte)
	wake     chan struct{}
	next     chan turn                // passes a turn to an idle worker
	started  func(late time.Duration) // called at each start; only for the benchmark

	mu      sync.Mutex
	jobs    map[string]*job
	leaving map[string]*job // jobs that were removed and still run
	due     queue           // the jobs that wait for their next start
	ready   []*job          // the jobs that wait for a slot
	free    int
	idle    int // workers that wait for next
	running sync.WaitGroup
	moved   time.Time
}

// job is a Job and where it stands.
type job struct {
	Job
	next    time.Time // its beat; with a monotonic reading, so that a clock that is set does not move it
	since   time.Time // when it should have started, while it waits for a slot
	index   int       // the job's index in due
	running bool
	waiting bool // whether the job is in ready
	again   bool // a beat came while it was running
	gone    bool
}

// New returns a scheduler without jobs.
func New(o Options) *Scheduler {
	if o.Slots == 0 {
		o.Slots = defaultSlots
	}
	return &Scheduler{host: o.Host, panicked: o.Panicked, free: o.Slots,
		wake: make(chan struct{}, 1), next: make(chan turn), jobs: map[string]*job{}, leaving: map[string]*job{}, moved: time.Now()}
}

// Set sets which jobs there are from now on. A job whose key is known keeps its
// beat where its interval is the same, and a run that is under way; one that is
// gone is not started again.
func (s *Scheduler) Set(jobs []Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	stays := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		stays[j.Key] = true
		old := s.jobs[j.Key]
		if old == nil {
			old = s.comes(j.Key)
			s.jobs[j.Key] = old
		}
		beat := old.Interval == j.Interval
		old.Job = j
		if beat {
			continue
		}
		old.next = now.Add(s.wait(j, now))
		if old.index >= 0 {
			heap.Fix(&s.due, old.index)
		} else {
			heap.Push(&s.due, old)
		}
	}
	for key, old := range s.jobs {
		if !stays[key] {
			old.gone = true
			heap.Remove(&s.due, old.index)
			delete(s.jobs, key)
			if old.running {
				s.leaving[key] = old
			}
		}
	}
	s.poke()
}

// comes returns a job that was not there, or was and still runs: it does not
// overlap itself even then.
func (s *Scheduler) comes(key string) *job {
	old := s.leaving[key]
	if old == nil {
		return &job{index: -1}
	}
	delete(s.leaving, key)
	old.gone, old.Interval = false, 0
	return old
}

// wait is how long it is until a job's place in its interval, which is counted
// from the beginning of Unix time.
func (s *Scheduler) wait(j Job, now time.Time) time.Duration {
	wait := Place(s.host, j.Key, j.Interval) - time.Duration(now.UnixNano()%int64(j.Interval))
	if wait < 0 {
		wait += j.Interval
	}
	return wait
}

// Place returns a job's place in its interval on a host.
func Place(host, key string, interval time.Duration) time.Duration {
	h := sha256.Sum256([]byte(host + "\x00" + key))
	return time.Duration(binary.BigEndian.Uint64(h[:8]) % uint64(interval))
}

// Soon runs a job now, out of its turn, unless it is running or there is none.
// Its beat stays.
func (s *Scheduler) Soon(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[key]; j != nil && !j.running && !j.waiting {
		s.enqueue(j, time.Now())
		s.poke()
	}
}

// Progress reports when the scheduler last moved, and how late the start is that
// is most overdue: because there is no slot, because the job's last run does not
// end, or because the scheduler itself hangs. A watchdog lives on it.
func (s *Scheduler) Progress() (moved time.Time, late time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.due) > 0 {
		late = now.Sub(s.due[0].next)
	}
	for _, j := range s.jobs {
		if j.waiting || j.again {
			late = max(late, now.Sub(j.since))
		}
	}
	return s.moved, max(late, 0)
}

// Run runs the jobs until ctx ends, and then waits for those that are running;
// their contexts end with ctx.
func (s *Scheduler) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(s.step(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		}
	}
	s.running.Wait()
}

// step starts what is due and returns the time until the next beat.
func (s *Scheduler) step(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.moved = now
	for len(s.due) > 0 && !s.due[0].next.After(now) {
		j := s.due[0]
		beat := j.next
		// Beats that were missed, in a machine that slept, are not made up for.
		j.next = beat.Add(j.Interval * (1 + now.Sub(beat)/j.Interval))
		heap.Fix(&s.due, 0)
		switch {
		case j.waiting || j.again: // still
		case j.running:
			j.again, j.since = true, beat
		default:
			s.enqueue(j, beat)
		}
	}
	for s.free > 0 && len(s.ready) > 0 {
		j := s.ready[0]
		s.ready = s.ready[1:]
		j.waiting = false
		if !j.gone {
			s.start(ctx, j, now)
		}
	}
	if len(s.due) == 0 {
		return time.Hour
	}
	return s.due[0].next.Sub(now)
}

func (s *Scheduler) enqueue(j *job, since time.Time) {
	j.waiting, j.since = true, since
	s.ready = append(s.ready, j)
}

func (s *Scheduler) start(ctx context.Context, j *job, now time.Time) {
	if s.started != nil {
		s.started(now.Sub(j.since))
	}
	s.free--
	j.running = true
	t := turn{j, j.Key, j.Run, j.Timeout}
	select {
	case s.next <- t:
		s.idle--
	default:
		s.running.Go(func() { s.work(ctx, t) })
	}
}

// turn is one run of a job, as the job was then.
type turn struct {
	j       *job
	key     string
	run     func(context.Context)
	timeout time.Duration
}

// work does one turn, and others while there are few who could.
func (s *Scheduler) work(ctx context.Context, t turn) {
	for {
		s.do(ctx, t)
		if !s.stays() {
			return
		}
		select {
		case t = <-s.next:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Scheduler) do(ctx context.Context, t turn) {
	defer func() {
		if v := recover(); v != nil && s.panicked != nil {
			s.panicked(t.key, v, debug.Stack())
		}
		s.ended(t.j)
	}()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	t.run(ctx)
}

// stays reports whether a worker should wait for another turn.
func (s *Scheduler) stays() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle == maxIdle {
		return false
	}
	s.idle++
	return true
}

func (s *Scheduler) ended(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	j.running, j.again = false, false
	if s.leaving[j.Key] == j {
		delete(s.leaving, j.Key)
	}
	if len(s.ready) > 0 {
		s.poke()
	}
}

func (s *Scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// queue is a heap of jobs, the next beat first.
type queue []*job

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].next.Before(q[j].next) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].index, q[j].index = i, j }
func (q *queue) Push(x any) {
	j := x.(*job)
	j.index = len(*q)
	*q = append(*q, j)
}
func (q *queue) Pop() any {
	j := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	j.index = -1
	return j
}
