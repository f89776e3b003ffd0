package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxCounted is the most of a server's max_connect_errors that is made use of:
// some set it to a million, and a thousand unfinished handshakes are too many
// whatever the server says.
const maxCounted = 1000

// settled is how long after a sign of life a server may still come to count a
// handshake that was left unfinished before it: where the end of the connection
// was lost it waits for its connect_timeout, 10 seconds by default.
const settled = time.Minute

// Database is one database server, as seen from this host: a server blocks a
// client host after max_connect_errors unfinished handshakes in a row, and a
// full login sets its counter back.
//
// While a handshake is in flight it has a file, which its process holds
// locked. A handshake that finished removes it; any other leaves it, without a
// lock. So the files nobody holds are the count, also after kill -9.
//
// A full login takes two steps to remove such a file, since the server sets its
// counter back only if it was above zero when the login's connection came, and
// may count late what was left long before:
//  1. A login finds the file before it dials. When it has succeeded the server
//     was alive after the handshake had ended, and the file's second line says
//     when that was.
//  2. A later login, begun a minute or more after that, removes it.
type Database struct {
	l    *Ledger
	name string
	file string
	most int
}

// Database returns the record of a server. name tells servers apart, e.g. its
// host:port. maxConnectErrors is the server's own setting.
func (l *Ledger) Database(name string, maxConnectErrors int) *Database {
	return &Database{l, name, fileName("database", name), min(max(1, maxConnectErrors), maxCounted)}
}

// At is the record of one address of the server. Behind a name there may be
// several servers, and one server counts for each address of this host, IPv4
// and IPv6, by itself: so a full login sets back the count of its own address
// only. The server counts whatever the name: an instance that is asked by its own name
// and by those of its cluster has one count. A user's pause is of all addresses.
func (d *Database) At(address string) *Database {
	at := *d
	at.file = fileName("database", address)
	return &at
}

// Handshake is one connection that may be dialled. Its first end counts.
type Handshake struct {
	d    *Database
	user string // the login's user
	once sync.Once
	name string
	file *os.File

	began time.Time
	left  []inFlight // the handshakes that no process held before the server was dialled
}

// Begin records a handshake that is not meant to log in, and syncs the record;
// after it has returned nil the server may be dialled. Its errors:
// *PausedError when a quarter of max_connect_errors has gone unfinished, until
// a full login; *BusyError when the handshakes now in flight, were they all to
// break, would block this host; and what wraps ErrNoRecord.
func (d *Database) Begin() (*Handshake, error) {
	return d.begin("", func(dead, live []time.Time) error {
		if len(dead) >= d.pauseAt() {
			return d.paused(dead)
		}
		return d.room(dead, live)
	})
}

// BeginLogin is Begin for a handshake that is to log in as user@REALM. A full
// login is the way out of the pause, so it may go where Begin may not: one at
// a time from a quarter of max_connect_errors on; from a half, no more than
// one an hour; from three quarters, one a day; and none where the next would
// block this host. So a server that hangs for weeks does not block it, and one
// that recovers is noticed within a day.
func (d *Database) BeginLogin(user string) (*Handshake, error) {
	return d.begin(user, func(dead, live []time.Time) (err error) {
		n := len(dead)
		if n < d.pauseAt() {
			return d.room(dead, live)
		}
		if len(live) > 0 {
			return &BusyError{What: "login to " + d.name}
		}
		var wait time.Duration
		switch {
		case n >= max(1, d.most-1):
			return d.paused(dead)
		case n >= d.most*3/4:
			wait = 24 * time.Hour
		case n >= d.most/2:
			wait = time.Hour
		}
		now := d.l.now()
		for _, t := range dead {
			// A time ahead of the clock, which has stepped back, holds nothing up.
			if !t.After(now) && now.Before(t.Add(wait)) {
				paused := d.paused(dead)
				paused.Until = t.Add(wait) // the last one stays: dead is sorted
				err = paused
			}
		}
		return err
	})
}

// pauseAt is how many unfinished handshakes end all but logins.
func (d *Database) pauseAt() int { return max(1, d.most/4) }

// paused returns the pause that dead, in the order of time, adds up to.
func (d *Database) paused(dead []time.Time) *PausedError {
	return &PausedError{Since: dead[d.pauseAt()-1], Reason: ReasonUnfinished}
}

// room leaves one connection error to the others on this host.
func (d *Database) room(dead, live []time.Time) error {
	if len(live) > 0 && len(dead)+len(live)+1 >= d.most {
		return &BusyError{What: "handshake with " + d.name}
	}
	return nil
}

// begin asks may before it writes, and once more when its file stands there,
// so that of two at once at least one sees the other.
func (d *Database) begin(user string, may func(dead, live []time.Time) error) (*Handshake, error) {
	s, err := d.l.store()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var id [4]byte
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	h := &Handshake{d: d, user: user, began: d.l.now()}
	h.name = fmt.Sprintf("%s-%d-%s.flight", d.file, h.began.UnixNano(), hex.EncodeToString(id[:]))
	if _, err := d.ask(s, h.name, may); err != nil {
		return nil, err
	}
	if h.file, err = s.create(h.name, []byte(d.name+"\n")); err != nil {
		return nil, err
	}
	if h.left, err = d.ask(s, h.name, may); err != nil {
		_ = s.root.Remove(h.name) // what is left counts against us, not against the host
		h.file.Close()
		return nil, err
	}
	return h, nil
}

