package guard

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// longestPause is the time between two questions to a KDC that says it cannot
// serve.
const longestPause = 5 * time.Minute

// Overload is which KDCs have said that they cannot serve now, and until when
// they are left alone.
type Overload struct {
	mu   sync.Mutex
	kdcs map[netip.AddrPort]relief
}

type relief struct {
	until time.Time
	wait  time.Duration
	host  string
}

// Spares reports whether a KDC is to be left alone.
func (o *Overload) Spares(at netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Before(o.kdcs[at].until)
}

// Heard takes in what a KDC said. Each time that it still cannot serve, the
// wait is twice as long.
func (o *Overload) Heard(res probe.Result, interval time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := res.ID.Address
	if res.Reason != probe.ReasonKRBServiceUnavailable {
		if res.Outcome == probe.OK {
			delete(o.kdcs, at)
		}
		return
	}
	r := o.kdcs[at]
	if time.Now().Before(r.until) { // the other transport has just heard the same
		return
	}
	r.host, r.wait = res.ID.Target, min(max(2*r.wait, interval), longestPause)
	r.until = time.Now().Add(r.wait)
	if o.kdcs == nil {
		o.kdcs = map[netip.AddrPort]relief{}
	}
	o.kdcs[at] = r
}

// Retain forgets the KDCs that are no longer asked.
func (o *Overload) Retain(asked map[netip.AddrPort]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.kdcs, func(at netip.AddrPort, _ relief) bool { return !asked[at] })
}

// Notes reports which KDCs are asked less often.
func (o *Overload) Notes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for at, r := range o.kdcs {
		out = append(out, fmt.Sprintf("KDC %s (%s) says that it cannot serve: it is asked every %s, not more often", r.host, at, schedule.Brief(r.wait)))
	}
	slices.Sort(out)
	return out
}
