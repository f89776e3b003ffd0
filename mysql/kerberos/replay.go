package kerberos

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/kerbagent/kerbagent/mysql"
)

// replay is a connection that has been logged in, dressed up for a driver that
// wants to log in itself: the driver reads a greeting, its login packet goes
// nowhere, and it reads the OK that the server said to us. From then on bytes
// just pass. The driver reads and writes in turn; only Close may come from
// another goroutine.
type replay struct {
	net.Conn
	session mysql.Session
	unread  []byte // what the driver reads before anything of the server's
	login   []byte // the driver's login packet, as far as it has come
	passing bool   // the driver has been told OK
}

// hidden are capabilities that are done with or not wanted: TLS is below the
// driver already.
const hidden = mysql.SSL | mysql.Compress

// newReplay takes over a connection on which nothing was said after the OK. raw
// is the TCP connection below.
func newReplay(s mysql.Session, raw net.Conn) net.Conn {
	greeting := *s.Greeting
	greeting.Capabilities = s.Capabilities &^ hidden
	greeting.Extended = 0
	// With an empty password the driver has an empty answer to this plugin, and
	// takes OK for the end of the login.
	greeting.Plugin = "caching_sha2_password"
	// The scramble is used for nothing, but the driver wants twenty bytes.
	greeting.Scramble = make([]byte, 20)
	r := &replay{Conn: s.Conn, session: s, unread: mysql.AppendPacket(nil, 0, greeting.Marshal())}
	if sys, ok := raw.(syscall.Conn); ok {
		return checkable{r, sys}
	}
	return r
}

// checkable lets the driver see whether the server has hung up on a connection
// of the pool before it uses it.
type checkable struct {
	*replay
	syscall.Conn
}

func (r *replay) Read(b []byte) (int, error) {
	if len(r.unread) == 0 {
		if !r.passing {
			return 0, errors.New("the driver reads where it should log in")
		}
		return r.Conn.Read(b)
	}
	n := copy(b, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

func (r *replay) Write(b []byte) (int, error) {
	if r.passing {
		return r.Conn.Write(b)
	}
	r.login = append(r.login, b...)
	if err := r.swallow(); err != nil {
		return 0, fmt.Errorf("taking the driver's login packet: %w", err)
	}
	return len(b), nil
}

// swallow takes the driver's login packet once it is whole, and has the OK read.
func (r *replay) swallow() error {
	const header = 4
	if len(r.login) < header {
		return nil
	}
	n := header + (int(r.login[0]) | int(r.login[1])<<8 | int(r.login[2])<<16)
	switch {
	case n > mysql.MaxAuthPacket || r.login[3] != 1:
		return fmt.Errorf("packet %d of %d bytes", r.login[3], n)
	case len(r.login) < n:
		return nil
	case len(r.login) > n:
		return errors.New("more than one packet")
	}
	p, err := mysql.ParseLogin(r.login[header:])
	if err != nil {
		return err
	}
	agreed := r.session.Capabilities &^ hidden
	if beyond := p.Capabilities &^ agreed; beyond != 0 {
		return fmt.Errorf("capabilities %#x were not agreed with the server", uint32(beyond))
	}
	if (p.Capabilities^agreed)&mysql.DeprecateEOF != 0 {
		return errors.New("the driver reads results in another form than the server sends them")
	}
	r.login, r.passing = nil, true
	r.unread = mysql.AppendPacket(nil, 2, r.session.OK)
	return nil
}
