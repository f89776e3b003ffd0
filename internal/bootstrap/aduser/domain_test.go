package aduser_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/aduser"
	"github.com/kerbagent/kerbagent/internal/bootstrap/aduser/ldaptest"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

const (
	adminPassword = "Admin-s3cret"
	newPassword   = "s3cret-Pässword"
)

// domain is a domain controller whose three ports are somewhere on loopback.
type domain struct {
	realm   *krb5test.Realm
	ldap    *ldaptest.Directory
	kdc     *krb5test.KDC
	kpasswd *krb5test.Kpasswd
}

func newDomain(t testing.TB) *domain {
	t.Helper()
	d := &domain{realm: krb5test.NewRealm("CORP.TEST", krb5test.Options{Admin: "admin"})}
	d.realm.AddUser("admin", adminPassword)
	var err error
	if d.ldap, err = ldaptest.Serve(d.realm, "dc1.corp.test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.ldap.Close)
	if d.kdc, err = d.realm.ServeKDC("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.kdc.Close() })
	if d.kpasswd, err = d.realm.ServeKpasswd("127.0.0.1:0", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.kpasswd.Close() })
	return d
}

// DialContext leads a domain controller's ports to where they are.
func (d *domain) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	at := map[string]netip.AddrPort{"389": d.ldap.Addr(), "88": d.kdc.Addr(), "464": d.kpasswd.Addr()}[address[strings.LastIndexByte(address, ':')+1:]]
	return (&net.Dialer{}).DialContext(ctx, network, at.String())
}

func (d *domain) options() aduser.Options {
	return aduser.Options{Realm: "CORP.TEST", Controllers: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Admin: "admin", Password: []byte(adminPassword),
		OU: "OU=Users,OU=CORP,DC=corp,DC=test", Dialer: d, Timeout: time.Second}
}

// logsIn reports whether a password is right, asked past all that lies.
func (d *domain) logsIn(t testing.TB, user, password string) bool {
	t.Helper()
	program := &krb5test.Program{Dial: (&net.Dialer{}).DialContext, Wait: time.Second, Patience: 5 * time.Second,
		KDCs: func(context.Context, string) ([]netip.AddrPort, error) { return []netip.AddrPort{d.kdc.Addr()}, nil }}
	_, err := program.Kinit(t.Context(), user, "CORP.TEST", password, nil)
	return err == nil
}

// makeUser does what bootstrap does for a user.
func makeUser(ctx context.Context, o aduser.Options, name string) error {
	d, err := aduser.Open(ctx, o)
	if err != nil {
		return err
	}
	defer d.Close()
	u, err := d.Find(name)
	if err == nil && u == nil {
		u, err = d.Create(name)
	}
	if err != nil {
		return err
	}
	if err := d.SetPassword(ctx, name, []byte(newPassword)); err != nil {
		return err
	}
	return d.Enable(u, true)
}

func TestAUserIsMade(t *testing.T) {
	d := newDomain(t)
	if err := makeUser(t.Context(), d.options(), "alice"); err != nil {
		t.Fatal(err)
	}
	if !d.logsIn(t, "alice", newPassword) || d.ldap.Users()["alice"] != "66048" { // normal, and never expires
		t.Errorf("users %v", d.ldap.Users())
	}
}

// rogue is somebody between bootstrap and the directory, who has no key of it.
func rogue(t *testing.T, lie ldaptest.Lie) (*domain, error) {
	t.Helper()
	d := newDomain(t)
	d.ldap.SetLie(lie)
	ended := make(chan error, 1)
	go func() { ended <- makeUser(t.Context(), d.options(), "alice") }()
	select {
	case err := <-ended:
		return d, err
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return nil, nil
	}
}

// Who stands between bootstrap and the directory ends the bind early, with success.
// Each of these once made bootstrap bind, or write, for ever.
func TestABindThatEndsEarlyIsRefused(t *testing.T) {
	for turn, want := range map[int]string{1: "before the server proved itself", 2: "without a sealing layer"} {
		d, err := rogue(t, func(n int, id int64, reply []byte) []byte {
			if n >= turn {
				return ldaptest.Result(id, ldaptest.BindReply, ldaptest.Success, nil)
			}
			return reply
		})
		if err == nil || !strings.Contains(err.Error(), want) || len(d.ldap.Users()) > 0 {
			t.Errorf("turn %d: %v, users %v", turn, err, d.ldap.Users())
		}
	}
}

// What comes in clear is bounded, however it is cut into messages, and in time.
func TestAnAnswerInClearIsBounded(t *testing.T) {
	for name, reply := range map[string]func(id int64) []byte{
		"entries":   func(id int64) []byte { return ldaptest.EntryOf(id, strings.Repeat("x", 1000), nil) },
		"strangers": func(id int64) []byte { return ldaptest.EntryOf(id+100, strings.Repeat("x", 1000), nil) },
	} {
		sent := 0
		d, err := rogue(t, func(turn int, id int64, _ []byte) []byte {
			one := bytes.Repeat(reply(id), 20_000) // 20 MB
			sent += len(one)
			return one
		})
		if err == nil || !strings.Contains(err.Error(), "more than it may") || len(d.ldap.Users()) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The end of bootstrap's context ends a conversation, too.
func TestOpenObeysItsContext(t *testing.T) {
	d := newDomain(t)
	ctx, cancel := context.WithCancel(t.Context())
	d.ldap.SetLie(func(int, int64, []byte) []byte { cancel(); return []byte{0x30} })
	o := d.options()
	o.Timeout = time.Minute
	begun := time.Now()
	if _, err := aduser.Open(ctx, o); err == nil || time.Since(begun) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(begun))
	}
}
