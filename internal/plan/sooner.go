package plan

import (
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// firstRound is within what time everything is asked once when a host begins alone.
const firstRound = 15 * time.Second

// soonAtInstance is how long a new instance waits for its first login at most; with
// the login itself that is less than a minute.
const soonAtInstance = 30 * time.Second

// Of a fleet that begins as one: within how many intervals names are looked up, what
// leads a way that is asked seldom runs first, and the rest. No server gets more than
// twice of what goes on forever: TestFleet.
const (
	fleetNames = 5
	fleetLeads = 3
	fleetRest  = 8
)

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

// Sooner decides which jobs run before their beat: in the beginning, and when
// something has begun to fail or to work. Nothing of what jobs ask matters to it.
type Sooner struct {
	probes config.Probes
	fleet  bool // this host is one of many
}

// Sooner returns what pulls the jobs of this plan forward.
func (p *Planner) Sooner() Sooner { return Sooner{p.cfg.Probes, p.cfg.Fleet.Hosts > 1} }

// First returns which jobs run for the first time before their beat, and within
// what time.
func (s Sooner) First(jobs []Job) []Pull {
	interval := s.probes.Interval
	var out []Pull
	for _, j := range jobs {
		if j.Aside && s.fleet { // a fleet that begins as one would ask AWS as one
			continue
		}
		within := min(interval, firstRound)
		if s.fleet {
			if within = fleetRest * interval; j.Leads {
				within = fleetLeads * interval
			}
		}
		if j.Instance != "" { // scaling out brings instances that nobody has tried
			within = min(within, soonAtInstance)
		}
		if within < j.Beat || j.Login.User != "" { // logins that are paced may have none in sight
			out = append(out, Pull{Key: j.Key, Within: within})
		}
	}
	return out
}

// FirstNames returns within what time the names are looked up for the first time.
func (s Sooner) FirstNames() time.Duration {
	if s.fleet {
		return fleetNames * s.probes.Interval
	}
	return 0
}

// After returns what is to be asked out of turn when a probe has begun to fail or to
// work, so that what is found is not made of old and new. The same port is asked at
// once over the other transport: that is the second round of this address. The other
// ports of the machine follow within two intervals, and one way to each other machine
// of the realm within one: all hosts of a fleet see a controller die, and must not add to it.
func (s Sooner) After(jobs []Job, res probe.Result) (out []Pull) {
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
			if j.Beat > s.probes.Interval && !ports[to.Address] {
				ports[to.Address] = true
				out = append(out, Pull{Key: j.Key, Within: 2 * s.probes.Interval})
			}
		case res.Outcome == probe.Failed && to.Kind == probe.KDC && to.Transport == probe.TCP && sameRealm(j, res) &&
			!machines[to.Address.Addr()]:
			machines[to.Address.Addr()] = true
			out = append(out, Pull{Key: j.Key, Within: s.probes.Interval})
		}
	}
	return out
}

// OnceMore returns a job that is to be asked once more since it has begun to fail, where
// its beat is a long one and the machine works otherwise: one bad moment must not show
// for ten minutes. works reports whether the latest result of a probe is good.
func (s Sooner) OnceMore(jobs []Job, res probe.Result, works func(probe.ID) bool) (Pull, bool) {
	key, oftenAsked, alive := "", false, false
	for _, j := range jobs {
		to := j.Targets[0].ID
		switch {
		case to == res.ID && j.Prompt && j.Beat > s.probes.Interval:
			key = j.Key
		case j.Leads && j.Beat <= s.probes.Interval && to.Address.Addr() == res.ID.Address.Addr():
			oftenAsked, alive = true, alive || works(to)
		}
	}
	return Pull{Key: key, Within: s.probes.Interval}, key != "" && res.Outcome == probe.Failed && (alive || !oftenAsked)
}

func sameRealm(j Job, res probe.Result) bool {
	realm := res.Facts[probe.FactRealm]
	return realm != "" && j.Targets[0].Facts[probe.FactRealm] == realm
}

func sameDatabase(j Job, res probe.Result) bool {
	db := res.Facts[probe.FactDatabase]
	return db != "" && j.Targets[0].Facts[probe.FactDatabase] == db
}
