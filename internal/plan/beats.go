package plan

import (
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/internal/schedule"
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
func (p *Planner) pace(jobs []Job) {
	leads := leadingQuestions(jobs)
	others := map[netip.AddrPort]int{}
	for i, j := range jobs {
		id := j.Targets[0].ID
		if id.Kind == probe.DNS && leads[wayOf(id)] != i {
			others[id.Address]++
		}
	}
	beats := p.cfg.Probes
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

// Pull is a job that runs once out of turn: at once, or at a moment within a span
// that is its host's own.
type Pull struct {
	Key    string
	Within time.Duration
}

// At returns when a host makes a pull, counted from the fault: a fleet that sees one
// fault does not ask in step.
func (p Pull) At(host string) time.Duration {
	if p.Within <= 0 {
		return 0
	}
	return schedule.Place(host, p.Key, p.Within)
}

// After returns what is to be asked out of turn when a probe has begun to fail or to
// work, so that what is found is not made of old and new. The same port is asked at
// once over the other transport: that is the second round of this address. The other
// ports of the machine follow within two intervals, and one way to each other machine
// of the realm within one: all hosts of a fleet see a controller die, and must not add to it.
func (p *Planner) After(jobs []Job, res probe.Result) (out []Pull) {
	id := res.ID
	if !id.Address.IsValid() {
		return nil
	}
	ports, machines := map[netip.AddrPort]bool{id.Address: true}, map[netip.Addr]bool{id.Address.Addr(): true}
	for _, j := range jobs {
		to := j.Targets[0].ID
		switch {
		case j.Gone:
		case id.Kind == probe.Database || id.Kind == probe.Login:
			if to.Kind == probe.DNS && sameDatabase(j, res) || to.Kind == probe.KDC && j.Prompt && sameRealm(j, res) && id.Kind == probe.Login {
				out = append(out, Pull{Key: j.Key})
			}
		case !j.Leads || !j.Prompt:
		case to.Kind == id.Kind && to.Address == id.Address:
			if to.Transport != id.Transport {
				out = append(out, Pull{Key: j.Key})
			}
		case to.Address.Addr() == id.Address.Addr():
			if j.Beat > p.cfg.Probes.Interval && !ports[to.Address] {
				ports[to.Address] = true
				out = append(out, Pull{Key: j.Key, Within: 2 * p.cfg.Probes.Interval})
			}
		case res.Outcome == probe.Failed && to.Kind == probe.KDC && to.Transport == probe.TCP && sameRealm(j, res) && !machines[to.Address.Addr()]:
			machines[to.Address.Addr()] = true
			out = append(out, Pull{Key: j.Key, Within: p.cfg.Probes.Interval})
		}
	}
	return out
}

// OnceMore returns a job that is to be asked once more since it has begun to fail, where
// its beat is a long one and the machine works otherwise: one bad moment must not show
// for ten minutes. works reports whether the latest result of a probe is good.
func (p *Planner) OnceMore(jobs []Job, res probe.Result, works func(probe.ID) bool) (Pull, bool) {
	key, oftenAsked, alive := "", false, false
	for _, j := range jobs {
		to := j.Targets[0].ID
		switch {
		case to == res.ID && j.Prompt && j.Beat > p.cfg.Probes.Interval:
			key = j.Key
		case j.Leads && j.Beat <= p.cfg.Probes.Interval && to.Address.Addr() == res.ID.Address.Addr():
			oftenAsked, alive = true, alive || works(to)
		}
	}
	return Pull{Key: key, Within: p.cfg.Probes.Interval}, key != "" && res.Outcome == probe.Failed && (alive || !oftenAsked)
}

func sameRealm(j Job, res probe.Result) bool {
	realm := res.Facts[probe.FactRealm]
	return realm != "" && j.Targets[0].Facts[probe.FactRealm] == realm
}

func sameDatabase(j Job, res probe.Result) bool {
	db := res.Facts[probe.FactDatabase]
	return db != "" && j.Targets[0].Facts[probe.FactDatabase] == db
}
