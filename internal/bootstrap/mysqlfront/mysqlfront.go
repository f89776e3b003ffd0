// Package mysqlfront stands in for Aurora MySQL before a MariaDB, for tests: no
// free server knows authentication_kerberos. It takes the statements that the
// guide has, writes them down, and makes the twin account, which logs in with
// MariaDB's gssapi. Every other packet passes as it is. What it cannot show is
// whether Aurora takes a statement. The lab's cluster uses [Relay] with statements
// of its own.
package mysqlfront

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
)

// Front serves until Close.
type Front struct {
	listener net.Listener
	tls      *tls.Config
	upstream func(context.Context) (net.Conn, error)
	running  sync.WaitGroup
	cancel   context.CancelFunc

	mu         sync.Mutex
	statements []string
	failed     []error
}

// New serves on a loopback port: to clients over TLS with the certificate given,
// to MariaDB over what upstream opens, without TLS.
func New(certificate tls.Certificate, upstream func(context.Context) (net.Conn, error)) (*Front, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &Front{listener: l, tls: &tls.Config{Certificates: []tls.Certificate{certificate}}, upstream: upstream, cancel: cancel}
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { f.serve(ctx, c) })
		}
	})
	return f, nil
}

// Addr is where it listens.
func (f *Front) Addr() *net.TCPAddr { return f.listener.Addr().(*net.TCPAddr) }

// Statements are those that change something, as they came, in order.
func (f *Front) Statements() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.statements)
}

// Close ends it, and returns what went wrong with a conversation.
func (f *Front) Close() error {
	f.cancel()
	err := f.listener.Close()
	f.running.Wait()
	return errors.Join(append(f.failed, err)...)
}

const (
	clientSSL = 1 << 11 // capability flag
	comQuery  = 3
	comStmt   = 22 // COM_STMT_PREPARE
	errPacket = 0xff
	maxPacket = 1 << 20
)

func (f *Front) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	up, err := f.upstream(ctx)
	if err == nil {
		defer up.Close()
		defer context.AfterFunc(ctx, func() { c.Close(); up.Close() })()
		err = Relay(c, up, f.tls, f.translate)
	}
	if err != nil && ctx.Err() == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failed = append(f.failed, err)
	}
}

// Relay brings MariaDB's greeting to a client with TLS offered, ends TLS here, and
// passes on all that follows, statements as translate returns them. Numbers of
// packets are one less towards MariaDB until the login is through: it sees no
// request for TLS.
func Relay(c, up net.Conn, secured *tls.Config, translate func(statement string) string) error {
	greeting, err := readPacket(up)
	if err != nil {
		return fmt.Errorf("reading MariaDB's greeting: %w", err)
	}
	if greeting.body[0] == errPacket { // it takes no connection, and says so
		return greeting.write(c, 0)
	}
	if err := offerTLS(greeting.body); err != nil {
		return err
	}
	if err := greeting.write(c, 0); err != nil {
		return nil // the client is gone
	}
	if _, err := readPacket(c); err != nil { // the request for TLS
		return nil
	}
	secure := tls.Server(c, secured)
	defer secure.Close()
	response, err := readPacket(secure)
	if err != nil {
		return nil
	}
	if len(response.body) > 1 { // the flag again, which MariaDB has not offered
		response.body[1] &^= clientSSL >> 8
	}
	if err := response.write(up, -1); err != nil {
		return err
	}
	var loggedIn atomic.Bool
	var answers sync.WaitGroup
	defer answers.Wait()
	defer up.Close()
	answers.Go(func() {
		answer(secure, up, &loggedIn)
		secure.Close()
	})
	for {
		p, err := readPacket(secure)
		if err != nil {
			return nil
		}
		shift := 0
		if !loggedIn.Load() {
			shift = -1
		} else if p.number == 0 && len(p.body) > 1 && (p.body[0] == comQuery || p.body[0] == comStmt) {
			p.body = append(p.body[:1:1], translate(string(p.body[1:]))...)
		}
		if err := p.write(up, shift); err != nil {
			return nil
		}
	}
}

// answer passes on what MariaDB says: a packet at a time until it says OK, which
// may be two in a row (its proof, and then OK).
func answer(client io.Writer, up io.Reader, loggedIn *atomic.Bool) {
	for !loggedIn.Load() {
		p, err := readPacket(up)
		if err != nil {
			return // after an ERR, or the client is gone
		}
		loggedIn.Store(p.body[0] == 0) // before the client can know
		if err := p.write(client, 1); err != nil {
			return
		}
	}
	_, _ = io.Copy(client, up)
}

// offerTLS sets the flag in a greeting (protocol 10: version text, thread, 8
// bytes of salt, a filler, then the lower capabilities).
func offerTLS(greeting []byte) error {
	end := slices.Index(greeting, 0)
	at := end + 1 + 4 + 8 + 1
	if end < 0 || greeting[0] != 10 || at+2 > len(greeting) {
		return errors.New("MariaDB's greeting is of another protocol")
	}
	flags := binary.LittleEndian.Uint16(greeting[at:])
	binary.LittleEndian.PutUint16(greeting[at:], flags|clientSSL)
	return nil
}

// translate writes a change down, and returns what MariaDB is asked in its place.
func (f *Front) translate(statement string) string {
	if regexp.MustCompile(`(?i)^\s*(CREATE|ALTER|DROP|GRANT|REVOKE|SET PASSWORD)`).MatchString(statement) {
		f.mu.Lock()
		f.statements = append(f.statements, statement)
		f.mu.Unlock()
	}
	return twin(statement)
}

// twin is the same for MariaDB. Aurora has the realm beside the plugin, MariaDB
// the whole principal.
func twin(statement string) string {
	identified := regexp.MustCompile(`^(CREATE USER|ALTER USER) '((?:[^']|'')*)'@('(?:[^']|'')*') ` +
		`IDENTIFIED WITH 'authentication_kerberos' BY '((?:[^']|'')*)'$`)
	if m := identified.FindStringSubmatch(statement); m != nil {
		return fmt.Sprintf("%s '%s'@%s IDENTIFIED VIA gssapi USING '%s@%s'", m[1], m[2], m[3], m[2], m[4])
	}
	switch statement {
	case "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = ?":
		return "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = IF(? = 'authentication_kerberos', 'gssapi', '')"
	case "SELECT plugin, authentication_string FROM mysql.user WHERE User = ? AND Host = ?":
		return "SELECT IF(plugin = 'gssapi', 'authentication_kerberos', plugin), IF(plugin = 'gssapi', SUBSTRING_INDEX(authentication_string, " +
			"'@', -1), authentication_string)" +
			" FROM mysql.user WHERE User = ? AND Host = ?"
	}
	return statement
}

// packet is one of the protocol's, with its number.
type packet struct {
	number byte
	body   []byte
}

func readPacket(r io.Reader) (packet, error) {
	var h [4]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return packet{}, err
	}
	n := int(h[0]) | int(h[1])<<8 | int(h[2])<<16
	if n == 0 || n > maxPacket {
		return packet{}, fmt.Errorf("a packet of %d bytes", n)
	}
	p := packet{number: h[3], body: make([]byte, n)}
	_, err := io.ReadFull(r, p.body)
	return p, err
}

// write sends the packet with its number shifted.
func (p packet) write(w io.Writer, shift int) error {
	n := len(p.body)
	_, err := w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(int(p.number) + shift)}, p.body...))
	return err
}