// ask also returns the handshakes that nobody holds.
func (d *Database) ask(s *store, except string, may func(dead, live []time.Time) error) ([]inFlight, error) {
	dead, live, err := d.flights(s, except)
	if err == nil {
		err = may(times(dead), times(live))
	}
	var paused *PausedError
	if d.l.ignore && errors.As(err, &paused) {
		return dead, nil
	}
	return dead, err
}

// End ends the handshake. finished: the server's OK or ERR was read, or no
// connection came to be, so the server has nothing to count. loggedIn: it was
// an OK, which sets the server's counter back, and in the end ours.
func (h *Handshake) End(finished, loggedIn bool) (err error) {
	h.once.Do(func() {
		defer h.file.Close()
		if !finished && !loggedIn {
			return // the file stays, and counts once it is closed
		}
		var s *store
		if s, err = h.d.l.store(); err != nil {
			return
		}
		defer s.Close()
		if err = s.remove(h.name); err != nil || !loggedIn {
			return
		}
		if err = s.remove(h.d.pauseFile(h.user)); err != nil {
			return
		}
		err = h.makeGood(s)
	})
	return err
}

// makeGood forgets what this full login has made good, and takes note that
// the server lives after the rest of what was left before the login began. What
// was left since, or is in flight, the server may yet count.
func (h *Handshake) makeGood(s *store) error {
	now := h.d.l.now()
	for _, f := range h.left {
		alive, err := s.aliveAfter(f.name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another login was faster
		case err != nil:
			return err
		case alive.IsZero() || alive.After(now): // not yet, or the clock has stepped back
			err = s.noteAlive(f.name, now)
		case !h.began.Before(alive.Add(settled)):
			err = s.remove(f.name)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// aliveAfter reads when the server was seen alive after a handshake had been
// left: the last line of its file; zero where there is none that is whole.
func (s *store) aliveAfter(name string) (time.Time, error) {
	b, err := s.read(name)
	if err != nil {
		return time.Time{}, err
	}
	lines := bytes.Split(b, []byte("\n"))
	if len(lines) < 3 { // the server's name, a time, and nothing after the last line's end
		return time.Time{}, nil
	}
	nanos, err := strconv.ParseInt(string(lines[len(lines)-2]), 10, 64)
	if err != nil {
		return time.Time{}, nil
	}
	return time.Unix(0, nanos), nil
}

// noteAlive adds a line to a handshake's file. It must not get another name, or
// who lists the directory just then might see neither.
func (s *store) noteAlive(name string, at time.Time) error {
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return noRecord("writing "+s.path(name), err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%d\n", at.UnixNano()); err != nil {
		return noRecord("writing "+s.path(name), err)
	}
	return nil
}

// Unfinished counts the handshakes that were left unfinished and that no full
// login has surely made good.
func (d *Database) Unfinished() (int, error) {
	s, err := d.l.store()
	if err != nil {
		return 0, err
	}
	defer s.Close()
	dead, _, err := d.flights(s, "")
	return len(dead), err
}

// inFlight is a handshake's file.
type inFlight struct {
	name  string
	began time.Time
}

func times(fs []inFlight) []time.Time {
	out := make([]time.Time, len(fs))
	for i, f := range fs {
		out[i] = f.began
	}
	return out
}

// flights lists the handshakes that nobody holds, in the order of time, and
// those in flight.
func (d *Database) flights(s *store, except string) (dead, live []inFlight, err error) {
	names, err := s.list(d.file + "-")
	if err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		rest, ok := strings.CutSuffix(n, ".flight")
		if !ok || n == except {
			continue
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(rest, d.file+"-"), "-")
		nanos, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return nil, nil, &CorruptError{File: s.path(n), Err: errors.New("not a name that kerbagent makes")}
		}
		f := inFlight{n, time.Unix(0, nanos)}
		held, err := s.held(n)
		switch {
		case errors.Is(err, fs.ErrNotExist): // ended meanwhile
		case err != nil:
			return nil, nil, err
		case held:
			live = append(live, f)
		default:
			dead = append(dead, f)
		}
	}
	slices.SortFunc(dead, func(a, b inFlight) int { return a.began.Compare(b.began) })
	return dead, live, nil
}

// held reports whether a process holds a file's lock. It asks for a shared lock,
// so that two who ask at once do not take each other for the holder.
func (s *store) held(name string) (bool, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return false, noRecord("reading "+s.path(name), err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, noRecord("reading "+s.path(name), err)
	}
	return false, nil
}

func (s *store) remove(name string) error {
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return noRecord("removing "+s.path(name), err)
	}
	return nil
}
