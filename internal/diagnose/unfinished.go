package diagnose

import (
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// unfinished reports whether a run ended before this probe did.
func unfinished(r probe.Result) bool {
	return r.Outcome == probe.Skipped && r.Reason == probe.ReasonCanceled
}

// partial explains a run that was cut short. A finding stays only if it would
// be the same however the unfinished probes had ended: it is also there with
// all of them answered, and with all of them silent.
func partial(s Snapshot) Report {
	with := func(end func(probe.Result) probe.Result) Report {
		world := s
		world.Results = nil
		for _, r := range s.Results {
			if !unfinished(r) {
				world.Results = append(world.Results, r)
			} else if end != nil {
				world.Results = append(world.Results, end(r))
			}
		}
		return explain(world)
	}
	finished := with(nil)
	for _, end := range []func(probe.Result) probe.Result{answeredAtLast, silentAtLast} {
		other := with(end)
		finished.Findings = slices.DeleteFunc(finished.Findings, func(f Finding) bool {
			return !slices.ContainsFunc(other.Findings, func(o Finding) bool { return o.Code == f.Code && o.Title == f.Title })
		})
	}
	finished.Verdict = VerdictUnknown
	return finished
}

func answeredAtLast(r probe.Result) probe.Result {
	r.Outcome, r.Reason, r.Err = probe.OK, "", nil
	return r
}

func silentAtLast(r probe.Result) probe.Result {
	r.Outcome, r.Reason = probe.Failed, probe.ReasonConnectTimeout
	switch {
	case !r.ID.Address.IsValid() && r.ID.Kind != probe.Login: // its name was still being looked up
		r.Reason = probe.ReasonUnresolvable
	case r.ID.Transport == probe.UDP:
		r.Reason = probe.ReasonUDPSilent
	}
	return r
}
