//go:build lab

package main

import (
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/capture"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// A healthy check is done after eight round trips, counted from a capture: the
// login's own seven, the question for the cluster's instances, and nothing that any other probe adds.
// The exact count, which no machine disturbs, is held by internal/check.
func TestLabRoundTrips(t *testing.T) {
	labtest.Up(t)
	roundTrips(t, 8, labtest.Break(t, "none"))
}

// The logins at a cluster's instances follow the one by its name side by side, and take seven round trips more at
// most, though two of the lab's instances announce services of their own.
func TestLabRoundTripsOfACluster(t *testing.T) {
	labtest.Up(t)
	flags := labtest.Break(t, "db-plugin-missing")
	labtest.Run(t, "heal")
	roundTrips(t, 7+7, append(flags, "--instances"))
}

// roundTrips checks that a healthy check takes so many round trips at most. A busy machine adds to what
// is counted and never takes away, so one count of several will do, with round trips
// that are long beside what the machine adds.
func roundTrips(t *testing.T, most int, flags []string) {
	t.Helper()
	labtest.Fault(t, "fault", "delay", "all", "110")
	var counted []int
	for range 5 {
		recording := labtest.Record(t)
		r, code := labCheck(t, t.TempDir(), flags...)
		packets := recording.Stop()
		wantHealthy(t, r, code)
		n := capture.RoundTrips(packets, 220*time.Millisecond)
		if n <= most {
			return
		}
		counted = append(counted, n)
	}
	t.Errorf("%d round trips in a row, want %d at most", counted, most)
}
