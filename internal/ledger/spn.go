package ledger

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"
)

// announced is the record of a service's host that a database announced and that
// nothing speaks for.
type announced struct {
	Version  int       `json:"version"`
	Database string    `json:"database"`
	Host     string    `json:"host"`
	Since    time.Time `json:"since"`
}

// FirstHost keeps the host of the service that the database announced, where none was
// kept before, and returns the one that was kept first. The error wraps ErrNoRecord.
func (d *Database) FirstHost(host string) (string, error) {
	s, err := d.l.store()
	if err != nil {
		return "", err
	}
	defer s.Close()
	name := fileName("announced", d.name) + ".json"
	lock, err := s.lock(name+".lock", true)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	b, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		if b, err = json.Marshal(announced{1, d.name, host, d.l.now()}); err != nil {
			return "", noRecord("writing "+s.path(name), err)
		}
		return host, s.write(name, append(b, '\n'))
	}
	if err != nil {
		return "", err
	}
	var a announced
	if err := s.decode(name, b, &a); err != nil {
		return "", err
	}
	if a.Version != 1 || a.Database != d.name || a.Host == "" {
		return "", &CorruptError{File: s.path(name), Err: errors.New("not the record of this database")}
	}
	return a.Host, nil
}
