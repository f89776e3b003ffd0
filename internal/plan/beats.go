package plan

import (
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/kdc"
)

// way is one port of a server over one transport.
type way struct {
	at        netip.AddrPort
	transport probe.Transport
}

func wayOf(id probe.ID) way { return way{id.Address, id.Transport} }

// pace sets how often each job runs. A KDC is asked every interval over each
// transport, and so is a DNS server over UDP, with the one question that leads
// there. What programs use seldom is asked seldom, and all other questions at a
// DNS server share one place an interval, each at most every Rare.
// TestNoAddressGetsMoreThanItsShare holds this to 5.5 requests an interval.
func pace(beats config.Probes, jobs []Job) {
	leads := leadingQuestions(jobs)
	others := map[netip.AddrPort]int{}
	for i, j := range jobs {
		id := j.Targets[0].ID
		if id.Kind == probe.DNS && leads[wayOf(id)] != i {
			others[id.Address]++
		}
	}
	for i := range jobs {
		j := &jobs[i]
		id := j.Targets[0].ID
		if !id.Address.IsValid() {
			continue
		}
		switch {
		case id.Kind == probe.DNS && leads[wayOf(id)] != i:
			j.Beat = max(beats.Rare(), time.Duration(others[id.Address])*beats.Interval)
		case id.Kind == probe.DNS && id.Transport == probe.TCP, id.Kind == probe.Kpasswd:
			j.Leads, j.Beat = true, beats.Seldom()
		case id.Kind == probe.DNS, id.Kind == probe.KDC:
			j.Leads = true
		}
		j.Every = max(j.Every, j.Beat)
	}
}

// leadingQuestions returns, for each way to a DNS server, the job that shows
// whether it is open: the first question for a realm that the server has itself,
// else the first of all.
func leadingQuestions(jobs []Job) map[way]int {
	leads, own := map[way]int{}, map[way]bool{}
	for i, j := range jobs {
		t := j.Targets[0]
		if t.ID.Kind != probe.DNS {
			continue
		}
		w := wayOf(t.ID)
		_, have := leads[w]
		if mine := t.Facts[probe.FactRole] == probe.RoleRealm; !have || mine && !own[w] {
			leads[w], own[w] = i, mine
		}
	}
	return leads
}

// EveryOf returns the time between two questions of one of a job's probes.
func (j Job) EveryOf(i int) time.Duration {
	if one, is := j.Probes[i].(kdc.Probe); is && one.Large {
		return max(j.Every, j.rare)
	}
	return j.Every
}
