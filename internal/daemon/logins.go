package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/guard"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// fetchAgain is the time from a refusal until a password_command is run once more.
const fetchAgain = time.Second

// logIn tries one login.
func (d *Daemon) logIn(ctx context.Context, s *setup, j plan.Job) {
	which := loginAt{j.Login, j.Instance}
	if d.logins.triedWithin(which, j.Beat/2) {
		return // it was pulled forward when the daemon began, and this is its beat
	}
	if j.Instance == "" {
		gate := d.logins.gate(j.Login.Principal())
		select {
		case gate <- struct{}{}: // one at a time, of this process; the ledger sees to the others
			defer func() { <-gate }()
		case <-ctx.Done():
			return
		}
	}
	p, _ := j.Probes[0].(login.Probe)
	if p.IsInstance != nil {
		p.OnInstances = func(t probe.Topology) { d.listed(j, t) }
	}
	if j.Tells {
		p.OnDatabase = func(res probe.Result) { d.put(ctx, res, max(s.cfg.Probes.Interval, plan.Deliberate)) }
	}
	began := time.Now()
	res := withDates(probe.Safely(ctx, p), s, j.Login)
	if res.Reason == probe.ReasonCanceled && ctx.Err() != nil {
		return
	}
	if res.Outcome != probe.Skipped {
		d.logins.tried(which, began)
	}
	if res.Outcome == probe.Failed && guard.Refused(res.Reason) && j.Login.Secret.Command() != nil {
		// The secret may have been changed between the two: it is fetched once more, and
		// the ledger lets only another one be tried.
		d.logins.again(j.Login)
		time.AfterFunc(fetchAgain, func() { d.sched.Soon(j.Key) })
	}
	d.loggedIn(ctx, j, res)
	d.countUnfinished(ctx, s, j.Database)
	if j.Instance != "" && !d.results.Has(res.ID) {
		d.forgetGone() // the instance went while the login was under way
	}
}

// withDates adds to a login's result when what it is made from was last changed:
// the history of a failure shows what changed before it.
func withDates(res probe.Result, s *setup, l config.Login) probe.Result {
	secret, _ := l.Secret.Path()
	krb5, _, _ := strings.Cut(cmp.Or(os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf"), ":")
	dates := map[probe.Fact]time.Time{probe.FactConfigRead: s.read, probe.FactKrb5Written: written(krb5),
		probe.FactSecretWritten: written(secret)}
	for fact, at := range dates {
		if !at.IsZero() {
			res.Facts = res.Facts.With(fact, at.UTC().Format(time.RFC3339))
		}
	}
	return res
}

// written returns when a file was last written; zero where nobody can say.
func written(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// loggedIn takes in how a login ended.
func (d *Daemon) loggedIn(ctx context.Context, j plan.Job, res probe.Result) {
	var busy *ledger.BusyError
	if errors.As(res.Err, &busy) && d.results.Has(res.ID) {
		return // another process is logging in; the next beat is ours
	}
	shown, waits := d.logins.take(loginAt{j.Login, j.Instance}, res)
	if waits && d.results.Has(res.ID) {
		return // the latest result stands, with its age
	}
	d.put(ctx, shown, j.Every)
	if open, told := guard.Open(res); told && j.Instance == "" {
		d.metrics.Breaker(j.Login.Principal(), open)
	}
	if askedForPassword(res) { // each try would be one failed login more
		err := d.guard.Logins(j.Database, j.Login.Principal()).PauseUser("the server asked for " + res.Facts[probe.FactPlugin])
		if err != nil {
			d.o.Log.Error("a user's logins cannot be paused", "database", j.Database.Name, "error", err)
		}
	}
}

// askedForPassword reports whether a database asked a user of ours for a password.
func askedForPassword(res probe.Result) bool {
	return res.Outcome == probe.Failed && res.Reason == probe.ReasonDBOtherPlugin && res.Facts[probe.FactFailedAt] == probe.AtDatabase
}

// logins is what is known of each login from one beat to the next.
type logins struct {
	mu    sync.Mutex
	of    map[loginAt]*loginState
	gates map[string]chan struct{} // one gate per user@REALM
}

// loginAt is a login by a database's endpoint, or at an instance of its cluster.
type loginAt struct {
	config.Login
	instance string
}

type loginState struct {
	turn    int                 // which of the database's addresses is next
	tried   time.Time           // when the login last ran without being paused
	failure *probe.Result       // the last result, where the secret or the account was refused; nil otherwise
	waits   *ledger.PausedError // why it was not tried at its last turn although nothing was refused; nil where it was
}

// state returns what is known of a login; the caller has locked l.
func (l *logins) state(of loginAt) *loginState {
	if l.of[of] == nil {
		if l.of == nil {
			l.of = map[loginAt]*loginState{}
		}
		l.of[of] = &loginState{}
	}
	return l.of[of]
}

// turn returns which of the addresses of its database, or of an instance, a login goes to:
// another one each time, so that each has a full login in turn.
func (l *logins) turn(of config.Login, instance string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state(loginAt{of, instance}).turn
}

func (l *logins) triedWithin(of loginAt, span time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.state(of).tried) < span
}

// tried takes note that a login was tried.
func (l *logins) tried(of loginAt, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.state(of)
	st.tried = at
	st.turn++
}

// again lets a login run out of turn once, although it was tried a moment ago.
func (l *logins) again(of config.Login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state(loginAt{Login: of}).tried = time.Time{}
}

// take takes in the result of a login, and returns what is to be shown of it:
// of one that is paused the refusal. waits says that it was only late.
func (l *logins) take(of loginAt, res probe.Result) (shown probe.Result, waits bool) {
	var paused *ledger.PausedError
	errors.As(res.Err, &paused)
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.state(of)
	st.waits = nil
	switch {
	case res.Outcome != probe.Skipped:
		st.failure = nil
		if res.Outcome == probe.Failed && guard.Refused(res.Reason) || askedForPassword(res) {
			st.failure = &res
		}
	case paused != nil && paused.Waits():
		st.waits = paused
		return res, true
	case paused != nil:
		return guard.Recall(res, st.failure), false
	}
	return res, false
}

// waiting returns why logins wait, by the target of their probe.
func (l *logins) waiting() map[string]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]error{}
	for of, st := range l.of {
		if st.waits != nil && of.instance == "" {
			out[of.Principal()+"@"+of.Database] = st.waits
		}
	}
	return out
}

