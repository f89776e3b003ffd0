package results

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe"
)

// errOutdated is why a result is stale although it is the latest of its probe.
var errOutdated = errors.New("not asked since nothing on the way there answers any more")

// Snapshot returns the latest results to be explained, in the ladder's order.
// One that is stale counts as not asked: its job does not run, or nothing on the
// way there has answered since.
func (s *Store) Snapshot(limits diagnose.Limits) diagnose.Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := diagnose.Snapshot{Now: s.now(), FailingSince: map[probe.ID]time.Time{}, Limits: limits}
	for _, e := range s.sorted() {
		snap.Results = append(snap.Results, e.Result)
	}
	for id, e := range s.entries {
		if !e.FailingSince.IsZero() {
			snap.FailingSince[id] = e.FailingSince
		}
	}
	way := wayOf(snap.Results, s.slow, s.leads)
	for i := range snap.Results {
		r := &snap.Results[i]
		if j := s.expected[r.ID]; j != nil {
			if since := j.stalled(time.Now()); since > 0 {
				r.Outcome, r.Reason, r.Err = probe.Skipped, probe.ReasonNotAsked, fmt.Errorf("not asked for %s", schedule.Brief(since))
			}
		}
		if s.slow(r.ID) && (r.Outcome == probe.OK && way.closed(*r) || way.reopened(*r)) {
			r.Outcome, r.Reason, r.Err = probe.Skipped, probe.ReasonNotAsked, errOutdated
		}
	}
	return snap
}

// slow reports whether a probe is asked less often than every interval.
func (s *Store) slow(id probe.ID) bool {
	j := s.expected[id]
	return j != nil && j.Slow
}

// way is what the probes of every interval show of the network path to the goals
// of the slow probes.
type way struct {
	all       stretch       // the stretch to any server at all
	ports     map[port]lead // the stretch to each port of a server, over each transport
	machines  map[netip.Addr]stretch
	realms    map[string]stretch // the stretch to each realm's KDCs
	databases map[string]stretch // the stretch to the addresses of each database's name
}

// port is one port of a server over one transport.
type port struct {
	at        netip.AddrPort
	transport probe.Transport
}

// lead is what the leading question of a port shows of it.
type lead struct {
	stretch
	opened time.Time // when it was answered again after it was not; zero: it always was
}

// stretch is one part of that path.
type stretch struct {
	open bool      // somebody there answers
	shut time.Time // when the latest server without an answer was asked; zero: none
}

func (s stretch) with(r probe.Result) stretch {
	switch {
	case r.Outcome == probe.Skipped:
	case unheard(r):
		if r.Started.After(s.shut) {
			s.shut = r.Started
		}
	default:
		s.open = true
	}
	return s
}

// since reports whether nobody answers, as was seen after t.
func (s stretch) since(t time.Time) bool { return !s.open && s.shut.After(t) }

// leads reports whether a probe asks the leading question of its port, and when that
// was answered again after it was not.
func (s *Store) leads(id probe.ID) (opened time.Time, is bool) {
	j := s.expected[id]
	if j == nil || !j.Leads || j.Asks[0] != id {
		return time.Time{}, false
	}
	if e := s.entries[id]; e.turned.After(e.begun) {
		opened = e.turned
	}
	return opened, true
}

func wayOf(results []probe.Result, slow func(probe.ID) bool, leads func(probe.ID) (time.Time, bool)) way {
	w := way{realms: map[string]stretch{}, databases: map[string]stretch{}, ports: map[port]lead{}, machines: map[netip.Addr]stretch{}}
	for _, r := range results {
		if opened, is := leads(r.ID); is {
			w.lead(r, opened, slow(r.ID))
		}
		nowhere := !r.ID.Address.IsValid()
		switch {
		case r.Facts[probe.FactInstance] != "", r.ID.Kind == probe.Database && r.ID.Variant != "": // the endpoint may lead to others; nobody was asked
			continue
		case r.ID.Kind == probe.Database && nowhere: // its name has no address
			name := r.Facts[probe.FactDatabase]
			w.databases[name] = w.databases[name].with(r)
		case slow(r.ID) || r.ID.Kind == probe.Krb5Conf:
			continue
		case r.ID.Kind == probe.KDC && r.ID.Transport != probe.UDP: // logins go over TCP
			realm := r.Facts[probe.FactRealm]
			w.realms[realm] = w.realms[realm].with(r)
		}
		w.all = w.all.with(r)
	}
	return w
}

// lead takes in the leading question of a port. What is not asked every interval
// says nothing of the machine.
func (w way) lead(r probe.Result, opened time.Time, slow bool) {
	at := port{r.ID.Address, r.ID.Transport}
	l := w.ports[at]
	l.stretch = l.with(r)
	if r.Outcome == probe.OK && opened.After(l.opened) {
		l.opened = opened
	}
	w.ports[at] = l
	if !slow {
		w.machines[at.at.Addr()] = w.machines[at.at.Addr()].with(r)
	}
}

// closed reports whether r can't be had any more: nothing answers, or no KDC of the
// login's realm, or the database's name has no address.
func (w way) closed(r probe.Result) bool {
	if r.ID.Address.IsValid() &&
		(w.ports[port{r.ID.Address, r.ID.Transport}].since(r.Started) || w.machines[r.ID.Address.Addr()].since(r.Started)) {
		return true
	}
	return w.all.since(r.Started) || w.databases[r.Facts[probe.FactDatabase]].since(r.Started) ||
		r.ID.Kind == probe.Login && w.realms[r.Facts[probe.FactRealm]].since(r.Started)
}

// reopened reports whether r was not answered at a port before its leading question was
// answered again: that one is asked often, and r is not.
func (w way) reopened(r probe.Result) bool {
	l := w.ports[port{r.ID.Address, r.ID.Transport}]
	return unheard(r) && l.open && l.opened.After(r.Started)
}
