//go:build lab

package krb5test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// host is a machine with MIT's clients: its own krb5.conf and credential cache.
type host struct {
	t   *testing.T
	dir string
	env []string
}

// place is a realm with the servers that a host finds in its krb5.conf.
type place struct {
	realm   *Realm
	kdc     *KDC
	kpasswd *Kpasswd
}

// openPlace opens a KDC and a kpasswd server, recording into rec where it is not nil.
func openPlace(t *testing.T, r *Realm, rec *recorder) place {
	t.Helper()
	k, err := r.serve("127.0.0.1:0", nil, rec.tap(r, desk.answer, "kdc"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.serve("127.0.0.1:0", nil, rec.tap(r, desk.changePassword, "kpasswd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(); p.Close() })
	return place{r, &KDC{k}, &Kpasswd{p}}
}

// newHost writes the krb5.conf. udpLimit is the largest request that MIT's
// library sends by UDP first: 1 is TCP, a large one UDP.
func newHost(t *testing.T, udpLimit int, domains map[string]string, places ...place) *host {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "[libdefaults]\n default_realm = %s\n udp_preference_limit = %d\n", places[0].realm.Name(), udpLimit)
	b.WriteString(" dns_lookup_kdc = false\n dns_lookup_realm = false\n dns_canonicalize_hostname = false\n rdns = false\n kdc_timesync = 0\n")
	b.WriteString(" default_tkt_enctypes = aes256-cts aes128-cts\n default_tgs_enctypes = aes256-cts aes128-cts\n")
	b.WriteString("[realms]\n")
	for _, p := range places {
		fmt.Fprintf(&b, " %s = {\n  kdc = %s\n  kpasswd_server = %s\n }\n", p.realm.Name(), p.kdc.Addr(), p.kpasswd.Addr())
	}
	b.WriteString("[domain_realm]\n")
	for d, r := range domains {
		fmt.Fprintf(&b, " %s = %s\n", d, r)
	}
	conf := filepath.Join(dir, "krb5.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5CCNAME=FILE:"+filepath.Join(dir, "cc"), "LC_ALL=C")
	return &host{t, dir, env}
}

// run runs a program with lines on its standard input; a program that is
// missing fails the test.
func (h *host) run(stdin, name string, args ...string) (string, error) {
	h.t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		h.t.Fatalf("this test needs MIT's %s (Debian: krb5-user): %v", name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Env, c.Stdin = h.env, strings.NewReader(stdin)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

// must is run for what has to work.
func (h *host) must(stdin, name string, args ...string) string {
	h.t.Helper()
	out, err := h.run(stdin, name, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// keytab writes a file.
func (h *host) keytab(b []byte, err error) string {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.dir, "keytab")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func wantIn(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			t.Errorf("output lacks %q:\n%s", w, out)
		}
	}
}

const (
	overUDP = 32000
	overTCP = 1
)

func TestMITKinit(t *testing.T) {
	for _, dialect := range []Dialect{Samba, MIT, Windows} {
		for _, limit := range []int{overUDP, overTCP} {
			t.Run(fmt.Sprintf("dialect %d limit %d", dialect, limit), func(t *testing.T) {
				p := openPlace(t, castAt("A.TEST", Options{Dialect: dialect}), nil)
				h := newHost(t, limit, nil, p)
				h.must("secret-1\n", "kinit", "alice")
				wantIn(t, h.must("", "klist"), "Default principal: alice@A.TEST", "krbtgt/A.TEST@A.TEST")
				h.must("", "kdestroy")
				h.must("", "kinit", "-k", "-t", h.keytab(p.realm.Keytab("alice")), "alice")
				wantIn(t, h.must("", "klist", "-e"), "krbtgt/A.TEST@A.TEST", "aes256-cts-hmac-sha1-96")

				got := p.kdc.Requests()
				if got.Preauth["alice"] < 2 {
					t.Errorf("two logins made %d preauthenticated requests", got.Preauth["alice"])
				}
				switch {
				case limit == overTCP && got.UDP != 0:
					t.Errorf("over TCP, yet %d datagrams came", got.UDP)
				case limit == overUDP && dialect == MIT && got.TCP != 0:
					t.Errorf("MIT's replies fit a datagram, yet %d requests came over TCP", got.TCP)
				case limit == overUDP && dialect != MIT && (got.TCP == 0 || got.UDP == 0):
					t.Errorf("a reply with a PAC must go over from UDP to TCP: %d datagrams, %d over TCP", got.UDP, got.TCP)
				}
			})
		}
	}
}

func TestMITKinitRefused(t *testing.T) {
	places := map[Dialect]place{}
	for _, d := range []Dialect{Samba, MIT, Windows} {
		places[d] = openPlace(t, cast("A.TEST", d), nil)
	}
	for _, c := range []struct {
		dialect Dialect
		user    string
		want    string
	}{
		{Samba, "nobody", "not found in Kerberos database"},
		{Samba, "disabled", "credentials have been revoked"},
		{Samba, "locked", "credentials have been revoked"},
		{Samba, "expired", "credentials have been revoked"},
		{Samba, "hours", "credentials have been revoked"},
		{Samba, "policy", "KDC policy rejects request"},
		{Samba, "pwexpired", "Password expired."},
		{Samba, "mustchange", "Password expired."},
		{MIT, "disabled", "credentials have been revoked"},
		{MIT, "locked", "credentials have been revoked"},
		{MIT, "expired", "Client's entry in database has expired"},
		{MIT, "pwexpired", "Password expired."},
		{Windows, "locked", "credentials have been revoked"},
		{Windows, "workstation", "KDC policy rejects request"},
		{Windows, "mustchange", "Password expired."},
	} {
		t.Run(fmt.Sprintf("dialect %d %s", c.dialect, c.user), func(t *testing.T) {
			h := newHost(t, overTCP, nil, places[c.dialect])
			out, err := h.run("secret-1\n", "kinit", c.user)
			if err == nil {
				t.Fatal("kinit succeeded")
			}
			wantIn(t, out, c.want)
		})
	}
}

func TestMITKinitWrongPassword(t *testing.T) {
	p := openPlace(t, castAt("A.TEST", Options{}, "threetries"), nil)
	h := newHost(t, overTCP, nil, p)
	for range 3 {
		out, err := h.run("wrong\n", "kinit", "threetries")
		if err == nil {
			t.Fatal("kinit succeeded")
		}
		wantIn(t, out, "Password incorrect")
	}
	out, _ := h.run("secret-1\n", "kinit", "threetries")
	wantIn(t, out, "credentials have been revoked")
	if n := p.kdc.Requests().Preauth["threetries"]; n != 4 {
		t.Errorf("%d attempts counted, 4 made", n)
	}

	out, err := h.run("", "kinit", "-k", "-t", h.keytab(p.realm.KeytabOf("alice", "old", 1)), "alice")
	if err == nil {
		t.Fatal("kinit succeeded with a stale keytab")
	}
	wantIn(t, out, "Preauthentication failed")
}

func TestMITPasswordExpiryWarning(t *testing.T) {
	r := castAt("A.TEST", Options{})
	r.AddUser("soon", "secret-1", PasswordExpires(time.Now().Add(26*time.Hour)))
	h := newHost(t, overTCP, nil, openPlace(t, r, nil))
	wantIn(t, h.must("secret-1\n", "kinit", "soon"), "Your password will expire in")
}

func TestMITRenew(t *testing.T) {
	p := openPlace(t, castAt("A.TEST", Options{}), nil)
	h := newHost(t, overTCP, nil, p)
	h.must("secret-1\n", "kinit", "-l", "1h", "-r", "5d", "-f", "alice")
	wantIn(t, h.must("", "klist", "-f"), "renew until", "Flags: FRIA")
	h.must("", "kinit", "-R")
	wantIn(t, h.must("", "klist", "-f"), "renew until")
}

func TestMITKlistReadsKeytab(t *testing.T) {
	r := castAt("A.TEST", Options{})
	r.AddService("mysql/db.a.test", KVNO(258))
	h := newHost(t, overTCP, nil, openPlace(t, r, nil))
	out := h.must("", "klist", "-k", "-e", h.keytab(r.Keytab("alice", "mysql/db.a.test")))
	wantIn(t, out, "   2 alice@A.TEST (aes256-cts-hmac-sha1-96)", " 258 mysql/db.a.test@A.TEST")
}

func TestMITKvno(t *testing.T) {
	r := castAt("A.TEST", Options{})
	r.AddService("mysql/rc4.a.test", ETypes{RC4})
	r.AddService("mysql/default.a.test", ETypes{RC4}, SessionETypes{AES256})
	r.AddService("mysql/twice.a.test", Duplicate)
	r.AddService("mysql/denied.a.test", PolicyDenied)
	p := openPlace(t, r, nil)
	for _, limit := range []int{overUDP, overTCP} {
		h := newHost(t, limit, nil, p)
		h.must("secret-1\n", "kinit", "alice")
		wantIn(t, h.must("", "kvno", "mysql/db.a.test@A.TEST"), "kvno = 2")
		for _, c := range []struct{ spn, want string }{
			{"mysql/none.a.test@A.TEST", "not found in Kerberos database"},
			{"mysql/rc4.a.test@A.TEST", "KDC has no support for encryption type"},
			{"mysql/twice.a.test@A.TEST", "Principal has multiple entries"},
			{"mysql/denied.a.test@A.TEST", "KDC policy rejects request"},
		} {
			out, err := h.run("", "kvno", c.spn)
			if err == nil {
				t.Errorf("kvno %s succeeded", c.spn)
			}
			wantIn(t, out, c.want)
		}
		h.must("", "kvno", "mysql/default.a.test@A.TEST")
		wantIn(t, h.must("", "klist", "-e"), "aes256-cts-hmac-sha1-96, DEPRECATED:arcfour-hmac")
	}
}

func TestMITKvnoAcrossTrust(t *testing.T) {
	user, db := castAt("USER.TEST", Options{}), NewRealm("DB.TEST", Options{})
	db.AddService("mysql/db.db.test")
	db.AddService("mysql/orders.rds.amazonaws.com")
	db.Trusts(user, Trust{})
	u, d := openPlace(t, user, nil), openPlace(t, db, nil)

	t.Run("the KDC refers by suffix", func(t *testing.T) {
		h := newHost(t, overTCP, nil, u, d)
		h.must("secret-1\n", "kinit", "alice")
		h.must("", "kvno", "mysql/db.db.test")
		wantIn(t, h.must("", "klist"), "Ticket server: mysql/db.db.test@DB.TEST")
		wantAsked(t, u.kdc, "mysql/db.db.test@USER.TEST")
		wantAsked(t, d.kdc, "mysql/db.db.test@DB.TEST")
	})
	t.Run("a name without a routed suffix is unknown", func(t *testing.T) {
		h := newHost(t, overTCP, nil, u, d)
		h.must("secret-1\n", "kinit", "alice")
		out, err := h.run("", "kvno", "mysql/orders.rds.amazonaws.com")
		if err == nil {
			t.Fatal("kvno succeeded")
		}
		wantIn(t, out, "not found in Kerberos database")
	})
	t.Run("a mapping leads there", func(t *testing.T) {
		h := newHost(t, overUDP, map[string]string{".rds.amazonaws.com": "DB.TEST"}, u, d)
		h.must("secret-1\n", "kinit", "alice")
		h.must("", "kvno", "mysql/orders.rds.amazonaws.com@DB.TEST")
		wantIn(t, h.must("", "klist"), "mysql/orders.rds.amazonaws.com@DB.TEST")
		wantAsked(t, u.kdc, "krbtgt/DB.TEST@USER.TEST")
	})
	t.Run("the other direction is shut", func(t *testing.T) {
		db.AddUser("dba", "secret-1")
		h := newHost(t, overTCP, nil, d, u)
		h.must("secret-1\n", "kinit", "dba")
		out, err := h.run("", "kvno", "krbtgt/USER.TEST@DB.TEST")
		if err == nil {
			t.Fatal("kvno succeeded")
		}
		wantIn(t, out, "not found in Kerberos database")
	})
}

func TestMITKvnoOverTwoHops(t *testing.T) {
	a, b, c := castAt("A.TEST", Options{}), NewRealm("B.TEST", Options{}), NewRealm("C.TEST", Options{})
	c.AddService("mysql/db.c.test")
	b.Trusts(a, Trust{Suffixes: []string{"b.test", "c.test"}})
	c.Trusts(b, Trust{TwoWay: true})
	pa, pb, pc := openPlace(t, a, nil), openPlace(t, b, nil), openPlace(t, c, nil)
	for _, c := range []struct{ name, spn, first, second string }{
		{"by referral", "mysql/db.c.test", "mysql/db.c.test@A.TEST", "mysql/db.c.test@B.TEST"},
		{"by realm", "mysql/db.c.test@C.TEST", "krbtgt/C.TEST@A.TEST", "krbtgt/C.TEST@B.TEST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, overTCP, nil, pa, pb, pc)
			h.must("secret-1\n", "kinit", "alice")
			wantIn(t, h.must("", "kvno", c.spn), "kvno = 2")
			wantAsked(t, pa.kdc, c.first)
			wantAsked(t, pb.kdc, c.second)
			wantAsked(t, pc.kdc, "mysql/db.c.test@C.TEST")
		})
	}
}

func wantAsked(t *testing.T, k *KDC, service string) {
	t.Helper()
	if got := k.Requests().Services; !slices.Contains(got, service) {
		t.Errorf("nobody asked for %s, but for %q", service, got)
	}
}

func TestMITKpasswd(t *testing.T) {
	for _, dialect := range []Dialect{Samba, MIT} {
		for _, user := range []string{"alice", "pwexpired"} {
			t.Run(fmt.Sprintf("dialect %d %s", dialect, user), func(t *testing.T) {
				p := openPlace(t, castAt("A.TEST", Options{Dialect: dialect}, user), nil)
				h := newHost(t, overTCP, nil, p)
				wantIn(t, h.must("secret-1\nsecret-2\nsecret-2\n", "kpasswd", user), "Password changed.")
				if out, err := h.run("secret-1\n", "kinit", user); err == nil {
					t.Errorf("the old password still works:\n%s", out)
				}
				h.must("secret-2\n", "kinit", user)
				if n := p.kpasswd.Requests().Kpasswd; n != 1 {
					t.Errorf("%d requests to 464", n)
				}
			})
		}
	}
}

func TestMITKinitChangesPassword(t *testing.T) {
	p := openPlace(t, castAt("A.TEST", Options{}, "mustchange"), nil)
	h := newHost(t, overTCP, nil, p)
	h.must("secret-1\nsecret-2\nsecret-2\n", "kinit", "mustchange")
	wantIn(t, h.must("", "klist"), "Default principal: mustchange@A.TEST")
}

func TestMITClockSkew(t *testing.T) {
	p := openPlace(t, castAt("A.TEST", Options{}), nil)
	f := NewFaults(Script{ClockOffset: 20 * time.Minute})
	late, err := p.realm.ServeKDC("127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	p.kdc = late
	h := newHost(t, overTCP, nil, p)
	out, err := h.run("secret-1\n", "kinit", "alice")
	if err == nil {
		t.Fatal("kinit succeeded")
	}
	wantIn(t, out, "Clock skew too great")
	f.Set(Script{})
	h.must("secret-1\n", "kinit", "alice")
}
