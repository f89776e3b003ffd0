package results

import (
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// historyLength is how many runs a chart shows: a quarter of an hour at the
// usual beat.
const historyLength = 60

// Store holds the latest result of each probe. It may be used by several
// goroutines.
type Store struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[probe.ID]*entry
}

// entry is an Entry with its history packed: there may be ten thousand.
type entry struct {
	Entry
	points []point
	next   int // where the next point goes, once there are historyLength
}

type point struct {
	at      int64 // Unix, ns
	seconds float32
	outcome uint8 // index in outcomes
}

func outcomes() []probe.Outcome { return []probe.Outcome{probe.OK, probe.Failed, probe.Skipped} }

// New gives an empty table.
func New(now func() time.Time) *Store {
	return &Store{now: now, entries: map[probe.ID]*entry{}}
}

// Put takes the result of a run. changed says that it is another outcome or
// reason than the run before had, or that there was none.
func (t *Store) Put(res probe.Result, interval time.Duration) (changed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[res.ID]
	if e == nil {
		e, changed = &entry{}, true
		t.entries[res.ID] = e
	}
	changed = changed || e.Result.Outcome != res.Outcome || e.Result.Reason != res.Reason
	switch {
	case res.Outcome == probe.OK:
		e.FailingSince, e.LastSuccess = time.Time{}, res.Started
	case res.Outcome == probe.Failed && e.FailingSince.IsZero():
		e.FailingSince = res.Started
	case res.Started.Before(e.FailingSince): // the clock was set back
		e.FailingSince = res.Started
	}
	again := res.Started.Equal(e.Result.Started) // an old refusal, remembered once more: no run
	e.Result, e.Interval = res, interval
	if again {
		return changed
	}
	e.note(point{res.Started.UnixNano(), float32(res.Duration.Seconds()), uint8(slices.Index(outcomes(), res.Outcome))})
	return changed
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

// Retain forgets the probes that are not to be kept.
func (t *Store) Retain(keep func(probe.ID) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.entries {
		if !keep(id) {
			delete(t.entries, id)
		}
	}
}

// Entries gives a copy of all, in the ladder's order.
func (t *Store) Entries() []Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Entry
	for _, e := range t.sorted() {
		c := e.Entry
		c.History = e.history()
		out = append(out, c)
	}
	return out
}

// Snapshot gives the latest results to be explained, in the ladder's order.
func (t *Store) Snapshot(limits diagnose.Limits) diagnose.Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := diagnose.Snapshot{Now: t.now(), FailingSince: map[probe.ID]time.Time{}, Limits: limits}
	for _, e := range t.sorted() {
		s.Results = append(s.Results, e.Result)
		if !e.FailingSince.IsZero() {
			s.FailingSince[e.Result.ID] = e.FailingSince
		}
	}
	return s
}

func (t *Store) sorted() []*entry {
	all := make([]*entry, 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return probe.Compare(&a.Result, &b.Result) })
	return all
}
