package results

import (
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Job is what the plan says of a job, as far as its results depend on it.
type Job struct {
	Key         string
	Asks        []probe.ID
	Beat, Limit time.Duration // between two runs, and of one run
	// Slow: it is not asked at each beat of the other probes, so its result may
	// be older than a fault that they show.
	Slow bool
	// Leads: it shows whether the way is open that slow probes go too: one port of a
	// server over one transport.
	Leads bool
	Gone  bool // DNS has let go of its address
	Aside bool // the first round is over without it
}

// state is a job, and when it ran. It outlives a plan.
type state struct {
	Job
	since time.Time // when it was first planned
	ran   time.Time // when it last ended; zero: never
}

// Expect sets which jobs there are from now on. What no job asks is forgotten.
func (s *Store) Expect(jobs []Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.jobs
	s.jobs, s.expected, s.waiting = make(map[string]*state, len(jobs)), make(map[probe.ID]*state, len(jobs)), 0
	for _, j := range jobs {
		st := before[j.Key]
		if st == nil {
			st = &state{since: time.Now()}
		}
		st.Job = j
		s.jobs[j.Key] = st
		for _, id := range j.Asks {
			if s.expected[id] == nil {
				s.expected[id] = st
			}
		}
		if st.ran.IsZero() && !st.Aside {
			s.waiting++
		}
	}
	s.forget()
}

// Replace sets which results come with the one of a probe from now on: the
// issues of a file, say. Those that came with it before, and are not among them,
// are forgotten. It reports whether the probe itself is expected.
func (s *Store) Replace(of probe.ID, parts []probe.Result) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for part, whole := range s.parts {
		if whole == of {
			delete(s.parts, part)
		}
	}
	if s.expected[of] == nil {
		return false
	}
	for _, p := range parts {
		s.parts[p.ID] = of
	}
	s.forget()
	return true
}

// keeps reports whether a probe's result is wanted.
func (s *Store) keeps(id probe.ID) bool {
	if s.expected[id] != nil {
		return true
	}
	whole, is := s.parts[id]
	return is && s.expected[whole] != nil
}

func (s *Store) forget() {
	for part, whole := range s.parts {
		if s.expected[whole] == nil {
			delete(s.parts, part)
		}
	}
	for id := range s.entries {
		if !s.keeps(id) {
			delete(s.entries, id)
		}
	}
}

// Ran takes note that a job has ended, and reports whether all jobs have run at
// least once.
func (s *Store) Ran(key string) (all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[key]
	if j == nil {
		return false
	}
	if j.ran.IsZero() && !j.Aside {
		s.waiting--
	}
	j.ran = time.Now()
	return s.waiting == 0
}

// Due reports whether a job is planned and has never run.
func (s *Store) Due(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[key]
	return j != nil && j.ran.IsZero()
}

// Stalled returns how many jobs have not run although they should have, which
// has not for longest, and for how long.
func (s *Store) Stalled() (n int, longest time.Duration, which string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, j := range s.jobs {
		since := j.stalled(time.Now())
		if since > 0 {
			n++
		}
		if since > longest {
			longest, which = since, key
		}
	}
	return n, longest, which
}

// stalled is for how long a job has not run although it should have, at three
// beats at least; 0 where it has.
func (j *state) stalled(now time.Time) time.Duration {
	last := j.since
	if j.ran.After(last) {
		last = j.ran
	}
	if since := now.Sub(last); since > 3*j.Beat+j.Limit {
		return since
	}
	return 0
}
