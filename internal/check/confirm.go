package check

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/probe"
)

const (
	// late is from when on an answer is late: libkrb5 waits a second for a datagram, and a SYN
	// that was lost is sent again after one (RFC 6298 §2).
	late = time.Second
	// proof is how many late answers of a server, or silent questions, prove something by themselves.
	proof = 3
	// often is how often a KDC is asked anew that was silent to a login alone.
	often = 3
)

// confirm asks again before a place is accused by what a single question met: one that was
// silent at a machine which answers otherwise, one that was answered late where hardly another was
// asked, and those to a KDC that answered all but a login. Where chance decides, it decides otherwise
// soon. What is dead altogether is not asked again, nor is a database, which counts.
func (r *run) confirm(ctx context.Context) {
	var wg sync.WaitGroup
	runs := make([][]probe.Result, len(r.results))
	d := doubtsOf(r.results)
	for i, res := range r.results {
		j, is := r.harmless[res.ID]
		if !is {
			continue
		}
		runs[i] = make([]probe.Result, d.again(res))
		for n := range runs[i] {
			wg.Go(func() { runs[i][n] = j.AskAgain(ctx, res.ID) })
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return
	}
	for i := range runs {
		for _, again := range runs[i] {
			r.results[i] = probe.Both(r.results[i], again)
		}
	}
}

// keepHarmless notes the questions of a job that may be asked again.
func (r *run) keepHarmless(j plan.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range j.Targets {
		if k := t.ID.Kind; (k == probe.DNS || k == probe.KDC || k == probe.Kpasswd) && t.ID.Address.IsValid() && !j.OddPort {
			r.harmless[t.ID] = j
		}
	}
}

// doubts is what all results of a check say of one another, counted once: 300 realms have 11,000.
type doubts struct {
	silent     map[served]int          // questions without an answer
	slow       map[netip.AddrPort]int  // late answers
	heard      map[netip.Addr]bool     // machines that answered something
	known      map[named]bool          // servers that answered something, by their names
	unanswered map[netip.AddrPort]bool // KDCs that were silent to a login
}

type served struct {
	addr netip.AddrPort
	over probe.Transport
}

type named struct {
	kind   probe.Kind
	target string
}

func doubtsOf(results []probe.Result) doubts {
	d := doubts{map[served]int{}, map[netip.AddrPort]int{}, map[netip.Addr]bool{}, map[named]bool{}, map[netip.AddrPort]bool{}}
	for _, r := range results {
		switch {
		case r.ID.Kind == probe.Login:
			if at, err := netip.ParseAddrPort(r.Facts[probe.FactUnanswered]); err == nil {
				d.unanswered[at] = true
			}
		case r.Silent():
			d.silent[served{r.ID.Address, r.ID.Transport}]++
		case r.Outcome == probe.OK:
			d.heard[r.ID.Address.Addr()], d.known[named{r.ID.Kind, r.ID.Target}] = true, true
			if isLate(r) {
				d.slow[r.ID.Address]++
			}
		}
	}
	return d
}

// again returns how often a question is asked again. What a DNS server answered late, it may have
// asked somebody else, and has at hand when it is asked again: that proves no loss.
func (d doubts) again(r probe.Result) int {
	at := r.ID.Address
	switch {
	case r.Outcome == probe.OK && r.ID.Transport == probe.TCP && d.unanswered[at]:
		return often
	case r.Silent() && (d.heard[at.Addr()] || d.known[named{r.ID.Kind, r.ID.Target}]) && d.silent[served{at, r.ID.Transport}] < proof:
		return 2 // each waits half as long as the first did
	case isLate(r) && r.ID.Kind != probe.DNS && d.slow[at] < proof:
		return 1
	}
	return 0
}

func isLate(r probe.Result) bool { return r.Outcome == probe.OK && r.Duration >= late }
