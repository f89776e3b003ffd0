package guard

import (
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/ledger"
)

// Record is the ledger on disk, which may not be there yet, or no more.
type Record struct {
	dir     string
	options ledger.Options

	mu     sync.Mutex
	opened *ledger.Ledger
	err    error
	once   bool // it was opened by somebody else, for a short while
}

// OnDisk returns the record in a directory, for as long as a daemon runs. A nil now
// is this host's clock, together with the time since its boot.
func OnDisk(dir string, now func() time.Time, perHour int) *Record {
	return &Record{dir: dir, options: ledger.Options{Now: now, PerHour: perHour}}
}

// Opened returns a record that was just opened; where it could not be, err says
// why, and nothing that needs a record is asked.
func Opened(l *ledger.Ledger, err error) *Record {
	if l == nil && err == nil {
		err = ledger.ErrNoRecord
	}
	return &Record{opened: l, err: err, once: true}
}

// Ledger returns the record of attempts, or why there is none. A directory that
// cannot be used is tried anew each time. One that was lost under a running
// daemon is not made again: with an empty one every refusal would be forgotten.
// Whoever puts another in its place has decided that.
func (r *Record) Ledger() (*ledger.Ledger, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.once:
		if r.opened == nil {
			return nil, r.err
		}
		return r.opened, nil
	case r.opened == nil:
		r.opened, r.err = ledger.Open(r.dir, r.options)
		return r.opened, r.err
	}
	if err := r.opened.Renew(); err != nil {
		return nil, err
	}
	return r.opened, nil
}
