package mysqltest

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// maxPacket is the longest packet taken from a client.
const maxPacket = 1 << 20

// conversation is one connection.
type conversation struct {
	*Server
	conn    net.Conn // TLS once it has begun
	bare    net.Conn // what was accepted, where conn is TLS
	id      uint32
	seq     byte
	faults  Faults
	blocked bool
	salt    []byte
	login   *mysql.LoginPacket
}

// raw is the connection as it was accepted.
func (v *conversation) raw() net.Conn {
	if v.secure() {
		return v.bare
	}
	return v.conn
}

// secure reports whether TLS has begun.
func (v *conversation) secure() bool { return v.bare != nil }

// errRefused ends a conversation after an ERR that does not count.
var errRefused = errors.New("refused")

// errBadForm ends a conversation after ERROR 1043, which counts.
var errBadForm = errors.New("handshake of a bad form")

// run holds the conversation and says how it ended.
func (v *conversation) run() ending {
	switch {
	case v.faults.Silent:
		io.Copy(io.Discard, v.conn)
		return unfinished
	case v.faults.Banner != "":
		io.WriteString(v.conn, v.faults.Banner)
		io.Copy(io.Discard, v.conn)
		return neutral
	case v.blocked:
		v.fail(&mysql.ServerError{Number: 1129, Message: "Host 'localhost' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'"})
		return blocked
	case v.faults.Greeting != nil:
		v.fail(v.faults.Greeting)
		return refused
	}
	patience := v.cfg.ConnectTimeout
	if v.faults.ConnectTimeout > 0 {
		patience = v.faults.ConnectTimeout
	}
	// net_read_timeout starts anew with each packet of the real thing's
	// handshake; here the whole handshake has one, which is stricter.
	v.conn.SetDeadline(time.Now().Add(patience))
	err := v.authenticate()
	switch {
	case errors.Is(err, errRefused):
		return refused
	case errors.Is(err, errBadForm):
		return unfinished
	case err != nil:
		if v.cfg.Flavour == MariaDB && v.login != nil && v.plugin() == GSSAPI {
			return neutral // as measured: MariaDB's gssapi does not count it
		}
		return unfinished
	}
	v.raw().SetDeadline(time.Time{})
	v.mu.Lock()
	v.count(loggedIn)
	v.mu.Unlock()
	if v.write(okPacket()) == nil {
		v.commands()
	}
	return neutral
}

// authenticate goes from the greeting to the point where OK is said.
func (v *conversation) authenticate() error {
	v.salt = make([]byte, 20)
	rand.Read(v.salt)
	for i, c := range v.salt {
		v.salt[i] = c%94 + 33 // printable, as the real ones are, and no NUL
	}
	if err := v.at(AtGreeting); err != nil {
		return err
	}
	if err := v.write(v.greeting().Marshal()); err != nil {
		return err
	}
	b, err := v.read()
	if err != nil {
		return err
	}
	if mysql.IsSSLRequest(b) && !v.faults.NoTLS {
		if err := v.at(AtTLS); err != nil {
			return err
		}
		if err := v.startTLS(); err != nil {
			return err
		}
		if b, err = v.read(); err != nil {
			return err
		}
	}
	login, err := mysql.ParseLogin(b)
	if err != nil {
		return v.badForm()
	}
	v.login = login
	if v.faults.Old {
		if len(login.Response) != 20 { // of its one way to authenticate
			return v.badForm()
		}
		return v.deny()
	}
	v.mu.Lock()
	v.lastLogin = *login
	v.mu.Unlock()
	if err := v.at(AtSwitch); err != nil {
		return err
	}
	if v.faults.RequireTLS && !v.secure() {
		return v.refuse(3159, "HY000", "Connections using insecure transport are prohibited while --require_secure_transport=ON.")
	}
	if v.faults.PluginMissing {
		return v.refuse(1524, "HY000", "Plugin '%s' is not loaded", v.plugin())
	}
	return v.authenticateUser()
}

