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
	for i, res := range r.results {
		j, is := r.harmless[res.ID]
		if !is {
			continue
		}
		runs[i] = make([]probe.Result, r.doubts(res))
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

// doubts returns how often a question is asked again. What a DNS server answered late, it may have
// asked somebody else, and has at hand when it is asked again: that proves no loss.
func (r *run) doubts(res probe.Result) int {
	machine, slow, silent := false, 0, 0
	for _, o := range r.results {
		if o.ID.Kind == probe.Login {
			if unanswered(o) == res.ID.Address && res.Outcome == probe.OK && res.ID.Transport == probe.TCP {
				return often
			}
			continue
		}
		same := o.ID.Address == res.ID.Address
		if same && o.ID.Transport == res.ID.Transport && o.Silent() {
			silent++
		}
		if o.Outcome != probe.OK {
			continue
		}
		machine = machine || o.ID.Address.Addr() == res.ID.Address.Addr() || o.ID.Kind == res.ID.Kind && o.ID.Target == res.ID.Target
		if same && isLate(o) {
			slow++
		}
	}
	if res.Silent() && machine && silent < proof || isLate(res) && slow < proof && res.ID.Kind != probe.DNS {
		return 1
	}
	return 0
}

func isLate(r probe.Result) bool { return r.Outcome == probe.OK && r.Duration >= late }

// unanswered returns the KDC that was silent to a login; zero for none.
func unanswered(l probe.Result) netip.AddrPort {
	at, _ := netip.ParseAddrPort(l.Facts[probe.FactUnanswered])
	return at
}
