package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// goneFor is how long a handshake that was left unfinished still counts once its database
// is gone: an instance that hangs may drop out of its cluster's list, and come back.
const goneFor = 30 * 24 * time.Hour

// Forget removes what is kept of databases that are gone, by the names that Database has
// for them: the services that they announced and the users who are held back there. The
// handshakes that were left unfinished count for 30 days more. A record that cannot be
// read stays: it is nobody's.
func (l *Ledger) Forget(gone func(database string) bool) error {
	s, err := l.store()
	if err != nil {
		return err
	}
	defer s.Close()
	names, err := s.list("")
	if err != nil {
		return err
	}
	for _, n := range names {
		if !s.isOf(n, gone) || strings.HasSuffix(n, ".flight") && !l.over(s, n) {
			continue
		}
		for _, file := range []string{n, n + ".lock"} {
			if err := s.remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOf reports whether a file is the record of a database that is gone.
func (s *store) isOf(name string, gone func(database string) bool) bool {
	kind, _, _ := strings.Cut(name, "-")
	flight := kind == "database" && strings.HasSuffix(name, ".flight")
	if !flight && (!strings.HasSuffix(name, ".json") || kind != "announced" && kind != "service" && kind != "pause") {
		return false
	}
	b, err := s.read(name)
	if err != nil {
		return false
	}
	if flight {
		first, _, whole := bytes.Cut(b, []byte("\n"))
		return whole && gone(string(first))
	}
	var r struct{ Database string }
	return json.Unmarshal(b, &r) == nil && r.Database != "" && gone(r.Database)
}

// over reports whether nobody holds a handshake's file any more, and it was left long ago.
func (l *Ledger) over(s *store, name string) bool {
	parts := strings.Split(name, "-") // database, the hash, the time
	if len(parts) != 4 {
		return false
	}
	nanos, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || l.now().Sub(time.Unix(0, nanos)) < goneFor {
		return false
	}
	held, err := s.held(name)
	return err == nil && !held || errors.Is(err, fs.ErrNotExist)
}