// errCut ends a conversation that the script ends at a step.
var errCut = errors.New("cut by the script")

// at does what the script has for a step. A stall lasts until the client goes.
func (v *conversation) at(s Step) error {
	switch s {
	case v.faults.CutAt:
		if tcp, ok := v.raw().(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset
		}
		v.raw().Close()
		return errCut
	case v.faults.StallAt:
		v.raw().SetDeadline(time.Time{})
		io.Copy(io.Discard, v.raw())
		return errCut
	}
	return nil
}

func (v *conversation) greeting() *mysql.Greeting {
	caps := mysql.LongPassword | mysql.FoundRows | mysql.LongFlag | mysql.ConnectWithDB | mysql.LocalFiles | mysql.Protocol41 |
		mysql.Transactions | mysql.SecureConn | mysql.MultiStatements | mysql.MultiResults | mysql.PluginAuth |
		mysql.ConnectAttrs | mysql.LenencAuth | mysql.DeprecateEOF
	if v.cfg.Flavour == MariaDB {
		caps &^= mysql.LongPassword
	}
	if v.cfg.WithoutEOF {
		caps &^= mysql.DeprecateEOF
	}
	if !v.faults.NoTLS {
		caps |= mysql.SSL
	}
	if v.faults.Old { // flags of a captured greeting of 5.1.73: 0xf7ff without TLS, nothing in the upper half
		return &mysql.Greeting{Version: "5.1.73-log", ConnectionID: v.id, Capabilities: 0xf7ff, Charset: 8, Status: 2, Scramble: v.salt}
	}
	return &mysql.Greeting{
		Version: v.cfg.Version, ConnectionID: v.id, Capabilities: caps, Charset: 45,
		Status: 2, Scramble: v.salt, Plugin: NativePassword,
	}
}

func (v *conversation) startTLS() error {
	cert := v.pki.certs[v.faults.Certificate]
	secure := tls.Server(v.conn, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, Time: v.cfg.Now})
	if err := secure.Handshake(); err != nil {
		return err
	}
	v.bare, v.conn = v.conn, secure
	return nil
}

// read takes the client's next packet, whose number must be the next one.
func (v *conversation) read() ([]byte, error) {
	seq, b, err := mysql.ReadPacket(v.conn, maxPacket)
	if err != nil {
		return nil, err
	}
	if seq != v.seq {
		return nil, fmt.Errorf("%w: sequence number %d, not %d", mysql.ErrMalformed, seq, v.seq)
	}
	v.seq++
	return b, nil
}

func (v *conversation) write(payload []byte) error {
	_, err := v.conn.Write(mysql.AppendPacket(nil, v.seq, payload))
	v.seq++
	return err
}

// fail sends ERR.
func (v *conversation) fail(e *mysql.ServerError) error { return v.write(e.Marshal()) }

// refuse sends ERR and ends the conversation.
func (v *conversation) refuse(number uint16, state, format string, args ...any) error {
	return v.refuseWith(&mysql.ServerError{Number: number, State: state, Message: fmt.Sprintf(format, args...)})
}

func (v *conversation) refuseWith(e *mysql.ServerError) error {
	if err := v.fail(e); err != nil {
		return err
	}
	return errRefused
}

// deny is what a wrong password gets.
func (v *conversation) deny() error { return v.refuseWith(Denied(v.login.User)) }

// badForm is what an answer of the wrong form gets.
func (v *conversation) badForm() error {
	if err := v.fail(&mysql.ServerError{Number: 1043, State: "08S01", Message: "Bad handshake"}); err != nil {
		return err
	}
	return errBadForm
}

// okPacket returns the payload of an OK with autocommit on.
func okPacket() []byte { return []byte{0, 0, 0, 2, 0, 0, 0} }

func lenenc(b []byte, s string) []byte {
	if len(s) < 251 {
		return append(append(b, byte(len(s))), s...)
	}
	b = binary.LittleEndian.AppendUint16(append(b, 0xfc), uint16(len(s)))
	return append(b, s...)
}
