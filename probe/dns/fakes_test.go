package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
)

// serve answers on a loopback port.
func serve(t testing.TB, transport probe.Transport, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	up := make(chan struct{})
	s := &dns.Server{Handler: handle, NotifyStartedFunc: func() { close(up) }}
	var addr net.Addr
	var err error
	if transport == probe.UDP {
		if s.PacketConn, err = net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
			addr = s.PacketConn.LocalAddr()
		}
	} else if s.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
		addr = s.Listener.Addr()
	}
	if err != nil {
		t.Fatal(err)
	}
	go s.ActivateAndServe()
	<-up
	t.Cleanup(func() { s.Shutdown() })
	return netip.MustParseAddrPort(addr.String())
}

// says makes a handler that answers with change applied to an empty answer.
func says(change func(m *dns.Msg)) dns.HandlerFunc {
	return func(w dns.ResponseWriter, req *dns.Msg) {
		m := new(dns.Msg).SetReply(req)
		change(m)
		w.WriteMsg(m)
	}
}

// raw makes a handler that writes what bytes makes of the packed good answer.
func raw(bytes func(good []byte) []byte) dns.HandlerFunc {
	return func(w dns.ResponseWriter, req *dns.Msg) {
		m := new(dns.Msg).SetReply(req)
		records(&m.Answer, "_kerberos._udp.corp.example.com. 60 SRV 0 100 88 dc1.corp.example.com.")
		good, err := m.Pack()
		if err != nil {
			panic(err)
		}
		w.Write(bytes(good))
	}
}

func records(section *[]dns.RR, lines ...string) {
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		*section = append(*section, rr)
	}
}

// A dialer in place of the network, for errors that loopback does not have.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

func refusing(err error) dialer {
	return func(_ context.Context, network, _ string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
}

// tcp serves connections with handle on a loopback port.
func tcp(t *testing.T, handle func(c net.Conn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var kept []net.Conn // else the garbage collector closes what nobody refers to
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range kept {
					c.Close()
				}
				return
			}
			kept = append(kept, c)
			handle(c)
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// deaf is a loopback address whose SYNs are dropped: the accept queue is full.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return addr
}

func closed(t *testing.T) netip.AddrPort {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return netip.MustParseAddrPort(pc.LocalAddr().String())
}
