package ledger

import (
	"maps"
	"os"
	"slices"
	"sync"
	"time"
)

// Attempt is one preauthenticated try that may be sent. Its first end counts,
// later ones do nothing, so `defer attempt.Unanswered()` is safe. One that is
// never ended is unanswered as soon as its process is gone.
type Attempt struct {
	a      *Account
	secret string
	began  time.Time
	once   sync.Once
	lock   *os.File
}

// Refused ends the attempt: the directory said wrong password, revoked,
// expired or the like. The breaker is open for this secret until an attempt
// that ignores it is accepted.
func (t *Attempt) Refused(reason string) error {
	return t.end(func(rec *account) {
		if rec.Refused == nil {
			rec.Refused = map[string]refusal{}
		}
		rec.Refused[t.secret] = refusal{Since: t.a.l.now(), Reason: reason}
		for len(rec.Refused) > maxRefused {
			oldest := slices.MinFunc(slices.Collect(maps.Keys(rec.Refused)), func(x, y string) int {
				return rec.Refused[x].Since.Compare(rec.Refused[y].Since)
			})
			delete(rec.Refused, oldest)
		}
		rec.forget(t.secret)
	})
}

// Accepted ends the attempt: the secret is right, and what was held against
// it is forgotten.
func (t *Attempt) Accepted() error {
	return t.end(func(rec *account) {
		delete(rec.Refused, t.secret)
		rec.Accepted = t.secret
		rec.forget(t.secret)
	})
}

// Unanswered ends the attempt without an answer. It may have been counted by
// the directory all the same.
func (t *Attempt) Unanswered() error {
	return t.end(func(rec *account) {
		rec.Unanswered = append(rec.Unanswered, flight{t.secret, t.began})
	})
}

// Withdrawn ends the attempt: it was never sent, or the answer was no word on
// the secret.
func (t *Attempt) Withdrawn() error { return t.end(func(*account) {}) }

// end records how the attempt ended. Where that fails the record on disk still
// says that it is in flight, and the next Begin takes it for unanswered.
func (t *Attempt) end(change func(*account)) (err error) {
	t.once.Do(func() {
		defer t.lock.Close()
		var s *store
		if s, err = t.a.l.store(); err != nil {
			return
		}
		defer s.Close()
		var rec *account
		if rec, err = t.a.read(s); err != nil {
			return
		}
		if rec.InFlight != nil {
			t.began = rec.InFlight.Began // which follows the clock
		}
		rec.InFlight = nil
		change(rec)
		err = t.a.save(s, rec)
	})
	return err
}
