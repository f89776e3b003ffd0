package results

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// historyLength is how many runs a chart shows: 50 minutes of a KDC at the usual beat.
const historyLength = 60

// Store holds the latest result of each probe that is planned. It may be used
// by several goroutines.
type Store struct {
	now  func() time.Time
	seed maphash.Seed

	mu         sync.Mutex
	jobs       map[string]*state     // the jobs, by key
	expected   map[probe.ID]*state   // the job that asks each probe
	parts      map[probe.ID]probe.ID // results that come with another one, and with which
	entries    map[probe.ID]*entry
	pending    map[probe.ID]*entry // what is shown of probes that have no result yet
	unrecorded []News
	waiting    int // jobs that have not run yet
}

// entry is an Entry with its history packed: there may be ten thousand.
type entry struct {
	Entry
	good   probe.Facts // the facts of the last success
	print  uint64      // a fingerprint of the result's content
	heard  uint64      // of the latest in which the peer said something; 0: it never did
	begun  time.Time   // when the first result was
	turned time.Time   // when the outcome became what it is
	came   time.Time   // when the result was put; with a monotonic reading
	points []point
	next   int // where the next point goes, once there are historyLength
}

type point struct {
	at      int64 // Unix, ns
	seconds float32
	outcome uint8 // index in outcomes
}

func outcomes() []probe.Outcome { return []probe.Outcome{probe.OK, probe.Failed, probe.Skipped} }

// New returns an empty store that expects nothing. now is the wall clock.
func New(now func() time.Time) *Store {
	return &Store{now: now, seed: maphash.MakeSeed(), jobs: map[string]*state{}, expected: map[probe.ID]*state{},
		parts: map[probe.ID]probe.ID{}, entries: map[probe.ID]*entry{}, pending: map[probe.ID]*entry{}}
}

// Change describes what is new in a result.
type Change struct {
	First  bool // there was none before
	Says   bool // it says something else than the one before, if only a detail
	Turned bool // it has another outcome or reason than the one before
	// Answers: the peer says something else than when it was last heard.
	Answers bool
}

// Put takes the result of a run; interval is the time to the next. A result
// that nobody expects is not taken: its probe was given up meanwhile.
func (s *Store) Put(res probe.Result, interval time.Duration) (c Change, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.keeps(res.ID) {
		return Change{}, false
	}
	e := s.entries[res.ID]
	if e == nil {
		e, c.First = &entry{begun: res.Started}, true
		s.entries[res.ID] = e
	}
	if unheard(e.Result) && !c.First && res.Outcome == probe.OK && res.Samples[probe.SampleResends] > 0 {
		res.Samples = maps.Clone(res.Samples) // it came back while it was asked: no packet was lost
		delete(res.Samples, probe.SampleResends)
	}
	print := fingerprint(s.seed, res)
	c.Says = print != e.print
	c.Turned = c.First || e.Result.Outcome != res.Outcome || e.Result.Reason != res.Reason
	if c.Turned {
		e.turned = res.Started
	}
	if !unheard(res) && res.Outcome != probe.Skipped {
		c.Answers = e.heard != 0 && e.heard != print
		e.heard = print
	}
	switch {
	case res.Outcome == probe.OK:
		e.FailingSince, e.LastSuccess, e.good = time.Time{}, res.Started, res.Facts
	case res.Outcome == probe.Failed && e.FailingSince.IsZero():
		e.FailingSince = res.Started
	case res.Started.Before(e.FailingSince): // the clock was set back
		e.FailingSince = res.Started
	}
	e.Result, e.Interval, e.print, e.came = res, interval, print, time.Now()
	e.note(point{res.Started.UnixNano(), float32(res.Duration.Seconds()), uint8(slices.Index(outcomes(), res.Outcome))})
	if res.Outcome == probe.Failed && res.Facts[probe.FactRefusedAt] == "" || c.Says {
		s.unrecorded = append(s.unrecorded, News{Result: res, LastGood: e.LastSuccess, Good: e.good})
	}
	return c, true
}

// fingerprint changes when a result says something else: not with its times,
// nor with a clock that drifts by less than a second.
func fingerprint(seed maphash.Seed, res probe.Result) uint64 {
	all := maphash.String(seed, string(res.Outcome)+" "+string(res.Reason))
	for k, v := range res.Facts { // in any order
		all += maphash.String(seed, string(k)+"="+v)
	}
	if skew, ok := res.Samples[probe.SampleSkew]; ok {
		all += maphash.Comparable(seed, math.Round(skew))
	}
	return all
}

// Pend sets what is shown of probes until each has its first result: that it has
// not had its turn.
func (s *Store) Pend(instead []probe.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pending)
	for _, r := range instead {
		if s.entries[r.ID] == nil {
			s.pending[r.ID] = &entry{Entry: Entry{Result: r}}
		}
	}
}

// Has reports whether there is a result of a probe.
func (s *Store) Has(id probe.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[id] != nil
}

// Fresh reports whether the latest result of a probe is good, and came within a span.
func (s *Store) Fresh(id probe.ID, within time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[id]
	return e != nil && e.Result.Outcome == probe.OK && time.Since(e.came) < within
}

// News is a result that is worth a record, with the last success of its probe.
type News struct {
	probe.Result
	LastGood time.Time // zero: none yet
	Good     probe.Facts
}

// Unrecorded returns what came since it was last called and is worth a record:
// failures, and results that say something new.
func (s *Store) Unrecorded() []News {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.unrecorded
	s.unrecorded = nil
	return out
}

// Entries returns a copy of what is shown, in the ladder's order.
func (s *Store) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Entry
	for _, e := range s.sorted() {
		c := e.Entry
		c.History = e.history()
		out = append(out, c)
	}
	return out
}

// sorted leaves out what fails at an address that DNS has let go of: that is
// nobody's trouble.
func (s *Store) sorted() []*entry {
	all := make([]*entry, 0, len(s.entries))
	for id, e := range s.entries {
		if j := s.expected[id]; j == nil || !j.Gone || e.Result.Outcome == probe.OK {
			all = append(all, e)
		}
	}
	for id, e := range s.pending {
		if s.entries[id] == nil && s.expected[id] != nil {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return probe.Compare(&a.Result, &b.Result) })
	return all
}

func (e *entry) note(p point) {
	if len(e.points) < historyLength {
		e.points = append(e.points, p)
		return
	}
	e.points[e.next] = p
	e.next = (e.next + 1) % historyLength
}

func (e *entry) history() []Point {
	out := make([]Point, 0, len(e.points))
	for i := range e.points {
		p := e.points[(e.next+i)%len(e.points)]
		out = append(out, Point{time.Unix(0, p.at), p.seconds, outcomes()[p.outcome]})
	}
	return out
}

// unheard reports whether nobody said anything to a probe.
func unheard(r probe.Result) bool {
	switch r.Reason {
	case probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonRefused, probe.ReasonUnreachable,
		probe.ReasonForbidden, probe.ReasonClosed, probe.ReasonUnresolvable:
		return true
	}
	return false
}
