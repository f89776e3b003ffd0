package guard

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// Pace keeps questions apart that may not come often. The zero Pace is ready to
// be used, by several goroutines.
type Pace struct {
	now func() time.Time // nil: time.Now

	mu   sync.Mutex
	last map[string]time.Time // per place: when it was last asked
}

// Take reports whether a place may be asked now, and takes note that it is.
func (p *Pace) Take(place string, every time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A beat may come a little early.
	if t, ok := p.last[place]; ok && p.clock().Sub(t) < every-time.Second {
		return false
	}
	p.note(place)
	return true
}

// Asked takes note of a question that needed no leave.
func (p *Pace) Asked(place string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(place)
}

func (p *Pace) note(place string) {
	if p.last == nil {
		p.last = map[string]time.Time{}
	}
	p.last[place] = p.clock()
}

func (p *Pace) clock() time.Time {
	if p.now == nil {
		return time.Now()
	}
	return p.now()
}

// Forget drops what is too long ago to hold anything back.
func (p *Pace) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.last, func(_ string, t time.Time) bool { return p.clock().Sub(t) > 2*deliberate })
}

// newPortsHour is how many addresses at ports that only SRV records name are
// asked for the first time within an hour.
const newPortsHour = 256

// newPorts is where ports were asked at an SRV record's word: once an hour,
// until something there has answered as it should.
type newPorts struct {
	mu     sync.Mutex
	asked  map[netip.AddrPort]time.Time
	proven map[netip.AddrPort]bool
}

// take reports whether a port may be asked now, and takes note that it is.
func (p *newPorts) take(at netip.AddrPort, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proven[at] {
		return true
	}
	maps.DeleteFunc(p.asked, func(_ netip.AddrPort, t time.Time) bool { return now.Sub(t) >= time.Hour })
	if _, ok := p.asked[at]; ok || len(p.asked) >= newPortsHour {
		return false
	}
	if p.asked == nil {
		p.asked = map[netip.AddrPort]time.Time{}
	}
	p.asked[at] = now
	return true
}

// answered takes note that a server answered as its protocol has it.
func (p *newPorts) answered(at netip.AddrPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.proven == nil || len(p.proven) >= newPortsHour {
		p.proven = map[netip.AddrPort]bool{}
	}
	p.proven[at] = true
}
