package diagnose

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Eight times the realms take some eight times the CPU to explain: with a look at
// everything for each realm it was 40 times, and a daemon with 300 realms that
// fail was not ready within a minute.
func TestManyRealmsAreExplainedInProportion(t *testing.T) {
	runtime.LockOSThread() // its own CPU time, whatever else runs on the machine
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u syscall.Rusage
		const thread = 1 // RUSAGE_THREAD
		if err := syscall.Getrusage(thread, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	took := func(n int) time.Duration {
		results := manyRealms(n)
		quickest := time.Hour
		for range 3 { // the collector of garbage only adds
			begun := used()
			Explain(Snapshot{Results: results, Now: testNow})
			quickest = min(quickest, used()-begun)
		}
		return quickest
	}
	few, many := took(50), took(400)
	ratio := float64(many) / float64(few)
	if t.Logf("%v and %v", few, many); ratio > 20 {
		t.Errorf("50 realms take %v, 400 take %v: %.0f times as long", few, many, ratio)
	}
}
