// Package secrets reads what a login proves itself with: passwords, keytabs and
// credential caches. Errors name the file and never hold any of it.
package secrets

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Store reads the secrets of logins. It may be used by several goroutines.
type Store struct {
	// Prompted returns the password of a login whose secret is asked for on the
	// terminal; nil where no login needs it.
	Prompted func(config.Login) ([]byte, error)

	// Root is the root directory, where the units are looked for; nil: this host's.
	Root fs.FS

	mu      sync.Mutex
	last    map[config.Login]login.Material
	tickets map[config.Login]ticket
}

// ticket is what a login got, for others of the same beat to use.
type ticket struct {
	shared *client.Shared
	until  time.Time // with a monotonic reading
}

// KeepTicket keeps the ticket that a login got, in the place of the one before; nil: it got none.
func (s *Store) KeepTicket(l config.Login, t *client.Shared) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tickets == nil {
		s.tickets = map[config.Login]ticket{}
	}
	if delete(s.tickets, l); t != nil {
		s.tickets[l] = ticket{t, time.Now().Add(2 * l.Interval)}
	}
}

// Ticket returns the ticket that a login's latest run got; nil where it got none, or
// the login has not run for two of its intervals.
func (s *Store) Ticket(l config.Login) *client.Shared {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tickets[l]; t.shared != nil && time.Now().Before(t.until) && time.Now().Before(t.shared.Ends()) {
		return t.shared
	}
	return nil
}

// Material reads the secret of a login. It returns the same Secret again for as
// long as the file stays the same: a Secret remembers the key that a password
// was stretched to, which is a third of what a login costs.
func (s *Store) Material(l config.Login) (login.Material, error) {
	m, err := s.read(l)
	m.Handed = handed(l.Secret, s.root())
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.last[l]
	if err == nil && l.SecretKind != config.Keytab && m.Secret != nil && last.Secret != nil && hmac.Equal(m.Identity, last.Identity) {
		last.Handed = m.Handed
		return last, nil
	}
	if s.last == nil {
		s.last = map[config.Login]login.Material{}
	}
	s.last[l] = m
	return m, err
}

// Keep forgets the secrets of all but these logins.
func (s *Store) Keep(logins []config.Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.last, func(l config.Login, _ login.Material) bool { return !slices.Contains(logins, l) })
	maps.DeleteFunc(s.tickets, func(l config.Login, _ ticket) bool { return !slices.Contains(logins, l) })
}

func (s *Store) root() fs.FS {
	if s.Root == nil {
		return os.DirFS("/")
	}
	return s.Root
}

// read reads the file at every run, since secrets change.
func (s *Store) read(l config.Login) (login.Material, error) {
	m := login.Material{Kind: string(l.SecretKind)}
	switch l.SecretKind {
	case config.Prompt:
		m.Kind = string(config.PasswordFile)
		if s.Prompted == nil {
			return m, errors.New("no password was given")
		}
		pw, err := s.Prompted(l)
		if err != nil {
			return m, err
		}
		m.Identity, m.Secret = pw, client.Password(pw)
	case config.PasswordFile:
		pw, err := password(l.Secret)
		if err != nil {
			return m, err
		}
		m.Identity, m.Secret = pw, client.Password(pw)
	case config.Keytab:
		b, err := l.Secret.Read()
		if err != nil {
			return m, unusable(err)
		}
		return fromKeytab(l, b)
	case config.CCache:
		b, err := l.Secret.Read()
		if err != nil {
			return m, unusable(err)
		}
		return fromCCache(l, b)
	}
	return m, nil
}

// password returns what a file or a command holds now.
func password(ref config.SecretRef) ([]byte, error) {
	if ref.Command() != nil {
		return fetch(ref)
	}
	pw, err := ref.Password()
	if err != nil {
		return nil, unusable(err)
	}
	return pw, nil
}

// unusable adds the word for what is wrong with a secret.
func unusable(err error) error {
	var secret *config.SecretError
	if !errors.As(err, &secret) {
		return err
	}
	return &login.MaterialError{Problem: string(secret.Problem), Err: err}
}

func newestKVNO(kt *keys.Keytab, l config.Login) string {
	newest, any := uint32(0), false
	for _, e := range kt.Entries {
		if e.Name == l.User && e.Realm == l.Realm {
			newest, any = max(newest, e.KVNO), true
		}
	}
	if !any {
		return ""
	}
	return fmt.Sprint(newest)
}
