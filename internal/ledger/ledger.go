// Package ledger is the memory on disk that keeps kerbagent harmless across
// restarts, crashes and processes: which account was refused with which
// secret, which attempts never had an answer, and which database handshakes
// were left unfinished. `run` and `check` share one state directory.
//
// What may do harm is recorded and synced before it is done. Where it cannot
// be recorded it is not done: every such failure wraps [ErrNoRecord]. A process
// that is killed leaves its record behind, and the record says the worst.
//
// The directory is 0700, its files 0600. A secret is known by an HMAC under
// the host's own random key; neither the secret nor a plain hash of it is
// stored. The package asks no server and imports nothing of kerbagent.
package ledger

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// ErrNoRecord is wrapped by every failure to read or write the record of an
// attempt. The attempt must not be made then.
var ErrNoRecord = errors.New("the attempt cannot be recorded, so it must not be made")

// PausedError is an attempt that is held back.
type PausedError struct {
	Since  time.Time
	Reason string    // the argument of Refused or PauseUser, or ReasonUnanswered or ReasonUnfinished
	Until  time.Time // zero: time alone does not end it; the method that returned it says what does
}

// Reasons that the ledger itself has for a pause.
const (
	ReasonUnanswered = "unanswered" // answers to attempts with this secret were lost, and may have been refusals
	ReasonUnfinished = "unfinished" // too many handshakes with this database were left unfinished
	ReasonHourly     = "hourly"     // the account has had as many attempts within the hour as Options.PerHour allows
	ReasonSpread     = "spread"     // a changed secret waits for its first try, which the hosts of a fleet take one after another
)

// Waits reports whether the attempt is only late: nothing was refused or lost.
func (e *PausedError) Waits() bool { return e.Reason == ReasonHourly || e.Reason == ReasonSpread }

// Error reports since when and why.
func (e *PausedError) Error() string {
	s := "paused since " + e.Since.UTC().Format(time.RFC3339)
	if !e.Until.IsZero() {
		s += " until " + e.Until.UTC().Format(time.RFC3339)
	}
	return s + ": " + e.why()
}

// why puts the reason into words; a refusal's is the code of what was refused.
func (e *PausedError) why() string {
	switch e.Reason {
	case ReasonUnanswered:
		return "the last attempts got no answer, and may have been refused"
	case ReasonUnfinished:
		return "too many of kerbagent's connections ended before the login was complete"
	case ReasonHourly:
		return "the account has had as many attempts as one hour allows"
	case ReasonSpread:
		return "the changed secret waits for its first attempt"
	}
	return e.Reason
}

// BusyError is an attempt that another process, or another part of this one,
// is making right now.
type BusyError struct{ What string }

// Error reports what is busy.
func (e *BusyError) Error() string { return "another attempt is in flight: " + e.What }

// CorruptError is a record that cannot be trusted. It wraps ErrNoRecord and is
// never mended silently: an empty record would mean a clean slate.
type CorruptError struct {
	File string // absolute
	Err  error
}

// Error names the file and says what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("record %s is damaged: %v; see that no account is near its lockout, then move the file away", e.File, e.Err)
}

// Unwrap returns what is wrong, and ErrNoRecord.
func (e *CorruptError) Unwrap() []error { return []error{ErrNoRecord, e.Err} }

// Options of Open.
type Options struct {
	Now           func() time.Time // nil: time.Now, and Uptime is this host's
	Uptime        Uptime           // nil: a clock that is set ahead is not noticed
	IgnoreBreaker bool             // pauses do not hold back; attempts are recorded all the same
	// PerHour is how many attempts an account may have had within an hour,
	// whoever made them, for Begin to allow another; 0: any number. It is for
	// what tries by itself: a daemon that is restarted in a loop, too.
	PerHour int
}

// Ledger is one state directory. It holds no open file between calls, and may
// be used by several goroutines.
type Ledger struct {
	dir     string
	now     func() time.Time
	uptime  Uptime
	ignore  bool
	perHour int
}

// Open uses a state directory, and makes it where it is missing.
func Open(dir string, o Options) (*Ledger, error) {
	if o.Now == nil {
		o.Now = time.Now
		if o.Uptime == nil {
			o.Uptime = hostUptime
		}
	}
	l := &Ledger{dir: dir, now: o.Now, uptime: o.Uptime, ignore: o.IgnoreBreaker, perHour: min(o.PerHour, maxRecent)}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making state directory: %w: %w", ErrNoRecord, err)
	}
	if err := l.makeKey(); err != nil {
		return nil, err
	}
	return l, nil
}

const keyFile, keySize = "host.key", 32

// Renew makes what a state directory needs that stands there and is empty:
// somebody has put it in the place of one that was lost. It makes no directory,
// since with an empty one every refusal would be forgotten.
func (l *Ledger) Renew() error { return l.makeKey() }

// makeKey makes the host's key once. A key that is missing beside accounts is
// not made anew: with another key every refusal would be forgotten.
func (l *Ledger) makeKey() error {
	s, err := l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	lock, err := s.lock("host.lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := s.key(); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names, err := s.list("account-")
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasSuffix(n, ".json") {
			return &CorruptError{File: s.path(keyFile), Err: errors.New("missing, but accounts were recorded under it")}
		}
	}
	key := make([]byte, keySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	return s.write(keyFile, key)
}

// identity tells secrets apart without holding them. The user is part of it,
// so that two accounts with one password do not show it.
func identity(key []byte, user string, secret []byte) string {
	m := hmac.New(sha256.New, key)
	fmt.Fprintf(m, "%d:%s:", len(user), user)
	m.Write(secret)
	return hex.EncodeToString(m.Sum(nil))
}

// fileName makes a file name of parts that may hold anything.
func fileName(kind string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s:", len(p), p)
	}
	return kind + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}
