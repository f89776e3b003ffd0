package ledger

import "time"

// Uptime returns the time since this host's boot, which nobody can set, and what
// tells that boot from others. An empty boot: neither is known.
type Uptime func() (boot string, up time.Duration)

// instant is one moment by two clocks.
type instant struct {
	At   time.Time     `json:"at"`
	Boot string        `json:"boot"`
	Up   time.Duration `json:"up"` // in nanoseconds
}

// setAhead is how far the clock may run away from the time since boot between two
// looks without having been set: it is slewed by less.
const setAhead = time.Second

// instant returns the present one; nil where the time since boot is not known.
func (l *Ledger) instant() *instant {
	if l.uptime == nil {
		return nil
	}
	boot, up := l.uptime()
	if boot == "" {
		return nil
	}
	return &instant{At: l.now(), Boot: boot, Up: up}
}

// follow moves the times in a record by what the clock was set ahead since it was
// written: an hour is an hour by the time since boot, or setting the clock would
// free an account's attempts. After another boot the clock is believed.
func (r *account) follow(now *instant) {
	w := r.Written
	if w == nil || now == nil || w.Boot != now.Boot {
		return
	}
	ahead := now.At.Sub(w.At) - (now.Up - w.Up)
	if ahead <= setAhead {
		return // one that is set back is settle's
	}
	for i := range r.Unanswered {
		r.Unanswered[i].Began = r.Unanswered[i].Began.Add(ahead)
	}
	for i := range r.Recent {
		r.Recent[i] = r.Recent[i].Add(ahead)
	}
	for id, ref := range r.Refused {
		r.Refused[id] = refusal{ref.Since.Add(ahead), ref.Reason}
	}
	for _, f := range []*flight{r.InFlight, r.Waiting} {
		if f != nil {
			f.Began = f.Began.Add(ahead)
		}
	}
}
