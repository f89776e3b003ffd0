//go:build hostile

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/aduser"
	"github.com/kerbagent/kerbagent/internal/bootstrap/aduser/ldaptest"
	"github.com/kerbagent/kerbagent/internal/liar"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// envLDAP has the addresses of LDAP, KDC and kpasswd: this process sets a password
// there, as bootstrap does.
const envLDAP = "HOSTILE_TEST_LDAP"

// TestSetsAPassword is the process that rogueLDAP runs. By itself it does nothing.
func TestSetsAPassword(t *testing.T) {
	at := strings.Fields(os.Getenv(envLDAP))
	if len(at) != 3 {
		return
	}
	ports := map[string]string{"389": at[0], "88": at[1], "464": at[2]}
	fmt.Println("set:", setPassword(t.Context(), aduser.Options{Realm: "EVIL.TEST", Controllers: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Admin: "admin",
		Password: []byte("Admin-s3cret"), OU: "OU=Users,OU=EVIL,DC=evil,DC=test", Dialer: led(ports), Timeout: 5 * time.Second}))
	fmt.Println(liar.Cost())
}

// led leads to ports of the test's.
type led map[string]string

func (l led) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(address)
	return (&net.Dialer{}).DialContext(ctx, network, l[port])
}

func setPassword(ctx context.Context, o aduser.Options) error {
	d, err := aduser.Open(ctx, o)
	if err != nil {
		return err
	}
	defer d.Close()
	u, err := d.Find("alice")
	if err != nil {
		return err
	}
	if u == nil {
		if _, err = d.Create("alice"); err != nil {
			return err
		}
	}
	return d.SetPassword(ctx, "alice", []byte("New-s3cret"))
}

// rogueLDAP stands between bootstrap and the directory, without any key. A victim is an account that
// nobody asked for, whose password must stay.
func rogueLDAP(t *testing.T, lie ldaptest.Lie) (string, bool) {
	t.Helper()
	r := krb5test.NewRealm("EVIL.TEST", krb5test.Options{Admin: "admin"})
	r.AddUser("admin", "Admin-s3cret")
	r.AddUser("victim", "secret")
	d, err := ldaptest.Serve(r, "dc1.evil.test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	d.SetLie(lie)
	kdc, err := r.ServeKDC("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kdc.Close() })
	kpasswd, err := r.ServeKpasswd("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kpasswd.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestSetsAPassword$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", envLDAP, d.Addr(), kdc.Addr(), kpasswd.Addr()))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	p := process{out: out.String(), code: cmd.ProcessState.ExitCode(), took: time.Since(began)}
	// By its own word: getrusage(2) counts what this process held when it was forked, with the flood.
	_, after, _ := strings.Cut(p.out, "at most ")
	if _, err := fmt.Sscanf(after, "%d kB", &p.rss); err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	p.rss <<= 10
	victim, proofs := r.KeyVersion("victim"), kdc.Requests().Preauth["admin"]
	if strings.Contains(p.out, "set: <nil>") != (lie == nil) {
		t.Errorf("%s", p.out)
	}
	return fmt.Sprintf("%d users made, %d proofs of the Admin's password, %s", len(d.Users()), proofs, p.cost()),
		victim == 2 && proofs <= 1 && p.cheap() && (lie == nil) == (len(d.Users()) == 1)
}

// ldapAttacks are those of an LDAP server in bootstrap's way to a password.
func ldapAttacks() []attack {
	const bound = "no user made, at most 120 MiB, 60 s"
	play := func(lie ldaptest.Lie) func(*testing.T) (string, bool) {
		return func(t *testing.T) (string, bool) { return rogueLDAP(t, lie) }
	}
	ends := func(at int) ldaptest.Lie {
		return func(turn int, id int64, reply []byte) []byte {
			if turn >= at {
				return ldaptest.Result(id, ldaptest.BindReply, ldaptest.Success, nil)
			}
			return reply
		}
	}
	return []attack{
		{"LDAP", "none (so that the others mean something)", "one user made, at most 120 MiB, 60 s", play(nil)},
		{"LDAP", "success before the server proved itself", bound, play(ends(1))},
		{"LDAP", "success in place of the sealing layer", bound, play(ends(2))},
		{"LDAP", "an endless flood of entries in clear", bound, play(func(_ int, id int64, _ []byte) []byte {
			return bytes.Repeat(ldaptest.EntryOf(id, strings.Repeat("x", 1000), nil), 200_000)
		})},
		{"LDAP", "a message of 2 GiB", bound, play(func(int, int64, []byte) []byte {
			return append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, make([]byte, 64<<20)...)
		})},
		{"LDAP", "an account appended in clear to the bind's end", bound, play(func(turn int, id int64, reply []byte) []byte {
			if turn != 3 {
				return reply
			}
			victim := ldaptest.EntryOf(id+1, "CN=victim,DC=evil,DC=test", map[string]string{"sAMAccountName": "alice", "userAccountControl": "512", "pwdLastSet": "0"})
			return append(append(reply, victim...), ldaptest.Result(id+1, 5, ldaptest.Success, nil)...)
		})},
	}
}
