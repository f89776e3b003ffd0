//go:build lab

package aduser

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// delegated is a directory as AWS hands it over: the Admin may make users below
// OU=CORP and nowhere else.
func delegated(t *testing.T) Options {
	t.Helper()
	labtest.Up(t)
	labtest.Run(t, "user", "delegated")
	password, err := os.ReadFile(labtest.Secret("user"))
	if err != nil {
		t.Fatal(err)
	}
	return Options{Realm: "CORP.EXAMPLE.COM", Controllers: []netip.Addr{netip.MustParseAddr(labtest.DC1)},
		Admin: "kerb.admin", Password: password, OU: "OU=Users,OU=CORP,DC=corp,DC=example,DC=com"}
}

func open(t *testing.T, o Options) *Directory {
	t.Helper()
	d, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// without makes sure that there is no such user, before the test and after it.
func without(t *testing.T, name string) string {
	t.Helper()
	labtest.Run(t, "user", "delete", name)
	t.Cleanup(func() { labtest.Run(t, "user", "delete", name) })
	return name
}

func login(t *testing.T, user, password string) error {
	t.Helper()
	k := &client.Client{Locator: here(netip.MustParseAddrPort(labtest.DC1 + ":88"))}
	s, err := k.TGT(t.Context(), client.Principal{Name: user, Realm: "CORP.EXAMPLE.COM"}, client.Password([]byte(password)))
	if err != nil {
		return err
	}
	s.Close()
	return nil
}

func TestLabUserCanLogIn(t *testing.T) {
	o := delegated(t)
	const password = "s3cret-Pässword"
	name := without(t, "Zoë O'Neil #1")
	tap := &tap{}
	o.Dialer = tap
	d := open(t, o)

	if u, err := d.Find(name); u != nil || err != nil {
		t.Fatalf("before: %+v, %v", u, err)
	}
	u, err := d.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Find(name); err != nil || again == nil || !again.Disabled || again.HasPassword {
		t.Errorf("made %+v, found %+v, %v", u, again, err)
	}
	if err := d.SetPassword(t.Context(), name, []byte(password)); err != nil {
		t.Fatal(err)
	}
	if err := d.Enable(u, true); err != nil {
		t.Fatal(err)
	}
	if again, err := d.Find(strings.ToUpper(name)); err != nil || again == nil || again.Disabled || !again.HasPassword || again.Name != name || !again.NeverExpires || !again.Expires.IsZero() {
		t.Errorf("after: %+v, %v", again, err)
	}
	if err := login(t, name, password); err != nil {
		t.Errorf("login: %v", err)
	}
	if seen := tap.seen(); bytes.Contains(seen, []byte(password)) || bytes.Contains(seen, []byte("sAMAccountName")) || !bytes.Contains(seen, []byte("dnsHostName")) {
		t.Error("what follows the bind can be read on the wire")
	}
}

// What the Admin may not do is refused, and says so.
func TestLabDelegationEndsAtTheOU(t *testing.T) {
	o := delegated(t)
	d := open(t, o)
	var refused *client.PasswordError
	err := d.SetPassword(t.Context(), "alice", []byte("not-to-be-set-1"))
	if !errors.As(err, &refused) || refused.Result != client.PasswordDenied {
		t.Errorf("setting alice's password: %v", err)
	}
	o.OU = "CN=Users,DC=corp,DC=example,DC=com"
	if u, err := open(t, o).Create(without(t, "kerb.outside")); !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
		t.Errorf("made %v, %v", u, err)
	}
}

// The next domain controller is asked where one is dead; a refused password is
// not tried at a second one.
func TestLabControllersInTurn(t *testing.T) {
	o := delegated(t)
	o.Controllers = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr(labtest.DC1)}
	open(t, o)

	// One whose KDC is dead, though its LDAP answers.
	o.Controllers = []netip.Addr{netip.MustParseAddr(labtest.DC2), netip.MustParseAddr(labtest.DC1)}
	o.Dialer = shut(labtest.DC2 + ":88")
	if d := open(t, o); d.At().String() != labtest.DC1 {
		t.Errorf("it is with %s", d.At())
	}

	o.Controllers = []netip.Addr{netip.MustParseAddr(labtest.DC1), netip.MustParseAddr(labtest.DC2)}
	o.Password = []byte("wrong")
	tap := &tap{}
	o.Dialer = tap
	if _, err := Open(t.Context(), o); err == nil || strings.Contains(tap.dialled(), labtest.DC2) {
		t.Errorf("%v, after dialling %s", err, tap.dialled())
	}
	labtest.Run(t, "user", "spread") // in a lab that was made just now the second one may not have him yet
	labtest.Run(t, "user", "unlock", "kerb.admin")
}

// shut is a network in which one address is refused.
type shut string

// DialContext is *net.Dialer's.
func (s shut) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address == string(s) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// tap keeps what crosses the connections to port 389.
type tap struct {
	mu    sync.Mutex
	bytes []byte
	to    []string
}

// DialContext is *net.Dialer's.
func (p *tap) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = append(p.to, address)
	if err == nil && strings.HasSuffix(address, ":389") {
		c = tapped{c, p}
	}
	return c, err
}

func (p *tap) keep(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = append(p.bytes, b...)
}

func (p *tap) seen() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.bytes)
}

func (p *tap) dialled() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.to, " ")
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.tap.keep(b[:n])
	return n, err
}

func (c tapped) Write(b []byte) (int, error) {
	c.tap.keep(b)
	return c.Conn.Write(b)
}
