package mysqltest

import (
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// Faults is the script of a server. The zero value is healthy. A conversation
// keeps the script that it began with.
type Faults struct {
	// Before the greeting.

	Refuse   bool               // nothing listens: the host answers with RST
	Silent   bool               // connections are taken, and not a byte is said
	Banner   string             // said instead of the greeting; then silence
	Greeting *mysql.ServerError // said instead of the greeting: 1129, 1130, 1040, …
	Old      bool               // greets and refuses as MySQL 5.1 does: no plugins, no TLS

	CutAt   Step // the connection is reset there
	StallAt Step // nothing is read or said from there on

	// TLS.

	NoTLS       bool        // not offered
	RequireTLS  bool        // a login without it is ERROR 3159
	Certificate Certificate // which one is shown

	// The switch.

	PluginMissing  bool          // ERROR 1524 in its place
	Plugin         string        // every user is switched to this plugin
	SPN            string        // announced instead of Config.SPN
	Realm          string        // announced instead of Config.Realm
	SwitchData     []byte        // announced as it is, instead of SPN and realm
	ConnectTimeout time.Duration // instead of Config.ConnectTimeout

	// The token.

	RejectToken    bool               // every token is refused: ERROR 1045 (MySQL) or 1105 (MariaDB)
	NoProof        bool               // no AP-REP, though the client asked for it
	BadProof       bool               // an AP-REP that does not verify
	DenyAfterProof *mysql.ServerError // AP-REP, then this ERR: 1045, 3118, 1226, …
	SecondFactor   bool               // AP-REP, then a switch to another plugin

	// After the login.

	HideTopology bool   // an Aurora that lets nobody read its table of instances: ERROR 1227
	CallsItself  string // @@aurora_server_id, instead of Config.Instance
}

// Step is a moment of a conversation, before the server's own next word.
type Step int

// The steps; the zero value is none.
const (
	NoStep     Step = iota
	AtGreeting      // instead of it
	AtTLS           // instead of its flight in the handshake
	AtSwitch        // instead of the switch
	AtToken         // instead of what it says to the token
)

// Denied is the ERR for DenyAfterProof where the account is not this user's.
func Denied(user string) *mysql.ServerError {
	return &mysql.ServerError{Number: 1045, State: "28000", Message: "Access denied for user '" + user + "'@'localhost' (using password: YES)"}
}

// SetFaults changes the script for the connections to come. An error says that
// the port could not be listened on again.
func (s *Server) SetFaults(f Faults) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	switch {
	case s.closed:
		return nil
	case f.Refuse:
		return s.stopListening()
	case s.listener == nil:
		return s.listen()
	}
	return nil
}

// Faults is the script being played.
func (s *Server) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}
