package krb5test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Requests counts what a server was asked, answered or not. What SilentUDP,
// SilentTCP, DropLarge and Garbage keep from it is not counted.
type Requests struct {
	AS       int            // without preauthentication
	Preauth  map[string]int // with: attempts on an account, by the user name as asked
	TGS      int
	Kpasswd  int
	Other    int      // not understood
	UDP, TCP int      // messages by transport
	Services []string // asked for in TGS requests, in order, "name@REALM"
}

// KDC serves a realm on one port, UDP and TCP, until Close. It has Addr and
// Requests.
type KDC struct{ *server }

// Kpasswd serves password changes of a realm, likewise.
type Kpasswd struct{ *server }

// ServeKDC listens on addr, e.g. "127.0.0.1:0": the same port for UDP and TCP.
// A nil f is a healthy server.
func (r *Realm) ServeKDC(addr string, f *Faults) (*KDC, error) {
	s, err := r.serve(addr, f, desk.answer)
	if err != nil {
		return nil, fmt.Errorf("serving KDC: %w", err)
	}
	return &KDC{s}, nil
}

// ServeKpasswd listens on addr, as ServeKDC does.
func (r *Realm) ServeKpasswd(addr string, f *Faults) (*Kpasswd, error) {
	s, err := r.serve(addr, f, desk.changePassword)
	if err != nil {
		return nil, fmt.Errorf("serving kpasswd: %w", err)
	}
	return &Kpasswd{s}, nil
}

// handler answers one message; nil where the real one says nothing.
type handler func(desk, []byte) ([]byte, note)

// server is a port with a desk behind it.
type server struct {
	realm  *Realm
	faults *Faults
	handle handler
	tcp    net.Listener
	udp    *net.UDPConn
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	slots  chan struct{} // how much is answered at a time

	mu       sync.Mutex
	requests Requests
}

// maxAtOnce is how many datagrams and connections are served at a time.
const maxAtOnce = 64

func (r *Realm) serve(addr string, f *Faults, handle handler) (*server, error) {
	tcp, udp, err := listen(addr)
	if err != nil {
		return nil, err
	}
	s := &server{
		realm: r, faults: f, handle: handle, tcp: tcp, udp: udp,
		slots: make(chan struct{}, maxAtOnce),
	}
	s.requests.Preauth = map[string]int{}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.serveTCP)
	s.wg.Go(s.serveUDP)
	return s, nil
}

// listen opens both transports on one port. A free TCP port may be taken on
// UDP, so with port 0 it tries a few.
func listen(addr string) (net.Listener, *net.UDPConn, error) {
	want, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, nil, fmt.Errorf("reading address: %w", err)
	}
	for range 20 {
		var tcp net.Listener
		var udp *net.UDPConn
		if tcp, err = net.Listen("tcp", addr); err != nil {
			return nil, nil, err
		}
		at := tcp.Addr().(*net.TCPAddr).AddrPort()
		if udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)); err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		if want.Port() != 0 {
			break
		}
	}
	return nil, nil, err
}

// Addr is where it listens, on both transports.
func (s *server) Addr() netip.AddrPort { return s.tcp.Addr().(*net.TCPAddr).AddrPort() }

// Requests is what it was asked so far.
func (s *server) Requests() Requests {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.requests
	c.Preauth = maps.Clone(c.Preauth)
	c.Services = slices.Clone(c.Services)
	return c
}

// Close ends it, and cuts off what it was doing. After it the port refuses.
func (s *server) Close() error {
	s.cancel()
	err := errors.Join(s.tcp.Close(), s.udp.Close())
	s.wg.Wait()
	return err
}
