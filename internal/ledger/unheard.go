package ledger

import (
	"encoding/json"
	"time"
)

// unheardFor is how long the first question to a realm goes over TCP after a KDC that had
// answered over UDP did not answer over TCP: each such login may leave an account an
// attempt without an answer.
const unheardFor = 24 * time.Hour

// unheard is the record.
type unheard struct {
	Version int       `json:"version"`
	Realm   string    `json:"realm"`
	At      time.Time `json:"at"`
}

// SetUnheard keeps that a KDC of a realm answered over UDP, and not what followed over TCP.
func (l *Ledger) SetUnheard(realm string) error {
	s, err := l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	name := fileName("unheard", realm) + ".json"
	b, err := json.Marshal(unheard{1, realm, l.now()})
	if err != nil {
		return noRecord("writing "+s.path(name), err)
	}
	return s.write(name, append(b, '\n'))
}

// Unheard reports whether that was within a day. A record that cannot be read, or of a
// time to come, says so too: it makes a login slower and nothing else.
func (l *Ledger) Unheard(realm string) bool {
	s, err := l.store()
	if err != nil {
		return false
	}
	defer s.Close()
	name := fileName("unheard", realm) + ".json"
	b, err := s.read(name)
	if err != nil {
		return false
	}
	var r unheard
	return s.decode(name, b, &r) != nil || l.now().Sub(r.At) < unheardFor
}
