package rehearsal

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echo serves both transports on one port and sends back what it gets.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	tcp, udp, err := listenBoth(netip.MustParseAddr("127.77.9.9"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tcp.Close(); udp.Close() })
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			udp.WriteTo(b[:n], from)
		}
	}()
	return tcp.Addr().(*net.TCPAddr).AddrPort()
}

// exchange sends size bytes over a path and waits for as many.
func exchange(p *Path, network string, to netip.AddrPort, size int, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := p.DialContext(ctx, network, to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	if _, err := io.WriteString(c, strings.Repeat("x", size)); err != nil {
		return err
	}
	_, err = io.ReadAtLeast(c, make([]byte, size), size)
	return err
}

func TestPath(t *testing.T) {
	to := echo(t)
	const brief, long = 60 * time.Millisecond, 5 * time.Second
	cases := []struct {
		name     string
		rule     *Rule
		network  string
		size     int
		patience time.Duration
		want     error
	}{
		{"tcp unharmed", nil, "tcp", 100, long, nil},
		{"udp unharmed", nil, "udp", 100, long, nil},
		{"tcp dropped", &Rule{Effect: Drop}, "tcp", 100, brief, os.ErrDeadlineExceeded},
		{"udp dropped", &Rule{Effect: Drop}, "udp", 100, brief, os.ErrDeadlineExceeded},
		{"other port dropped", &Rule{Effect: Drop, Port: 1}, "tcp", 100, long, nil},
		{"other address dropped", &Rule{Effect: Drop, To: netip.MustParsePrefix("127.77.8.0/24")}, "tcp", 100, long, nil},
		{"this net dropped", &Rule{Effect: Drop, To: netip.MustParsePrefix("127.77.9.0/24")}, "tcp", 100, brief, os.ErrDeadlineExceeded},
		{"other transport dropped", &Rule{Effect: Drop, Transport: "udp"}, "tcp", 100, long, nil},
		{"tcp refused", &Rule{Effect: Refuse}, "tcp", 100, long, syscall.ECONNREFUSED},
		{"udp refused", &Rule{Effect: Refuse}, "udp", 100, long, syscall.ECONNREFUSED},
		{"tcp unreachable", &Rule{Effect: Unreachable}, "tcp", 100, long, syscall.EHOSTUNREACH},
		{"udp unreachable", &Rule{Effect: Unreachable}, "udp", 100, long, syscall.EHOSTUNREACH},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p Path
			if c.rule != nil {
				p.Add(*c.rule)
			}
			if err := exchange(&p, c.network, to, c.size, c.patience); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestPathNeverLeavesTheMachine(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		_, err := new(Path).DialContext(t.Context(), network, "192.0.2.1:53")
		if !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("%s: got %v, want EHOSTUNREACH", network, err)
		}
	}
	if _, err := new(Path).DialContext(t.Context(), "tcp", "example.com:80"); err == nil {
		t.Error("a name was resolved")
	}
}

func TestPathDialEndsWithItsContext(t *testing.T) {
	var p Path
	p.Add(Rule{Effect: Drop})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.DialContext(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestPathAlias(t *testing.T) {
	to := echo(t)
	var p Path
	p.alias(netip.AddrPortFrom(to.Addr(), 88), to)
	if err := exchange(&p, "tcp", netip.AddrPortFrom(to.Addr(), 88), 10, 5*time.Second); err != nil {
		t.Error(err)
	}
}

func TestSpoiltReadEndsOnClose(t *testing.T) {
	to := echo(t)
	var p Path
	p.Add(Rule{Effect: Drop})
	c, err := p.DialContext(t.Context(), "udp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { _, err := c.Read(make([]byte, 1)); done <- err }()
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want closed", err)
	}
}
