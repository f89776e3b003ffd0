package krb5test

import (
	"sync"
	"time"
)

// Kind is a kind of request.
type Kind string

// The kinds.
const (
	KindAS        Kind = "as"         // without preauthentication
	KindASPreauth Kind = "as-preauth" // with an encrypted timestamp
	KindTGS       Kind = "tgs"
	KindKpasswd   Kind = "kpasswd"
	KindOther     Kind = "other" // not understood
)

// Script is what a server does wrong. The zero value is a healthy server.
type Script struct {
	SilentUDP bool // datagrams are read and never answered, nor looked at
	SilentTCP bool // connections are accepted, and nothing is ever said: a server that hangs
	CloseTCP  bool // connections are closed once a request is there
	Garbage   bool // something else listens: answers are HTTP

	ErrorCode    int32         // every request gets this KRB-ERROR, e.g. 29 SVC_UNAVAILABLE
	ClockOffset  time.Duration // the server's clock minus the realm's
	UDPMax       int           // a ticket in a longer reply over UDP is 52 RESPONSE_TOO_BIG; 0: as the dialect has it
	DropLarge    int           // requests and replies of more bytes vanish, on UDP and TCP
	WrongRealm   bool          // a KDC of some other realm: 6 or 7 for every name of this one
	Unconfirmed  bool          // a password is changed, and the answer is a KRB-ERROR of code 0, as of Windows Server 2025
	Rounds       uint32        // of PBKDF2 that users are told to make their keys with, as who stands in a KDC's place may; 0: the real number
	NoSalt       bool          // users are told to make their keys without a salt
	SwallowReply bool          // requests with preauthentication are worked through and never answered

	AnswerDelay   map[Kind]time.Duration // replies to requests of that kind come so much later
	TruncateReply int                    // replies end after so many bytes; over TCP the connection then closes
}

// Faults holds the script of a server, and may be changed while it serves. A
// nil *Faults and the zero value are healthy.
type Faults struct {
	mu     sync.Mutex
	script Script
}

// NewFaults starts with a script.
func NewFaults(s Script) *Faults { return &Faults{script: s} }

// Set replaces the script.
func (f *Faults) Set(s Script) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = s
}

// Script is what is being played.
func (f *Faults) Script() Script {
	if f == nil {
		return Script{}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.script
}
