package plan

import "time"

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

// First returns which jobs run for the first time before their beat, and within
// what time.
func (p *Planner) First(jobs []Job) []Pull {
	interval := p.cfg.Probes.Interval
	var out []Pull
	for _, j := range jobs {
		if j.Aside && p.cfg.Fleet.Hosts > 1 { // a fleet that begins as one would ask AWS as one
			continue
		}
		within := min(interval, firstRound)
		if p.cfg.Fleet.Hosts > 1 {
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
func (p *Planner) FirstNames() time.Duration {
	if p.cfg.Fleet.Hosts > 1 {
		return fleetNames * p.cfg.Probes.Interval
	}
	return 0
}
