package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// At most this many attempts may go unanswered with one secret in one window:
// each may have been counted as a wrong password by a directory whose answer
// was lost. Two stay below a lockout threshold of three, and 30 minutes is
// Active Directory's usual time until such a count is forgotten.
const (
	maxUnanswered    = 2
	unansweredWindow = 30 * time.Minute
)

// maxRefusals is how many different secrets may be refused in a window before the next one
// waits: a password_command that prints another text each time, or a hand that
// mistypes, stays below a lockout threshold of three.
const maxRefusals = 2

// maxRefused caps the refused secrets remembered for an account: more than
// anybody tries in a row.
const maxRefused = 32

// maxRecent caps the remembered attempts of an hour: more than a daemon may ever make.
const maxRecent = 64

// maxFirstDelay spreads a fleet's first tries with a new secret.
const maxFirstDelay = 10 * time.Minute

// Account is one user@REALM.
type Account struct {
	l    *Ledger
	user string
	file string
}

// Account returns the record of a user. Nothing is read before it is used.
func (l *Ledger) Account(user string) *Account {
	return &Account{l, user, fileName("account", user)}
}

// account is the record on disk. Secrets stand for their identity.
type account struct {
	Version    int                `json:"version"`
	User       string             `json:"user"`
	InFlight   *flight            `json:"in_flight,omitempty"` // without a lock held: its process died
	Unanswered []flight           `json:"unanswered,omitempty"`
	Refused    map[string]refusal `json:"refused,omitempty"`  // the refusals, by the secret's identity
	Accepted   string             `json:"accepted,omitempty"` // the last secret that was right
	Recent     []time.Time        `json:"recent,omitempty"`   // when the attempts of the last hour began, oldest first; at most maxRecent
	Waiting    *flight            `json:"waiting,omitempty"`  // the secret that FirstTryDelay saw last, and since when
	Written    *instant           `json:"written,omitempty"`  // when this was, by two clocks
}

type flight struct {
	Secret string    `json:"secret"`
	Began  time.Time `json:"began"`
}

type refusal struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// Begin records an attempt with a secret and syncs the record; after it has
// returned nil, one preauthenticated request may be sent. Its errors:
// *PausedError (a refusal holds until the secret changes, lost answers and refusals of
// several secrets until Until), *BusyError (at most one attempt in flight for an account on this
// host), and what wraps ErrNoRecord.
func (a *Account) Begin(secret []byte) (*Attempt, error) {
	s, err := a.l.store()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	lock, err := a.lock(s)
	if err != nil {
		return nil, err
	}
	at, err := a.begin(s, secret)
	if err != nil {
		lock.Close()
		return nil, err
	}
	at.lock = lock
	return at, nil
}

func (a *Account) begin(s *store, secret []byte) (*Attempt, error) {
	rec, id, err := a.load(s, secret)
	if err != nil {
		return nil, err
	}
	now := a.l.now()
	// Times that the clock has stepped back behind begin anew, so that they end.
	rec.settle(now)
	if paused := a.heldBack(rec, id, now); paused != nil {
		// Saved, since a lost attempt may have been found and times moved.
		if err := a.save(s, rec); err != nil {
			return nil, err
		}
		return nil, paused
	}
	rec.InFlight = &flight{Secret: id, Began: now}
	rec.Recent = append(rec.Recent, now)
	rec.Recent = rec.Recent[max(0, len(rec.Recent)-maxRecent):]
	if err := a.save(s, rec); err != nil {
		return nil, err
	}
	return &Attempt{a: a, secret: id, began: now}, nil
}

// Paused reports whether Begin would be held back: nil, a *PausedError, or what
// wraps ErrNoRecord. It writes nothing.
func (a *Account) Paused(secret []byte) error {
	s, err := a.l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	rec, id, err := a.load(s, secret)
	if err != nil {
		return err
	}
	now := a.l.now()
	// Times ahead of the clock, which has stepped back, are Begin's to decide
	// on: it moves them, so that they end.
	rec.Unanswered = slices.DeleteFunc(rec.Unanswered, func(f flight) bool { return f.Began.After(now) })
	rec.Recent = slices.DeleteFunc(rec.Recent, now.Before)
	if paused := a.heldBack(rec, id, now); paused != nil {
		return paused
	}
	return nil
}

// Proven reports whether the directory accepted this secret the last time that it
// accepted any: the secret has not changed since. Where there is no record, it has not.
func (a *Account) Proven(secret []byte) bool {
	s, err := a.l.store()
	if err != nil {
		return false
	}
	defer s.Close()
	rec, id, err := a.load(s, secret)
	return err == nil && rec.Accepted == id
}

// heldBack reports whether an attempt with a secret may not be made now.
func (a *Account) heldBack(rec *account, id string, now time.Time) *PausedError {
	if a.l.ignore {
		return nil
	}
	if p := rec.paused(id, now); p != nil {
		return p
	}
	recent := slices.DeleteFunc(slices.Clone(rec.Recent), func(t time.Time) bool { return now.Sub(t) >= time.Hour })
	if a.l.perHour == 0 || len(recent) < a.l.perHour {
		return nil
	}
	return &PausedError{Since: recent[0], Reason: ReasonHourly, Until: recent[len(recent)-a.l.perHour].Add(time.Hour)}
}

