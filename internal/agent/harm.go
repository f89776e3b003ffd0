package agent

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

// What a daemon may do to others, beside what holds for check as well.
const (
	deliberate   = 5 * time.Minute // between two questions at one place that are meant to fail: a login that is none, a user that is none
	longestPause = 5 * time.Minute // between two questions to a KDC that says it cannot serve
)

// memory is the ledger on disk, which may not be there yet, or no more.
type memory struct {
	dir     string
	now     func() time.Time
	perHour int

	mu     sync.Mutex
	opened *ledger.Ledger
	err    error
}

// ledger gives the record of attempts, or why there is none. A directory that
// cannot be used is tried anew each time. One that was lost under a running
// daemon is not made again: with an empty one every refusal would be
// forgotten. Whoever puts another in its place has decided that.
func (m *memory) ledger() (*ledger.Ledger, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened == nil {
		m.opened, m.err = ledger.Open(m.dir, ledger.Options{Now: m.now, PerHour: m.perHour})
		return m.opened, m.err
	}
	if m.err = m.opened.Renew(); m.err != nil {
		return nil, m.err
	}
	return m.opened, nil
}

// env is the world of the planner's guards, as it is now.
func (m *memory) env() Env {
	l, err := m.ledger()
	return Env{Ledger: l, LedgerErr: err}
}

// loginBeats gives the interval of each login: as configured, or longer where
// the attempts of an account would be more than an hour may have. A ticket
// from a cache is no attempt.
func loginBeats(logins []config.Login, perHour int) (beats []time.Duration, notes []string) {
	hourly := map[string]float64{}
	for _, l := range logins {
		if l.SecretKind != config.CCache {
			hourly[l.Principal()] += float64(time.Hour) / float64(l.Interval)
		}
	}
	most := float64(perHour - 1) // in any hour, wherever it begins
	for _, l := range logins {
		beat := l.Interval
		if n := hourly[l.Principal()]; n > most && l.SecretKind != config.CCache {
			beat = time.Duration(float64(beat)*n/most).Truncate(time.Second) + time.Second
			notes = append(notes, fmt.Sprintf("%s logs in to %s every %s, not every %s: an account has at most %d attempts an hour", l.Principal(), l.Database, brief(beat), brief(l.Interval), perHour))
		}
		beats = append(beats, beat)
	}
	return beats, notes
}

// brief is a duration without its zero parts: "5m", not "5m0s".
func brief(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// pace keeps questions apart that may not come often.
type pace struct {
	mu   sync.Mutex
	last map[string]time.Time // when a place was last asked
}

// take says whether a place may be asked now, and takes note that it is.
func (p *pace) take(place string, every time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A beat may come a little early.
	if t, ok := p.last[place]; ok && time.Since(t) < every-time.Second {
		return false
	}
	p.note(place)
	return true
}

// asked takes note of a question that needed no leave.
func (p *pace) asked(place string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note(place)
}

func (p *pace) note(place string) {
	if p.last == nil {
		p.last = map[string]time.Time{}
	}
	p.last[place] = time.Now()
}

// forget drops what is too long ago to hold anything back.
func (p *pace) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.last, func(_ string, t time.Time) bool { return time.Since(t) > 2*deliberate })
}

// overload is which KDCs have said that they cannot serve now, and until when
// they are left alone.
type overload struct {
	mu   sync.Mutex
	kdcs map[netip.AddrPort]relief
}

type relief struct {
	until time.Time
	wait  time.Duration
	host  string
}

// spares says whether a KDC is to be left alone.
func (o *overload) spares(at netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Now().Before(o.kdcs[at].until)
}

// heard takes in what a KDC said. Each time that it still cannot serve, the
// wait is twice as long.
func (o *overload) heard(res probe.Result, interval time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := res.ID.Address
	if res.Reason != probe.ReasonKRBServiceUnavailable {
		if res.Outcome == probe.OK {
			delete(o.kdcs, at)
		}
		return
	}
	r := o.kdcs[at]
	if time.Now().Before(r.until) { // the other transport has just heard the same
		return
	}
	r.host, r.wait = res.ID.Target, min(max(2*r.wait, interval), longestPause)
	r.until = time.Now().Add(r.wait)
	if o.kdcs == nil {
		o.kdcs = map[netip.AddrPort]relief{}
	}
	o.kdcs[at] = r
}

// retain forgets the KDCs that are no longer asked.
func (o *overload) retain(asked map[netip.AddrPort]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.DeleteFunc(o.kdcs, func(at netip.AddrPort, _ relief) bool { return !asked[at] })
}