// notes reports which logins are paused or wait.
func (l *logins) notes(entries []results.Entry) []string {
	var out []string
	waiting := l.waiting()
	pending := 0
	old := map[string]bool{} // files that were changed after the service had been started with a copy
	for _, e := range entries {
		r := e.Result
		if r.ID.Kind != probe.Login || r.ID.Variant != "" { // at an instance: as by the endpoint
			continue
		}
		if file, at := r.Facts[probe.FactSecretFile], r.Facts[probe.FactSecretChanged]; at != "" && !old[file] {
			old[file] = true
			out = append(out, fmt.Sprintf("%s was changed at %s, and %s still has the copy from its start: restart the unit to use the new one",
				file, at, r.Facts[probe.FactSecretUnit]))
		}
		who := fmt.Sprintf("login of %s to %s", r.Facts[probe.FactUser], r.Facts[probe.FactDatabase])
		switch why := waiting[r.ID.Target]; {
		case why != nil:
			out = append(out, fmt.Sprintf("%s waits: %v; what is shown is its latest result", who, why))
		case errors.Is(r.Err, errPending):
			pending++
		case r.Facts[probe.FactRefusedAt] != "":
			out = append(out, fmt.Sprintf("%s is paused: %v", who, r.Err))
		case r.Outcome == probe.Skipped:
			out = append(out, fmt.Sprintf("%s was not tried: %v", who, r.Err))
		}
	}
	if pending > 0 {
		out = slices.Insert(out, 0, fmt.Sprintf("logins that have not had their first turn yet: %d", pending))
	}
	return out
}

// retain forgets what was noted at instances that are not logged in to any more.
func (l *logins) retain(jobs []plan.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := map[loginAt]bool{}
	for _, j := range jobs {
		kept[loginAt{j.Login, j.Instance}] = true
	}
	maps.DeleteFunc(l.of, func(of loginAt, _ *loginState) bool { return of.instance != "" && !kept[of] })
}

// keep forgets all but these logins.
func (l *logins) keep(these []config.Login) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.of, func(of loginAt, _ *loginState) bool { return !slices.Contains(these, of.Login) })
}

// gate returns the gate that a user's logins pass one by one.
func (l *logins) gate(user string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gates == nil {
		l.gates = map[string]chan struct{}{}
	}
	if l.gates[user] == nil {
		l.gates[user] = make(chan struct{}, 1)
	}
	return l.gates[user]
}
