package ladder

import (
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// A writer is behind nobody, and what a server did not say is not 0.
func TestLag(t *testing.T) {
	if lag, ok := Lag(&probe.Result{Samples: probe.Samples{probe.SampleReplicaLag: 0.018}}); lag != 18*time.Millisecond || !ok {
		t.Error(lag, ok)
	}
	if _, ok := Lag(&probe.Result{}); ok {
		t.Error("a lag that nobody said")
	}
}
