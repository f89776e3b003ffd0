package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// lostAt is what was lost at one address of a database, beside what was answered there.
type lostAt struct {
	at     netip.AddrPort
	lost   []*probe.Result
	passed int
}

// lostAtDatabases returns what was not answered at a database by chance: another conversation at the
// same address got beyond the stage at which this one fell silent, and ended no earlier than this one
// began. A handshake is never repeated, since the database counts it; the logins are the repetition.
func lostAtDatabases(v *view) (out []lostAt) {
	byAddr := map[netip.AddrPort][]*probe.Result{}
	var order []netip.AddrPort
	for _, r := range slices.Concat(v.dbs, v.logins) {
		at, failedAt := databaseAt(v, r), r.Facts[probe.FactFailedAt]
		asked := r.ID.Kind == probe.Database || r.Outcome == probe.OK || failedAt == probe.AtDatabase || failedAt == probe.AtTGS
		if !at.IsValid() || !asked || r.Outcome == probe.Skipped {
			continue
		}
		if byAddr[at] == nil {
			order = append(order, at)
		}
		byAddr[at] = append(byAddr[at], r)
	}
	for _, at := range order {
		here := lostAt{at: at}
		for _, r := range byAddr[at] {
			beyond := func(o *probe.Result) bool {
				return passedAt(o) > passedAt(r) && o.Started.Add(o.Duration).After(r.Started)
			}
			if r.Silent() && slices.ContainsFunc(byAddr[at], beyond) {
				here.lost = append(here.lost, r)
			} else if !r.Silent() {
				here.passed++
			}
		}
		if len(here.lost) > 0 {
			out = append(out, here)
		}
	}
	return out
}

// addLostAtDatabases adds what was lost there to a finding of loss.
func addLostAtDatabases(v *view, m *match, t *toll) {
	for _, d := range lostAtDatabases(v) {
		lost := slices.DeleteFunc(d.lost, func(r *probe.Result) bool { return slices.Contains(m.affects, r) })
		if n := len(lost); n > 0 {
			m.affects = append(m.affects, lost...)
			t.add(v.hostAt(d.at.Addr()), fmt.Sprintf("%s answered %d conversations, and not %d others", d.at, d.passed, n), d.passed+n, n)
		}
	}
}

// databaseAt is the address at which a database, or a login as far as its database, was asked; zero where it is not known.
func databaseAt(v *view, r *probe.Result) netip.AddrPort {
	if r.ID.Kind == probe.Database {
		return r.ID.Address
	}
	if at, err := netip.ParseAddrPort(r.Facts[probe.FactDBAddress]); err == nil {
		return at
	}
	var at netip.AddrPort
	for _, d := range v.dbs {
		if d.Facts[probe.FactEndpoint] != r.Facts[probe.FactEndpoint] || !d.ID.Address.IsValid() || d.ID.Address == at {
			continue
		}
		if at.IsValid() {
			return netip.AddrPort{}
		}
		at = d.ID.Address
	}
	return at
}

// passedAt counts the stages of a conversation with a database that were answered.
func passedAt(r *probe.Result) int {
	stages := []string{"db-connect", "db-greeting", "db-tls", "db-switch", "db-token", "query"}
	switch stage := slices.Index(stages, r.Facts[probe.FactDBStage]); {
	case r.ID.Kind == probe.Login && r.Outcome == probe.OK:
		return len(stages)
	case r.ID.Kind == probe.Login && r.Facts[probe.FactFailedAt] == probe.AtTGS, r.ID.Kind == probe.Database && r.Outcome == probe.OK:
		return slices.Index(stages, "db-switch") + 1
	case stage < 0:
		return 0
	case r.Silent():
		return stage
	default:
		return stage + 1
	}
}
