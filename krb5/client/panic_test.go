package client

import (
	"context"
	"net"
	"net/netip"
	"strings"
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
