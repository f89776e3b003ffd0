package awstest

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// event is something that happens by itself, later.
type event struct {
	at  time.Time
	run func(st *state, at time.Time)
}

// version is the state as it was from a time on, for reads that lag.
type version struct {
	at    time.Time
	state *state
}

// keptVersions bounds the history of a test that never looks back.
const keptVersions = 64

// Now is the fake clock.
func (c *Cloud) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Cloud) now() time.Time {
	if c.options.Now != nil {
		return c.options.Now().Add(c.offset)
	}
	return c.start.Add(c.offset)
}

// Advance moves the fake clock, and all that happens by itself until then happens.
func (c *Cloud) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
	c.settle()
}

// after makes something happen at a time of the fake clock, or sooner where
// Options.Slowest says so.
func (c *Cloud) after(at time.Time, run func(st *state, at time.Time)) {
	if slowest := c.now().Add(c.options.Slowest); c.options.Slowest > 0 && at.After(slowest) {
		at = slowest
	}
	c.events = append(c.events, event{at, run})
	slices.SortStableFunc(c.events, func(a, b event) int { return a.at.Compare(b.at) })
}

// settle makes happen what is due, in order; what happens may make more due.
func (c *Cloud) settle() {
	now := c.now()
	for len(c.events) > 0 && !c.events[0].at.After(now) {
		e := c.events[0]
		c.events = c.events[1:]
		e.run(c.state, e.at)
		c.history = append(c.history, version{e.at, c.state.clone()})
	}
	c.forget()
}

// remember keeps the state as it is now for reads that lag.
func (c *Cloud) remember() {
	c.history = append(c.history, version{c.now(), c.state.clone()})
	c.forget()
}

func (c *Cloud) forget() {
	if n := len(c.history); n > keptVersions {
		c.history = slices.Delete(c.history, 0, n-keptVersions)
	}
}

// view is the state that a read sees: by the lag of the cloud, and one change
// older where it is stale.
func (c *Cloud) view(stale bool) *state {
	seen := c.now().Add(-c.options.ReadLag)
	i := len(c.history) - 1
	for i > 0 && c.history[i].at.After(seen) {
		i--
	}
	if stale && i > 0 {
		i--
	}
	return c.history[i].state
}

// sorted returns the values of a map in the order of their keys.
func sorted[K cmp.Ordered, V any](m map[K]V) []V {
	values := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[k])
	}
	return values
}
