//go:build lab

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/capture"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// The logins at a cluster's instances follow the one by its name side by side, and take seven round trips more at
// most, though two of the lab's instances announce services of their own.
func TestLabRoundTripsOfACluster(t *testing.T) {
	labtest.Up(t)
	flags := append(labtest.Break(t, "db-plugin-missing"), "--instances")
	labtest.Run(t, "heal")
	labtest.Fault(t, "fault", "delay", "all", "110")
	var counted []int
	for range 5 {
		recording := labtest.Record(t)
		r, code := labCheck(t, t.TempDir(), flags...)
		packets := recording.Stop()
		wantHealthy(t, r, code)
		n := capture.RoundTrips(packets, 220*time.Millisecond)
		if n <= 7+7 {
			return
		}
		counted = append(counted, n)
	}
	t.Errorf("%d round trips in a row, want 14 at most", slices.Max(counted))
}
