package daemon

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/plan"
)

// Hundreds of searches that end while a plan is made need one more plan, which has
// what all of them found, and none of them waits for the one under way.
func TestSearchesThatEndTogetherPlanOnce(t *testing.T) {
	var learnt, seen atomic.Int64
	var plans int
	begun, release := make(chan struct{}), make(chan struct{})
	p := &planning{
		known: func([]netip.AddrPort) discover.Known { seen.Store(learnt.Load()); return discover.Known{} },
		apply: func(*setup, []plan.Job, []plan.Job) {
			if plans++; plans == 1 {
				close(begun)
				<-release
			}
		},
		setup: &setup{cfg: &config.Config{}, planner: plan.New(&config.Config{}, plan.World{})},
	}
	var all sync.WaitGroup
	all.Go(p.again)
	<-begun
	const searches = 300
	var returned sync.WaitGroup
	first := make(chan struct{})
	all.Go(func() { learnt.Add(1); close(first); p.again() }) // the one that waits
	<-first
	for !p.waiting.Load() { // it is about to: nothing else can set it
	}
	for range searches - 1 {
		returned.Go(func() { learnt.Add(1); p.again() })
	}
	returned.Wait() // while the first plan is still under way
	close(release)
	all.Wait()
	if plans != 2 || seen.Load() != searches {
		t.Errorf("%d plans, the last one with %d of %d findings", plans, seen.Load(), searches)
	}
}

// Whoever gets a new plan, or makes a new setup, may read the present one: once that
// waited for itself, and everybody else for as long as a plan was made.
func TestPlanningIsReadWhileItChanges(t *testing.T) {
	first := &setup{cfg: &config.Config{}, planner: plan.New(&config.Config{}, plan.World{})}
	second := *first
	p := &planning{known: func([]netip.AddrPort) discover.Known { return discover.Known{} }, setup: first}
	var seen []*setup
	p.apply = func(*setup, []plan.Job, []plan.Job) { seen = append(seen, p.current()) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.change(func(*setup) *setup { seen = append(seen, p.current()); return &second })
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for itself")
	}
	if len(seen) != 2 || seen[0] != first || seen[1] != &second {
		t.Errorf("%v", seen)
	}
}