// FirstTryDelay is how long to wait before the first try with a secret that
// came after a refused one: 0 to 10 minutes from when this method first saw
// it, by hash of host and user, so that a fleet that gets a new secret, and
// perhaps a wrong one, does not try it all at once. It is 0 where no other
// secret was refused, and for the one that was accepted last. For `run`.
func (a *Account) FirstTryDelay(secret []byte, host string) (time.Duration, error) {
	s, err := a.l.store()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	lock, err := a.lock(s)
	if err != nil {
		return 0, err
	}
	defer lock.Close()
	rec, id, err := a.load(s, secret)
	if err != nil {
		return 0, err
	}
	if _, refused := rec.Refused[id]; refused || len(rec.Refused) == 0 || rec.Accepted == id {
		return 0, nil
	}
	now := a.l.now()
	if w := rec.Waiting; w == nil || w.Secret != id || w.Began.After(now) { // new, or the clock has stepped back
		rec.Waiting = &flight{id, now}
		if err := a.save(s, rec); err != nil {
			return 0, err
		}
	}
	sum := sha256.Sum256([]byte(host + "\x00" + a.user))
	delay := time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(maxFirstDelay))
	return max(0, rec.Waiting.Began.Add(delay).Sub(now)), nil
}

func (r *account) forget(id string) {
	r.Unanswered = slices.DeleteFunc(r.Unanswered, func(f flight) bool { return f.Secret == id })
}

// settle turns the attempt of a dead process into an unanswered one, drops
// what is over, and moves times that lie ahead of the clock to now.
func (r *account) settle(now time.Time) {
	if r.InFlight != nil {
		r.Unanswered = append(r.Unanswered, *r.InFlight)
		r.InFlight = nil
	}
	for i := range r.Unanswered {
		if r.Unanswered[i].Began.After(now) {
			r.Unanswered[i].Began = now
		}
	}
	r.Unanswered = slices.DeleteFunc(r.Unanswered, func(f flight) bool { return now.Sub(f.Began) >= unansweredWindow })
	for id, ref := range r.Refused {
		if ref.Since.After(now) {
			r.Refused[id] = refusal{now, ref.Reason}
		}
	}
	for i := range r.Recent {
		if r.Recent[i].After(now) {
			r.Recent[i] = now
		}
	}
	r.Recent = slices.DeleteFunc(r.Recent, func(t time.Time) bool { return now.Sub(t) >= time.Hour })
}

// paused reports whether a secret is held back.
func (r *account) paused(id string, now time.Time) *PausedError {
	if ref, ok := r.Refused[id]; ok {
		return &PausedError{Since: ref.Since, Reason: ref.Reason}
	}
	if others := r.refusedLately(now); len(others) >= maxRefusals && r.Accepted != id {
		last := others[len(others)-1]
		return &PausedError{Since: last.Since, Reason: last.Reason, Until: others[len(others)-maxRefusals].Since.Add(unansweredWindow)}
	}
	var lost []time.Time
	for _, f := range r.Unanswered {
		if f.Secret == id && now.Sub(f.Began) < unansweredWindow {
			lost = append(lost, f.Began)
		}
	}
	if len(lost) < maxUnanswered {
		return nil
	}
	slices.SortFunc(lost, time.Time.Compare)
	last := lost[len(lost)-maxUnanswered:]
	return &PausedError{Since: lost[len(lost)-1], Reason: ReasonUnanswered, Until: last[0].Add(unansweredWindow)}
}

// refusedLately returns the refusals of a window, oldest first.
func (r *account) refusedLately(now time.Time) (out []refusal) {
	for _, ref := range r.Refused {
		if ago := now.Sub(ref.Since); ago >= 0 && ago < unansweredWindow {
			out = append(out, ref)
		}
	}
	slices.SortFunc(out, func(x, y refusal) int { return x.Since.Compare(y.Since) })
	return out
}

func (a *Account) lock(s *store) (*os.File, error) {
	f, err := s.lock(a.file+".lock", false)
	if errors.Is(err, errBusy) {
		return nil, &BusyError{What: "login of " + a.user}
	}
	return f, err
}

// load returns the record and the secret's identity under the host's key.
func (a *Account) load(s *store, secret []byte) (*account, string, error) {
	key, err := s.key()
	if err != nil {
		return nil, "", err
	}
	rec, err := a.read(s)
	if err != nil {
		return nil, "", err
	}
	return rec, identity(key, a.user, secret), nil
}

func (a *Account) read(s *store) (*account, error) {
	name := a.file + ".json"
	b, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &account{Version: 1, User: a.user}, nil
	}
	if err != nil {
		return nil, err
	}
	rec := &account{}
	if err := s.decode(name, b, rec); err != nil {
		return nil, err
	}
	if rec.Version != 1 || rec.User != a.user {
		return nil, &CorruptError{File: s.path(name),
			Err: fmt.Errorf("version %d of user %q, not version 1 of %q", rec.Version, rec.User, a.user)}
	}
	rec.follow(a.l.instant())
	return rec, nil
}

func (a *Account) save(s *store, rec *account) error {
	rec.Written = a.l.instant()
	b, err := json.Marshal(rec)
	if err != nil {
		return noRecord("writing "+s.path(a.file), err)
	}
	return s.write(a.file+".json", append(b, '\n'))
}
