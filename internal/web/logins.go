package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// loginPart is the logins, broken ones first.
type loginPart struct {
	State state
	Rows  list[loginRow]
}

// loginRow is one user's login.
type loginRow struct {
	ID             string // anchor
	User, Database string
	State          state
	Word           string // "ok", "FAILED", "not tried"
	Took           string
	Reason, Error  string
	Since          *moment // it fails since
	LastGood       *moment
	Stages         []stage
	Proof          []pair
	Chart          *chart
	Age            string
	Stale          bool
}

// stage is a step of a login, and its place in the bar: 0 to 1000.
type stage struct {
	Name     string
	At, Took string
	Bad      bool
	X, Width int
	Kerberos bool // with a KDC, not with the database
}

func logins(s State) loginPart {
	var of []*results.Entry
	var states []state
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.Result.ID.Kind == probe.Login {
			of, states = append(of, e), append(states, stateOfLogin(e.Result.Outcome))
		}
	}
	return loginPart{newStation(probe.Login, s).State, fold(states, func(i int) loginRow { return newLogin(of[i], s.Now) })}
}

func stateOfLogin(o probe.Outcome) state {
	switch o {
	case probe.OK:
		return good
	case probe.Failed:
		return failed
	}
	return none
}

func newLogin(e *results.Entry, now time.Time) loginRow {
	r := e.Result
	row := loginRow{
		ID: anchor("login", userOf(r), databaseOf(r)), User: clean(userOf(r), maxName), Database: clean(databaseOf(r), maxName), Reason: string(r.Reason), Took: span(r.Duration),
		Stages: stages(r), Chart: newChart([]*results.Entry{e}), Age: ago(now.Sub(r.Started)), Stale: stale(*e, now),
	}
	if r.Err != nil {
		row.Error = clean(r.Err.Error(), maxText)
	}
	row.State = stateOfLogin(r.Outcome)
	row.Word = row.State.Word()
	switch row.State {
	case failed:
		row.Since, row.LastGood = at(e.FailingSince, now), at(e.LastSuccess, now)
	case none:
		row.Word, row.Took, row.LastGood = "not tried", "", at(e.LastSuccess, now)
		if len(e.History) == 0 { // there is no result yet
			row.Word = "pending"
		}
	}
	for _, p := range []struct {
		fact  probe.Fact
		label string
	}{
		{probe.FactCurrentUser, "current_user()"}, {probe.FactSPN, "SPN"}, {probe.FactHops, "realms"}, {probe.FactKDC, "KDC"},
		{probe.FactTicketType, "ticket's encryption type"}, {probe.FactTLSVersion, "over"},
	} {
		if v := r.Facts[p.fact]; v != "" {
			row.Proof = append(row.Proof, pair{p.label, clean(v, maxName)})
		}
	}
	if lag, ok := ladder.Lag(&r); ok {
		row.Proof = append(row.Proof, pair{"replica lag", span(lag)})
	}
	return row
}

// barWidth is the width of the bar of stages, in units of its view box.
const barWidth = 1000

// maxStages bounds what is drawn: a chain of referrals is not endless.
const maxStages = 40

// stages places each step where it was in time: ticket and connection are got
// side by side.
func stages(r probe.Result) []stage {
	end := r.Duration
	for _, s := range r.Stages {
		end = max(end, s.Offset+s.Duration)
	}
	scale := float64(barWidth) / float64(max(end, 1))
	var out []stage
	for _, s := range r.Stages[:min(len(r.Stages), maxStages)] {
		x := int(float64(s.Offset) * scale)
		out = append(out, stage{
			Name: clean(s.Name, maxName), At: span(s.Offset), Took: span(s.Duration), Bad: s.Err != nil,
			X: min(x, barWidth-4), Width: max(4, min(int(float64(s.Duration)*scale), barWidth-x)),
			Kerberos: !strings.HasPrefix(s.Name, "db-") && s.Name != "query",
		})
	}
	return out
}

// failure is a line of what went wrong: now at a server, or before, in the
// flight recorder.
type failure struct {
	What, Reason, Took, Error string
	At                        *moment
	Times                     string
	Codes                     string
}

// failures are the last ones of the flight recorder. Whatever it cannot read of
// a record, an old one say, stays empty.
func failures(records []recorder.Record, now time.Time) []failure {
	var out []failure
	for _, rec := range records[:min(len(records), maxFailures)] {
		var r struct{ ID, Reason, Error string }
		_ = json.Unmarshal(rec.Result, &r)
		f := failure{
			What: clean(r.ID, maxName), Reason: clean(r.Reason, maxName), Error: clean(r.Error, maxText),
			At: at(rec.Last, now), Codes: clean(strings.Join(rec.Findings, ", "), maxText),
		}
		if rec.Count > 1 {
			f.Times = fmt.Sprintf("%d times since %s", rec.Count, at(rec.At, now).Text)
		}
		out = append(out, f)
	}
	return out
}
