package mysqltest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// Acceptor checks a client's first GSS token, as a server with a keytab does.
type Acceptor interface {
	// Accept returns the client as user@REALM and the token that proves the
	// server (AP-REP), empty where the client did not ask for one.
	Accept(token []byte) (client string, reply []byte, err error)
}

// Flavour is whose server this one resembles.
type Flavour int

// The flavours.
const (
	MySQL   Flavour = iota // 8: authentication_kerberos, tokens behind a 01
	MariaDB                // 10.11: gssapi, bare tokens, flag bit 0 cleared
)

// Names of plugins as a switch gives them.
const (
	Kerberos       = "authentication_kerberos_client"
	GSSAPI         = "auth_gssapi_client"
	NativePassword = "mysql_native_password"
	CachingSHA2    = "caching_sha2_password"
)

// User is an account.
type User struct {
	Plugin    string // as the switch names it; empty: the flavour's Kerberos plugin
	Principal string // whose ticket is accepted, and its realm announced; empty: the user's name @ Config.Realm
	Password  string // of NativePassword; other password plugins accept none
	Open      bool   // whatever a client answers is accepted
	Locked    bool   // ERROR 3118 (MySQL) or 4151 (MariaDB) at the end
}

// Config describes a server. The zero value of each field is a sound default.
type Config struct {
	Addr             netip.AddrPort // loopback; zero: 127.0.0.1 and a free port
	Flavour          Flavour
	Version          string // in the greeting
	Names            []string
	Users            map[string]User
	Decoy            string // the plugin that unknown users are switched to; empty: NativePassword
	SPN              string // that it announces
	Realm            string // of users without a Principal: announced by MySQL's plugin only
	Acceptor         Acceptor
	ConnectTimeout   time.Duration // for the client's packets until it is logged in; 0: 10 s
	MaxConnectErrors int           // a host with so many is blocked; 0: never
	WithoutEOF       bool          // DEPRECATE_EOF is not offered, as before MySQL 5.7
	Cluster          *Cluster      // the Aurora cluster that it is an instance of; nil: it is no Aurora
	Instance         string        // the name of this instance in Cluster
	Now              func() time.Time
}

// DefaultName is the host name in every certificate, beside Config.Names and the
// loopback addresses.
const DefaultName = "db.mysqltest.example"

// Server serves until Close.
type Server struct {
	cfg  Config
	addr netip.AddrPort
	pki  *pki

	mu       sync.Mutex
	idle     sync.Cond // a conversation has ended
	faults   Faults
	listener net.Listener // nil while refusing
	conns    map[net.Conn]struct{}
	stats    Stats
	nextID   uint32
	closed   bool

	statements []string
	lastLogin  mysql.LoginPacket
}

// New starts a server.
func New(cfg Config) (*Server, error) {
	if !cfg.Addr.IsValid() {
		cfg.Addr = netip.MustParseAddrPort("127.0.0.1:0")
	}
	if !cfg.Addr.Addr().IsLoopback() {
		return nil, fmt.Errorf("%v is not a loopback address", cfg.Addr)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 10 * time.Second
	}
	if cfg.Decoy == "" {
		cfg.Decoy = NativePassword
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Version == "" {
		cfg.Version = map[Flavour]string{MySQL: "8.0.39", MariaDB: "5.5.5-10.11.19-MariaDB"}[cfg.Flavour]
	}
	pki, err := newPKI(append([]string{DefaultName}, cfg.Names...), cfg.Now())
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, addr: cfg.Addr, pki: pki, conns: map[net.Conn]struct{}{}}
	s.idle.L = &s.mu
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// listen starts to accept; s.mu is held.
func (s *Server) listen() error {
	l, err := net.Listen("tcp", s.addr.String())
	if err != nil {
		return err
	}
	s.addr = l.Addr().(*net.TCPAddr).AddrPort()
	s.listener = l
	go s.accept(l)
	return nil
}

// accept serves l until it is closed.
func (s *Server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			return
		}
		s.nextID++
		s.stats.Connections++
		s.conns[c] = struct{}{}
		conv := &conversation{Server: s, conn: c, id: s.nextID, faults: s.faults, blocked: s.isBlocked()}
		s.mu.Unlock()
		go s.serve(conv)
	}
}

func (s *Server) serve(v *conversation) {
	end := v.run()
	// What is written down comes before the close: a client that has seen the
	// end finds it counted.
	s.mu.Lock()
	s.count(end)
	s.mu.Unlock()
	v.conn.Close()
	s.mu.Lock()
	delete(s.conns, v.raw())
	s.idle.Broadcast()
	s.mu.Unlock()
}

// Addr is where it listens, also while it refuses.
func (s *Server) Addr() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// CA is the certificate of the CA that made the server's certificates, as PEM.
func (s *Server) CA() []byte { return s.pki.ca.pem() }

// Wait returns when as many connections as given have come in all, and none is
// open: what the clients did until then has been counted.
func (s *Server) Wait(connections int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 || s.stats.Connections < connections {
		s.idle.Wait()
	}
}

// Hangup cuts every open connection, as a server does that restarts.
func (s *Server) Hangup() {
	s.mu.Lock()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.Wait(0)
}

// Close stops listening and cuts what is open.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	err := s.stopListening()
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.Wait(0)
	return err
}

// stopListening ends the listener, if there is one; s.mu is held.
func (s *Server) stopListening() error {
	if s.listener == nil {
		return nil
	}
	err := s.listener.Close()
	s.listener = nil
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
