package mysql

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
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
	raw      net.Conn // the connection before TLS: deadlines are set on it
	stream   net.Conn // raw, or TLS on it
	tls      bool
	seq      byte   // the sequence number of the next packet, ours or the server's
	read     int    // packets of the connection phase
	partial  []byte // the first part of a packet that a ctx interrupted
	stage    stage
	greeting *Greeting
	caps     Capability // agreed with the server
	pending  *Switch    // what the server asked for last
	ok       []byte     // the OK that ended the login
	finished bool

	certificate *x509.Certificate // the server's certificate; nil where it was not verified
	broken      error             // the first error of the path: nothing can follow it
}

// Certificate returns the server's certificate where TLS has verified it, else nil.
func (c *Conn) Certificate() *x509.Certificate { return c.certificate }

// NewConn starts on a connection that has just been made, before its first byte
// has been read. The Conn owns it from now on.
func NewConn(c net.Conn) *Conn { return &Conn{raw: c, stream: c} }

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

// step runs one exchange under ctx.
func (c *Conn) step(ctx context.Context, doing string, exchange func() error) error {
	if c.broken != nil {
		return &StepError{doing, c.broken}
	}
	if err := ctx.Err(); err != nil {
		return &StepError{doing, err}
	}
	deadline, _ := ctx.Deadline() // the zero time is none
	if err := c.raw.SetDeadline(deadline); err != nil {
		return &StepError{doing, err}
	}
	unblocked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.raw.SetDeadline(time.Unix(1, 0)) // long past: what blocks now returns
		close(unblocked)
	})
	err := exchange()
	if !stop() {
		<-unblocked // or it would hit the next step
	}
	c.raw.SetDeadline(time.Time{})
	if err == nil {
		return nil
	}
	return &StepError{doing, ofContext(ctx, err)}
}

// ofContext makes an I/O timeout, which can only come from ctx, the ctx's own
// error: a caller tells a cancel from a deadline by it.
func ofContext(ctx context.Context, err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	default: // the poller's clock was a moment ahead of the context's
		return context.DeadlineExceeded
	}
}

// write sends one packet.
func (c *Conn) write(payload []byte) error {
	if _, err := c.stream.Write(AppendPacket(nil, c.seq, payload)); err != nil {
		c.broken = err
		return err
	}
	c.seq++
	return nil
}

// readPacket reads the next packet, which must have the next sequence number.
func (c *Conn) readPacket(from io.Reader, limit int) ([]byte, error) {
	seq, payload, err := ReadPacket(from, limit)
	if err != nil {
		c.broken = err
		return nil, err
	}
	// MariaDB and MySQL send some ERR packets of the start with a number of
	// their own: ERROR 1040 and the like come before a conversation exists.
	if seq != c.seq && !(len(payload) > 0 && payload[0] == headErr) {
		c.broken = fmt.Errorf("%w: sequence number %d, not %d", ErrMalformed, seq, c.seq)
		return nil, c.broken
	}
	c.seq = seq + 1
	return payload, nil
}

// readAuth reads a packet of the connection phase. What has come of it when ctx ends
// is kept, so that the conversation can still be ended well.
func (c *Conn) readAuth() ([]byte, error) {
	if c.read == maxAuthPackets {
		c.broken = fmt.Errorf("%w: more than %d packets without an OK or ERR", ErrMalformed, maxAuthPackets)
		return nil, c.broken
	}
	var seen bytes.Buffer
	b, err := c.readPacket(io.TeeReader(io.MultiReader(bytes.NewReader(c.partial), c.stream), &seen), MaxAuthPacket)
	c.partial = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.partial, c.broken = seen.Bytes(), nil
		return nil, err
	}
	c.read++
	return b, err
}

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
