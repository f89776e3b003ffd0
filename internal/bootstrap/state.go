package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// state is what AWS cannot tell a resumed run: which requests were sent and not
// seen yet, and what was done that leaves no trace. It holds ids, names and times.
type state struct {
	Schema int                  `json:"schema"`
	Lock   string               `json:"lock,omitempty"` // our token in the lock, while we may hold it
	Sent   map[string]time.Time `json:"sent,omitempty"` // requests whose effect was not seen yet, by step/key
	Made   map[string]string    `json:"made,omitempty"` // ids of what was made, by what it was asked as
	Done   map[string]time.Time `json:"done,omitempty"` // what was done to a thing, by what/id: joined, rebooted, password

	path string
	dir  *os.File // nil for a plan without a folder
	name string
	file *os.File // locked against other processes of this host; nil for a plan
}

// openState reads the file of one account and Region. Where something is to be
// changed, no other process of this host may hold it. A file in the former place
// is taken over where there is none yet.
func openState(dir, former, account, region string, changes bool) (*state, error) {
	s := &state{Schema: 1, Sent: map[string]time.Time{}, Made: map[string]string{}, Done: map[string]time.Time{},
		name: "bootstrap-" + account + "-" + region + ".json"}
	s.path = filepath.Join(dir, s.name)
	var err error
	s.dir, err = openOwn(dir)
	if errors.Is(err, fs.ErrNotExist) && changes {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder of the state file: %w", err)
		}
		s.dir, err = openOwn(dir)
	}
	if err != nil && (changes || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	if changes {
		if err := s.hold(); err != nil {
			s.close()
			return nil, err
		}
	}
	if err := s.read(former); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// read fills s from its file, or from the former place.
func (s *state) read(former string) error {
	b, err := readOwn(s.dir, s.name)
	if errors.Is(err, fs.ErrNotExist) && former != "" {
		b, err = takeOver(former, s.name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil:
		err = json.Unmarshal(b, s)
	}
	if err != nil {
		return fmt.Errorf("reading the state file %s: %w", s.path, err)
	}
	if s.Schema != 1 {
		return fmt.Errorf("the state file %s is of a newer kerbagent (schema %d)", s.path, s.Schema)
	}
	return nil
}

// takeOver reads a state file that an earlier version left in a folder which the
// daemon may write to: only one that is ours. Anything else there is nobody's word.
func takeOver(former, name string) ([]byte, error) {
	dir, err := os.Open(former)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	defer dir.Close()
	b, err := readOwn(dir, name)
	var foreign *unsafeError
	if errors.As(err, &foreign) {
		return nil, fs.ErrNotExist
	}
	return b, err
}

// hold locks a file beside the state: the state itself is replaced at each change.
func (s *state) hold() error {
	f, err := openIn(s.dir, s.name+".lock", unix.O_CREAT|unix.O_RDWR)
	if err != nil {
		return fmt.Errorf("locking the state file: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return &lockedError{by: "another process of this host"}
		}
		return fmt.Errorf("locking the state file: %w", err)
	}
	s.file = f
	return nil
}

// close lets other processes at the file. What it holds is on disk already.
func (s *state) close() {
	if s.file != nil {
		s.file.Close()
	}
	if s.dir != nil {
		s.dir.Close()
	}
}

// save writes the file, synced and in one rename. A plan, which may run beside an
// apply, keeps what it sees to itself.
func (s *state) save() error {
	if s.file == nil {
		return nil
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the state file: %w", err)
	}
	if err := replaceIn(s.dir, s.name, append(b, '\n')); err != nil { // hold: there is one writer
		return fmt.Errorf("writing the state file: %w", err)
	}
	return nil
}

// note records a request before it is sent.
func (s *state) note(key string, now time.Time) error {
	s.Sent[key] = now.UTC()
	return s.save()
}

// forget reports that a request is accounted for.
func (s *state) forget(key string) error {
	if _, ok := s.Sent[key]; !ok {
		return nil
	}
	delete(s.Sent, key)
	return s.save()
}

// forgetBut reports that the requests of a step are accounted for, but for some.
func (s *state) forgetBut(step string, open func(key string) bool) error {
	n := len(s.Sent)
	for key := range s.Sent {
		if strings.HasPrefix(key, step+"/") && !open(key) {
			delete(s.Sent, key)
		}
	}
	if len(s.Sent) == n {
		return nil
	}
	return s.save()
}

// made records the id of something that was made.
func (s *state) made(what, id string) error {
	if s.Made[what] == id {
		return nil
	}
	s.Made[what] = id
	return s.save()
}

// did records when something was done.
func (s *state) did(what string, at time.Time) error {
	s.Done[what] = at.UTC()
	return s.save()
}

// lately reports whether a request was sent so short a time ago that its effect may
// not show yet.
func (s *state) lately(key string, now time.Time, settle time.Duration) bool {
	sent, ok := s.Sent[key]
	return ok && now.Sub(sent).Abs() < settle
}
