//go:build lab && soak

package daemon

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// TestSoakGrows is TestRunGrows with as many jobs as one process is made for.
func TestSoakGrows(t *testing.T) { grows(t, 10_000) }

// TestSoakRunFaults is TestLabRunFaults for whatever the lab can break: from the
// fault to its finding in /metrics it takes one interval and two timeouts at most where
// a KDC or a DNS server is silent, and what is asked seldom takes its longer beat.
func TestSoakRunFaults(t *testing.T) {
	labtest.Up(t)
	for _, fault := range strings.Fields(labtest.Run(t, "break", "--list")) {
		t.Run(fault, func(t *testing.T) {
			took, beat := runFault(t, fault)
			t.Logf("%s: %v", fault, took.Round(10*time.Millisecond))
			most := beat.Rare()
			if asked := regexp.MustCompile("^(host-offline|server-down|dns-udp|dns-server-silent|realm-unreachable|clock|kdc-(silent|hung|refused|udp|tcp))"); asked.MatchString(fault) {
				most = beat.Interval
			}
			// A second more is for a busy machine.
			if took > most+2*beat.Timeout+time.Second {
				t.Errorf("in /metrics after %v", took)
			}
		})
	}
}
