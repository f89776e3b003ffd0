package client

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// bad is a Dialer with a bug.
type bad struct{}

func (bad) DialContext(context.Context, string, string) (net.Conn, error) { panic("as tested") }

// KDCs are asked side by side, out of reach of a caller's recover: a bug in reading
// what one says once ended the process.
func TestAPanicOfOneAttemptIsItsError(t *testing.T) {
	c := &Client{Dialer: bad{}, Locator: fixed{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")}}
	_, err := c.TGT(t.Context(), Principal{Name: "u", Realm: "R.TEST"}, Password([]byte("x")))
	if err == nil || strings.Count(err.Error(), "as tested") != 2 {
		t.Errorf("%v", err)
	}
}

// spoilt connects, and panics when the first answer is read; it counts what is open.
type spoilt struct {
	at   string
	open *atomic.Int32
}

func (o spoilt) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, o.at)
	if err != nil {
		return nil, err
	}
	o.open.Add(1)
	return unreadable{c, o.open}, nil
}

type unreadable struct {
	net.Conn
	open *atomic.Int32
}

func (unreadable) Read([]byte) (int, error) { panic("as tested") }

func (u unreadable) Close() error { u.open.Add(-1); return u.Conn.Close() }

// Nor does it leave connections behind: the second one to the KDC once stayed open.
func TestAPanicLeavesNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var open atomic.Int32
	c := &Client{Dialer: spoilt{l.Addr().String(), &open}, Locator: fixed{netip.MustParseAddrPort("127.0.0.1:1")}}
	if _, err := c.TGT(t.Context(), Principal{Name: "u", Realm: "R.TEST"}, Password([]byte("x"))); err == nil || !strings.Contains(err.Error(), "as tested") {
		t.Errorf("%v", err)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
}
