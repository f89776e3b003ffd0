package mysqltest

import (
	"slices"

	"github.com/kerbagent/kerbagent/mysql"
)

// Stats is what a server has counted.
type Stats struct {
	Connections int // accepted
	Logins      int // full ones: OK said
	Refused     int // ended with an ERR
	Unfinished  int // ended before OK or ERR: each one counts as a connection error
	Errors      int // connection errors since the last full login: MAX_CONNECT_ERRORS is compared with this
	Blocked     int // answered with ERROR 1129
}

// ending is how a conversation ended, as far as the counters care.
type ending int

const (
	neutral    ending = iota // neither counted nor resetting
	loggedIn                 // OK was said: the counter goes back to 0
	refused                  // ERR was said: the counter stays
	blocked                  // ERROR 1129 was said
	unfinished               // the counter goes up
)

// count notes an ending; s.mu is held. A full login has been noted when the OK
// was said.
func (s *Server) count(e ending) {
	switch e {
	case refused:
		s.stats.Refused++
	case blocked:
		s.stats.Refused++
		s.stats.Blocked++
	case unfinished:
		s.stats.Unfinished++
		s.stats.Errors++
	case loggedIn:
		s.stats.Logins++
		s.stats.Errors = 0
	}
}

// Stats is what was counted so far; see [Server.Wait].
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// FlushHosts sets the counter of connection errors back, as FLUSH HOSTS does.
func (s *Server) FlushHosts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Errors = 0
}

// isBlocked reports whether the host has had too many errors; s.mu is held.
func (s *Server) isBlocked() bool {
	return s.cfg.MaxConnectErrors > 0 && s.stats.Errors >= s.cfg.MaxConnectErrors
}

// maxStatements is how many statements are kept.
const maxStatements = 1000

// note keeps what a client asked.
func (s *Server) note(statement string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.statements) < maxStatements {
		s.statements = append(s.statements, statement)
	}
}

// Statements is what clients asked, in order, the first thousand; choosing a
// database is "USE name".
func (s *Server) Statements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statements)
}

// LastLogin is the login packet that came last; the zero value where none did.
func (s *Server) LastLogin() mysql.LoginPacket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastLogin
}
