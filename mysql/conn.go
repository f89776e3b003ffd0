package mysql

import (
	"crypto/x509"
	"errors"
	"net"
)

// How a login's steps can end without a *ServerError or an error of the path.
var (
	// ErrNotMySQL reports that whatever listens there does not greet as MySQL does.
	ErrNotMySQL = errors.New("not a MySQL server")
	// ErrTooOld reports that the server cannot switch plugins, which a login needs.
	ErrTooOld = errors.New("the server is too old: it has no pluggable authentication")
	// ErrNoTLS reports that the server offers no TLS. There is no fallback.
	ErrNoTLS = errors.New("the server offers no TLS")
	// ErrNoSwitch reports that the server let the user in, or went on, without a
	// switch: the account has no password and no plugin that asks for anything.
	ErrNoSwitch = errors.New("the server asked for no authentication")
	// ErrOpenAccount reports that the server took junk for an answer: the account
	// has no password.
	ErrOpenAccount = errors.New("the server accepts anything from this account")
	// ErrNoValue reports that a query gave no row, or NULL.
	ErrNoValue = errors.New("the query gave no value")

	errOrder = errors.New("this step is not possible here")
)

// stage is how far the conversation has come.
type stage int

const (
	fresh     stage = iota
	greeted         // the server waits for the login packet, or for TLS first
	untrusted       // likewise, but only Abandon is left: the certificate did not verify, or the server is too old
	asked           // the login packet was sent; the server speaks next
	switched        // the server waits for the plugin's first packet
	answered        // a token of the caller's was sent; the server speaks next
	ready           // logged in
	ended           // ERR, or quit
)

// Conn is one connection in its connection phase, and after a login one to send
// commands on. It is not safe for concurrent use. Every step honours its ctx:
// the deadline, and a cancel at once. A step whose ctx is done before it starts
// leaves the connection as it was, and after one whose ctx ends while it waits for
// the server, Abandon is still possible. Only in the TLS handshake, and where the
// server takes no more bytes, does the end of a ctx break the connection.
type Conn struct {
	packets
	tls      bool
	stage    stage
	greeting *Greeting
	caps     Capability // agreed with the server
	pending  *Switch    // what the server asked for last
	ok       []byte     // the OK that ended the login
	finished bool

	certificate *x509.Certificate // the server's certificate; nil where it was not verified
}

// Certificate returns the server's certificate where TLS has verified it, else nil.
func (c *Conn) Certificate() *x509.Certificate { return c.certificate }

// NewConn starts on a connection that has just been made, before its first byte
// has been read. The Conn owns it from now on.
func NewConn(c net.Conn) *Conn { return &Conn{packets: packets{raw: c, stream: c}} }

// Finished reports whether the server has said OK, or an ERR other than 1043,
// so that it does not count the connection as one that failed.
func (c *Conn) Finished() bool { return c.finished }

// Close closes the connection at once, without COM_QUIT. Where Finished says
// no, the server counts it against this host: Abandon first.
func (c *Conn) Close() error {
	c.stage = ended
	return c.stream.Close()
}

// Session tells what a login agreed on: for code that carries on with the
// connection by itself, such as a driver. It is complete after an OK.
type Session struct {
	Conn         net.Conn   // TLS where TLS was started; no byte of it has been read ahead
	Greeting     *Greeting  // the server's greeting
	Capabilities Capability // agreed on, SSL among them
	OK           []byte     // payload of the OK packet
}

// Session returns the state for another to carry on. The Conn must not be used
// after that.
func (c *Conn) Session() Session {
	return Session{Conn: c.stream, Greeting: c.greeting, Capabilities: c.caps, OK: c.ok}
}

// The steps of a login, as StepError names them.
const (
	DoingGreeting = "reading greeting"
	DoingTLS      = "starting TLS"
	DoingLogin    = "logging in"
	DoingAnswer   = "authenticating"
)

// StepError reports at which step a conversation failed.
type StepError struct {
	Doing string
	Err   error
}

// Error names the step and the cause.
func (e *StepError) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// readReply reads the answer to an authentication packet and keeps what it
// changes.
func (c *Conn) readReply() (*Reply, error) {
	b, err := c.readAuth()
	if err != nil {
		return nil, err
	}
	r, err := parseReply(b)
	var refused *ServerError
	switch {
	case errors.As(err, &refused):
		c.end(refused)
		return nil, err
	case err != nil:
		c.broken = err
		return nil, err
	case r.Kind == OK:
		c.finished, c.stage, c.ok = true, ready, b
	case r.Kind == Another:
		c.stage, c.pending = switched, r.Switch
	}
	return r, nil
}

// badHandshake is the one ERR that counts: our packet was not of the form that
// the plugin expects.
const badHandshake = 1043

// end notes that the server has said ERR and is closing.
func (c *Conn) end(e *ServerError) { c.finished, c.stage = e.Number != badHandshake, ended }
