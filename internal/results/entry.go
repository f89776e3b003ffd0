// Package results keeps what each probe saw last, since when it fails, and a
// short history for small charts. It reads results and decides nothing about
// them.
package results

import (
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Point is one run of a probe, for a chart.
type Point struct {
	At      time.Time
	Seconds float32
	Outcome probe.Outcome
}

// Entry is what is known of one probe.
type Entry struct {
	Result       probe.Result
	FailingSince time.Time // zero: not failing
	LastSuccess  time.Time // zero: never
	Interval     time.Duration
	History      []Point // oldest first, at most 60
}
