package ledger

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"
)

// pause is the record of a user whose deliberate probe is held back.
type pause struct {
	Version  int       `json:"version"`
	Database string    `json:"database"`
	User     string    `json:"user"`
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason"`
}

func (d *Database) pauseFile(user string) string { return fileName("pause", d.name, user) + ".json" }

// PauseUser holds a user's deliberate probe back for good: the server asked it
// for a password, and another answer might lock a password account. A full
// login of that user ends the pause.
func (d *Database) PauseUser(user, reason string) error {
	s, err := d.l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	lock, err := s.lock(d.pauseFile(user)+".lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	b, err := json.Marshal(pause{1, d.name, user, d.l.now(), reason})
	if err != nil {
		return noRecord("writing "+s.path(d.pauseFile(user)), err)
	}
	return s.write(d.pauseFile(user), append(b, '\n'))
}

// UserPaused is nil where the user may be probed, a *PausedError where
// PauseUser holds it back, or what wraps ErrNoRecord.
func (d *Database) UserPaused(user string) error {
	s, err := d.l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	name := d.pauseFile(user)
	b, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var p pause
	if err := s.decode(name, b, &p); err != nil {
		return err
	}
	if p.Version != 1 || p.Database != d.name || p.User != user {
		return &CorruptError{File: s.path(name), Err: errors.New("not the record of this user")}
	}
	if d.l.ignore {
		return nil
	}
	return &PausedError{Since: p.Since, Reason: p.Reason}
}