func (o *overload) notes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for at, r := range o.kdcs {
		out = append(out, fmt.Sprintf("KDC %s (%s) says that it cannot serve: it is asked every %s, not more often", r.host, at, brief(r.wait)))
	}
	slices.Sort(out)
	return out
}

// errNotYet is why a place is not asked: it was, a short while ago. It makes
// no result.
var errNotYet = errors.New("asked a short while ago")

// runHandshakes guards a database for the daemon.
type runHandshakes struct {
	d     *daemon
	db    config.Database
	user  string
	login bool
}

var _ database.Guard = runHandshakes{}

// place is where a database's deliberate failures are kept apart.
func (g runHandshakes) place(at netip.AddrPort) string {
	return "database " + g.db.Endpoint() + " " + at.String()
}

// Begin records a handshake, if it may be.
func (g runHandshakes) Begin(at netip.AddrPort) (database.Handshake, error) {
	if !g.login && !g.d.pace.take(g.place(at), deliberate) {
		return nil, &probe.HeldBack{Reason: probe.ReasonNotAsked, Err: errNotYet}
	}
	env := g.d.memory.env()
	if g.login && env.Ledger != nil {
		// A user whom the server asks for a password would have one failed login
		// more each time.
		if err := env.Ledger.Database(g.db.Endpoint(), g.db.MaxConnectErrors).UserPaused(g.user); err != nil {
			return nil, heldBack(err)
		}
	}
	h, err := guard{env: env, db: g.db, user: g.user, login: g.login}.Begin(at)
	if err == nil && g.login {
		g.d.pace.asked(g.place(at))
	}
	return h, err
}

// PauseUser records that the user's probes end here.
func (g runHandshakes) PauseUser(why string) error {
	return guard{env: g.d.memory.env(), db: g.db, user: g.user}.PauseUser(why)
}

// runAccount guards a user's password for the daemon.
type runAccount struct {
	d    *daemon
	user string
	// delayed hears of how long the first try with a changed secret is to wait.
	delayed func(time.Duration)
}

var _ login.Account = runAccount{}

// Paused says whether an attempt would be held back: as check has it, and
// because the secret has just changed, on a whole fleet maybe.
func (a runAccount) Paused(secret []byte) error {
	env := a.d.memory.env()
	if err := env.account(a.user).Paused(secret); err != nil {
		return err
	}
	wait, err := env.Ledger.Account(a.user).FirstTryDelay(secret, a.d.o.Host)
	if err != nil {
		return heldBack(err)
	}
	if wait == 0 {
		return nil
	}
	a.delayed(wait)
	now := a.d.o.Now()
	return heldBack(&ledger.PausedError{Since: now, Until: now.Add(wait), Reason: ledger.ReasonSpread})
}

// Begin records the attempt.
func (a runAccount) Begin(secret []byte) (login.Attempt, error) {
	return a.d.memory.env().account(a.user).Begin(secret)
}

// refused are the reasons of a KDC after which a secret is not tried again.
func refused(r probe.Reason) bool {
	switch r {
	case probe.ReasonKRBPreauthFailed, probe.ReasonKRBRevoked, probe.ReasonKRBKeyExpired, probe.ReasonKRBClientExpired:
		return true
	}
	return false
}

// recall returns the refusal that a login is paused for, in place of a result
// that says only that it was not tried: the login is as broken as it was then.
// latest is the latest failure of this process, which knows more than the
// record on disk; nil for none. A login that is not paused, or for which
// nothing was refused, stays as it is.
func recall(held probe.Result, latest *probe.Result) probe.Result {
	var p *ledger.PausedError
	if held.Outcome != probe.Skipped || held.Reason != probe.ReasonPaused || !errors.As(held.Err, &p) {
		return held
	}
	was := held
	was.Outcome, was.Duration = probe.Failed, 0
	switch {
	case latest != nil:
		was = *latest
	case refused(probe.Reason(p.Reason)):
		was.Reason, was.Facts = probe.Reason(p.Reason), with(held.Facts, probe.FactFailedAt, probe.AtPreauth)
	case held.Facts[probe.FactFailedAt] == probe.AtDatabase && p.Reason != ledger.ReasonUnfinished:
		was.Reason = probe.ReasonDBOtherPlugin
	default:
		return held
	}
	at := p.Since.UTC().Format(time.RFC3339)
	was.Started, was.Facts = p.Since, with(was.Facts, probe.FactRefusedAt, at)
	was.Err = fmt.Errorf("%s at %s; not tried again since", p.Reason, at)
	return was
}
