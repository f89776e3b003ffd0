package web

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// station is one stop of the path from this host to a login.
type station struct {
	Anchor     string // the anchor of the page's part with the details; empty: none
	Name, Port string
	State      state
	Count      string // "2 addresses"
	Legs       []leg
	Root       bool // the first finding is about it
}

// leg is one way to a station: a transport, with the time of its slowest answer.
type leg struct {
	Name  string
	State state
	Text  string
}

func stations(s State) []station {
	out := []station{hostStation(s)}
	for _, k := range ladder.Path() {
		if st := newStation(k, s); st.Count != "" {
			out = append(out, st)
		}
	}
	if s.Report.Verdict != diagnose.VerdictOK && len(s.Report.Findings) > 0 {
		i := slices.IndexFunc(out, func(st station) bool { return st.Anchor == string(rootOf(s.Report.Findings[0])) })
		out[max(i, 0)].Root = true // what is on no rung is the host's
	}
	return out
}

// rootOf is the rung that a finding is about, the earliest of those that it
// affects; empty: this host. The database's stages are the login's first ones,
// so a finding about a database may know only of logins.
func rootOf(f diagnose.Finding) probe.Kind {
	if f.Code == "host-offline" {
		return ""
	}
	if strings.HasPrefix(string(f.Code), "db-") {
		return probe.Database
	}
	for _, k := range ladder.Path() {
		if slices.ContainsFunc(f.Affects, func(id probe.ID) bool { return id.Kind == k }) {
			return k
		}
	}
	return ""
}

// hostStation is this host: broken where it can send nothing at all, or where
// its krb5.conf is.
func hostStation(s State) station {
	st := station{Name: "This host", State: good, Count: clean(s.Host, maxName)}
	var asked, sent, files, broken int
	for _, e := range s.Entries {
		r := e.Result
		switch {
		case r.Outcome == probe.Skipped:
		case r.ID.Kind == probe.Application, r.ID.Kind == probe.AWS: // nothing is sent for it
		case r.ID.Kind == probe.Krb5Conf:
			files++
			if r.Outcome == probe.Failed {
				broken++
			}
		default:
			asked++
			if r.Reason != probe.ReasonUnreachable && r.Reason != probe.ReasonForbidden && r.Reason != probe.ReasonUnresolvable {
				sent++
			}
		}
	}
	switch {
	case asked > 0 && sent == 0:
		st.State, st.Legs = failed, []leg{{"network", failed, "cannot send"}}
	case asked > 0:
		st.Legs = []leg{{"network", good, "can send"}}
	}
	if files > 0 {
		l := leg{"krb5.conf", good, "ok"}
		if broken > 0 {
			l.State, l.Text = partly, plural(broken, "problem")
			if st.State == good {
				st.State = partly
			}
		}
		st.Anchor = "krb5conf"
		st.Legs = append(st.Legs, l)
	}
	return st
}

func newStation(k probe.Kind, s State) station {
	st := station{Anchor: string(k)}
	st.Name, st.Port = ladder.Name(k)
	var of []*results.Entry
	addresses := map[netip.Addr]bool{} // of one server there may be several
	ok, bad := 0, 0
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Result.ID.Kind != k {
			continue
		}
		of = append(of, e)
		addresses[e.Result.ID.Address.Addr()] = true
		switch e.Result.Outcome {
		case probe.OK:
			ok++
		case probe.Failed:
			bad++
		}
	}
	if len(of) == 0 {
		return st
	}
	st.State = stateOfRung(k, ok, bad, s.Report)
	st.Count = plural(len(addresses), "address")
	if k == probe.Login {
		st.Count = count(ok) + " of " + plural(len(of), "user")
		if ok+bad == 0 {
			st.Count = plural(len(of), "user")
		}
	}
	for _, t := range []probe.Transport{probe.UDP, probe.TCP, ""} {
		if l, ok := newLeg(legName(k, t), of, func(id probe.ID) bool { return id.Transport == t && id.Variant == "" }); ok {
			st.Legs = append(st.Legs, l)
		}
	}
	if l, ok := newLeg("large", of, func(id probe.ID) bool { return id.Variant != "" }); ok && l.State != good && l.State != none {
		st.Legs = append(st.Legs, l)
	}
	return st
}

// stateOfRung is what came of its probes, and what that means: a finding that
// breaks logins makes a rung a broken one although some of it works.
func stateOfRung(k probe.Kind, ok, bad int, r diagnose.Report) state {
	st := stateFrom(ok, bad)
	switch said := severity(k, r); {
	case said == diagnose.Error:
		return failed
	case said != "" && st == good:
		return partly
	}
	return st
}

// severity is that of the worst finding about a rung; empty: none.
func severity(k probe.Kind, r diagnose.Report) diagnose.Severity {
	for _, f := range r.Findings { // worst first
		if f.Severity != diagnose.Info && slices.ContainsFunc(f.Affects, func(id probe.ID) bool { return id.Kind == k }) {
			return f.Severity
		}
	}
	return ""
}

// newLeg sums up the probes of one sort; false where there is none.
func newLeg(name string, of []*results.Entry, is func(probe.ID) bool) (leg, bool) {
	var ok, bad, idle int
	var slowest time.Duration
	for _, e := range of {
		switch {
		case !is(e.Result.ID):
		case e.Result.Outcome == probe.OK:
			ok++
			slowest = max(slowest, e.Result.Duration)
		case e.Result.Outcome == probe.Failed:
			bad++
		default:
			idle++
		}
	}
	l := leg{Name: name, State: stateFrom(ok, bad)}
	switch {
	case l.State == good:
		l.Text = span(slowest)
	case l.State == none:
		l.Text = "not asked"
	case bad == 1 && ok == 0:
		l.Text = "fails"
	case ok == 0:
		l.Text = "all " + count(bad) + " fail"
	default:
		l.Text = count(bad) + " of " + count(ok+bad) + " fail"
	}
	return l, ok+bad+idle > 0
}

func legName(k probe.Kind, t probe.Transport) string {
	switch {
	case t != "":
		return strings.ToUpper(string(t))
	case k == probe.Login:
		return "login"
	}
	return "name" // it has no address: nothing could be asked
}
