package agent

import (
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// errOutdated is why a result is not believed although it is the latest of its
// probe.
var errOutdated = errors.New("not asked since nothing on the way there answers any more")

// snapshot is what there is to be explained; under d.mu. What DNS has let go of
// is nobody's trouble when it fails; a result that is not renewed, or that what
// came after it gives the lie to, is believed no more; and a login that is held
// back is still broken in the way that it is held back for.
func (d *daemon) snapshot() diagnose.Snapshot {
	warn := d.setup.cfg.Warn
	snap := d.table.Snapshot(diagnose.Limits{PasswordExpiry: warn.PasswordExpiry, CertificateExpiry: warn.CertificateExpiry})
	way := wayOf(snap.Results, d.slow)
	results := snap.Results[:0]
	for _, r := range snap.Results {
		if d.plan.gone[r.ID] && r.Outcome != probe.OK {
			continue
		}
		if t := d.plan.asked[r.ID]; t != nil {
			if since := t.stalled(time.Now()); since > 0 {
				r.Outcome, r.Reason, r.Err = probe.Skipped, probe.ReasonNotAsked, fmt.Errorf("not asked for %s", brief(since))
			}
		}
		if r.Outcome == probe.OK && d.slow(r.ID) && way.closed(r) {
			r.Outcome, r.Reason, r.Err = probe.Skipped, probe.ReasonNotAsked, errOutdated
		}
		results = append(results, r)
	}
	snap.Results = results
	return snap
}

// slow says that a probe is asked less often than every interval: its result
// may be older than a fault that the others show.
func (d *daemon) slow(id probe.ID) bool {
	t := d.plan.asked[id]
	return t != nil && len(t.about) == 0
}

// way is what the probes of every interval show of the way to the slow ones'
// goals.
type way struct {
	all       stretch            // of anything at all
	realms    map[string]stretch // of KDCs
	databases map[string]stretch // of the addresses of the name
}

// stretch is one part of the way.
type stretch struct {
	open bool      // somebody there answers
	shut time.Time // when the latest who does not was asked; zero for nobody
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

// since says that nobody answers, as was seen after t.
func (s stretch) since(t time.Time) bool { return !s.open && s.shut.After(t) }

func wayOf(results []probe.Result, slow func(probe.ID) bool) way {
	w := way{realms: map[string]stretch{}, databases: map[string]stretch{}}
	for _, r := range results {
		nowhere := !r.ID.Address.IsValid()
		switch {
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

// closed says that r can't be had any more: nothing answers, or no KDC of the
// login's realm, or the database's name has no address.
func (w way) closed(r probe.Result) bool {
	return w.all.since(r.Started) || w.databases[r.Facts[probe.FactDatabase]].since(r.Started) ||
		r.ID.Kind == probe.Login && w.realms[r.Facts[probe.FactRealm]].since(r.Started)
}

// unheard says that nobody said anything to a probe.
func unheard(r probe.Result) bool {
	switch r.Reason {
	case probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonRefused, probe.ReasonUnreachable,
		probe.ReasonForbidden, probe.ReasonClosed, probe.ReasonUnresolvable:
		return true
	}
	return false
}
