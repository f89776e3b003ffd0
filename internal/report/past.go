package report

import (
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// Past is what the daemon on this host recorded of a probe that fails.
type Past struct {
	Since    time.Time // its first failure in a row
	LastGood time.Time // its last success before that; zero: unknown
	Changed  []string  // what the records have otherwise at the first failure than at that success
}

// past returns the earliest beginning among what a finding affects, with the last
// success before it, and all that changed: the probe that failed first may know
// less of what changed than the login that failed after it.
func (in Input) past(f diagnose.Finding) (out Past) {
	var changed []string
	for _, id := range f.Affects {
		p, known := in.Past[id.String()]
		if known && (out.Since.IsZero() || p.Since.Before(out.Since)) {
			out = p
		}
		changed = append(changed, p.Changed...)
	}
	slices.Sort(changed)
	out.Changed = slices.Compact(changed)
	return out
}

// text says it to a person, at the time now.
func (p Past) text(now time.Time) string {
	const clock = "2006-01-02 15:04:05 UTC"
	text := "failing since " + p.Since.UTC().Format(clock)
	if d := now.Sub(p.Since); d >= time.Second {
		text += ", " + ago(d) + " ago"
	}
	if !p.LastGood.IsZero() {
		text += ", last good " + p.LastGood.UTC().Format(clock)
	}
	text += " (recorded by kerbagent run)"
	if len(p.Changed) > 0 {
		text += "; changed in between: " + strings.Join(p.Changed, "; ")
	}
	return text
}
