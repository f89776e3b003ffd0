//go:build lab && soak

package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// TestSoakGrows is TestRunGrows with as many jobs as one process is made for.
func TestSoakGrows(t *testing.T) { grows(t, 10_000) }

// TestSoakRunFaults is TestLabRunFaults for whatever the lab can break: from the
// fault to its finding in /metrics it takes one interval and one timeout at most.
func TestSoakRunFaults(t *testing.T) {
	labtest.Up(t)
	for _, fault := range strings.Fields(labtest.Run(t, "break", "--list")) {
		t.Run(fault, func(t *testing.T) {
			took, beat := runFault(t, fault)
			t.Logf("%s: %v", fault, took.Round(10*time.Millisecond))
			// A second more is for a busy machine.
			if took > beat.Interval+beat.Timeout+time.Second {
				t.Errorf("in /metrics after %v", took)
			}
		})
	}
}
