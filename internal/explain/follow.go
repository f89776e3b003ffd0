package explain

import (
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// follower tells when findings begin and end, from one explanation to the
// next. What does not last is not told: while results of before and after a
// fault stand side by side, they may look like another fault.
type follower struct {
	followed []*followed
}

// followed is a finding that stands, or stood a moment ago.
type followed struct {
	diagnose.Finding           // as it was last
	began            time.Time // when the finding was first seen
	over             time.Time // when the finding was first missing; zero while it stands
	told             bool      // whether the log has reported that it began
}

// needs is how long a finding stands before it is told. Where packets are lost to a DNS server, a name without an address is
// seen before the loss is: such a finding stands for two rounds of probes.
func (o followed) needs(patience, round time.Duration) time.Duration {
	if o.Unheard {
		return max(patience, 2*round)
	}
	return patience
}

// update takes in the findings of now. It returns those that have stood for
// patience and those that have been gone for as long, and how long it is until
// another may come to it; 0 for never.
func (f *follower) update(findings []diagnose.Finding, now time.Time, patience, round time.Duration) (began, ended []followed, again time.Duration) {
	left := slices.Clone(findings)
	f.followed = slices.DeleteFunc(f.followed, func(o *followed) bool {
		if i := slices.IndexFunc(left, func(x diagnose.Finding) bool { return same(o.Finding, x) }); i >= 0 {
			o.Finding, o.over = left[i], time.Time{}
			left = slices.Delete(left, i, i+1)
			return false
		}
		if o.over.IsZero() {
			o.over = now
		}
		if !o.told {
			return true
		}
		if now.Sub(o.over) < patience {
			return false
		}
		ended = append(ended, *o)
		return true
	})
	for _, x := range left {
		f.followed = append(f.followed, &followed{Finding: x, began: now})
	}
	for _, o := range f.followed {
		wait := time.Duration(0)
		switch {
		case !o.over.IsZero():
			wait = patience - now.Sub(o.over)
		case o.told:
		case now.Sub(o.began) >= o.needs(patience, round):
			o.told = true
			began = append(began, *o)
		default:
			wait = o.needs(patience, round) - now.Sub(o.began)
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	return began, ended, again
}

// same reports whether b is the finding a, a moment later: what it affects may have
// grown, and its words may have changed.
func same(a, b diagnose.Finding) bool {
	if a.Code != b.Code {
		return false
	}
	rule, _ := diagnose.Lookup(a.Code)
	return rule.Single || a.Title == b.Title ||
		slices.ContainsFunc(a.Affects, func(id probe.ID) bool { return slices.Contains(b.Affects, id) })
}
