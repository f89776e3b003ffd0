package ledger

import (
	"encoding/json"
	"errors"
	"io/fs"
)

// Service is what is known of the service principal that a database announces, which
// saves a round trip where a ticket is asked for ahead of the announcement.
type Service struct {
	Announced string `json:"announced,omitempty"` // last, and a KDC gave a ticket for it
	Refused   string `json:"refused,omitempty"`   // by a KDC, when it was asked for ahead: not again
}

// service is the record.
type service struct {
	Version  int    `json:"version"`
	Database string `json:"database"`
	Realm    string `json:"realm"`
	Service
}

// Service returns what is known of the database's service, for users of a realm. The
// error wraps ErrNoRecord.
func (d *Database) Service(realm string) (Service, error) {
	s, err := d.l.store()
	if err != nil {
		return Service{}, err
	}
	defer s.Close()
	return d.readService(s, realm)
}

// SetService keeps what is known of the database's service, for users of a realm. A record that
// cannot be read is replaced: it holds nothing back.
func (d *Database) SetService(realm string, is Service) error {
	s, err := d.l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	if was, err := d.readService(s, realm); err == nil && was == is {
		return nil
	}
	b, err := json.Marshal(service{1, d.name, realm, is})
	if err != nil {
		return noRecord("writing "+s.path(d.serviceFile(realm)), err)
	}
	return s.write(d.serviceFile(realm), append(b, '\n'))
}

func (d *Database) serviceFile(realm string) string {
	return fileName("service", d.name, realm) + ".json"
}

func (d *Database) readService(s *store, realm string) (Service, error) {
	name := d.serviceFile(realm)
	b, err := s.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Service{}, nil
	}
	if err != nil {
		return Service{}, err
	}
	var r service
	if err := s.decode(name, b, &r); err != nil {
		return Service{}, err
	}
	if r.Version != 1 || r.Database != d.name || r.Realm != realm {
		return Service{}, &CorruptError{File: s.path(name), Err: errors.New("not the record of this database")}
	}
	return r.Service, nil
}
