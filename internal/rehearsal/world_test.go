package rehearsal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

func start(t *testing.T, o Options) *World {
	t.Helper()
	w, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("closing the world: %v", err)
		}
	})
	return w
}

func TestHealthyConfig(t *testing.T) {
	w := start(t, Options{})
	c := w.Config()
	var logins []string
	for _, l := range c.Logins {
		logins = append(logins, l.Principal())
		if b, err := l.Secret.Read(); err != nil || len(b) == 0 {
			t.Errorf("secret of %s: %d bytes, %v", l.Principal(), len(b), err)
		}
	}
	if want := []string{"alice@CORP.EXAMPLE.COM", "etl@CORP.EXAMPLE.COM", "carol@ONPREM.LOCAL"}; !slices.Equal(logins, want) {
		t.Errorf("logins %v, want %v", logins, want)
	}
	if len(c.Realms) != 2 || len(c.Databases) != 1 || c.Databases[0].TLS.Mode != config.VerifyFull {
		t.Errorf("realms %v, databases %v", c.Realms, c.Databases)
	}
	if len(c.Resolver) != 1 || c.Resolver[0] != w.Resolver() {
		t.Errorf("resolver %v, want %v", c.Resolver, w.Resolver())
	}
}

// What DNS says has to lead to where the servers listen.
func TestServicesAreWhereDNSSays(t *testing.T) {
	w := start(t, Options{})
	for _, s := range []*dnsServer{w.dc1.dns, w.dc2.dns, w.resolver} {
		for _, kind := range []string{"_kerberos", "_kpasswd"} {
			for _, transport := range []string{"udp", "tcp"} {
				m, err := ask(t, s, transport, kind+"._"+transport+".corp.example.com.", dns.TypeSRV)
				if err != nil || len(m.Answer) != 2 {
					t.Fatalf("SRV from %s over %s: %v\n%s", s.addr, transport, err, m)
				}
				for _, rr := range m.Answer {
					srv := rr.(*dns.SRV)
					host, err := ask(t, s, transport, srv.Target, dns.TypeA)
					if err != nil || len(host.Answer) != 1 {
						t.Fatalf("A of %s: %v\n%s", srv.Target, err, host)
					}
					ip := host.Answer[0].(*dns.A).A.String()
					for _, c := range w.controllers() {
						want := map[string]uint16{"_kerberos": c.kdcPort, "_kpasswd": c.kpasswdPort}[kind]
						if c.ip().String() == ip && srv.Port != want {
							t.Errorf("%s says %s is on %d, it is on %d", s.addr, kind, srv.Port, want)
						}
					}
				}
			}
		}
	}
}

func TestSecretsArePrivateAndGo(t *testing.T) {
	w, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the secrets are still there: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

// rehearsedCodes are the finding codes that can be played (R in the design's
// table of codes), in the order of that table.
func rehearsedCodes() []diagnose.Code {
	return []diagnose.Code{
		"host-out-of-resources", "host-offline", "path-lossy", "server-slow", "server-down", "dns-server-silent", "dns-udp-blocked", "dns-tcp-blocked", "dns-filtered", "dns-refused", "dns-zone-missing",
		"realm-not-in-dns", "dns-servers-disagree", "dns-srv-missing", "dns-srv-stale", "kdc-unresolvable", "endpoint-unresolvable",
		"ipv6-broken", "kdc-silent", "kdc-hung", "kdc-refused", "kdc-udp-blocked", "kdc-tcp-blocked", "kdc-large-messages-lost",
		"kdc-not-kerberos", "kdc-unavailable", "kdc-wrong-realm", "realm-unreachable", "kpasswd-blocked", "clock-skew", "clock-skew-one-kdc",
		"password-wrong", "keytab-stale", "principal-unknown", "realm-case", "account-locked", "account-disabled", "account-revoked",
		"account-expired", "logon-restricted", "password-expired", "password-must-change", "password-expiring", "policy-denied",
		"preauth-not-required", "etype-unsupported", "preauth-weak", "user-rc4", "ticket-rc4", "service-unknown", "service-realm-unmapped", "service-duplicate",
		"trust-no-referral", "trust-realm-unreachable", "trust-etype", "db-silent", "db-path-mtu", "db-connection-cut", "db-refused", "db-not-mysql", "db-too-old", "db-host-blocked",
		"db-host-denied", "db-too-many-connections", "db-tls-untrusted", "db-certificate-expiring", "db-tls-required", "db-plugin-missing",
		"reader-unlike-writer", "endpoint-members", "db-topology-hidden", "failover",
		"db-account-unknown", "db-realm-mismatch", "db-spn-unexpected", "db-ticket-rejected", "db-access-denied", "db-account-locked",
		"db-auth-timeout", "db-server-unproven", "db-probing-paused", "login-paused",
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	var got []diagnose.Code
	for _, f := range Catalogue() {
		got = append(got, f.Code)
		if f.Summary == "" || f.play == nil {
			t.Errorf("%s has no summary or does nothing", f.Code)
		}
	}
	if want := rehearsedCodes(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Each fault starts, gives a configuration and leaves nothing behind.
func TestEveryFaultStartsAndEnds(t *testing.T) {
	runtime.GC()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for _, f := range append(Catalogue(), Fault{}) {
		w, err := Start(t.Context(), Options{Fault: f.Code})
		if err != nil {
			t.Fatalf("%s: %v", f.Code, err)
		}
		if w.Config() == nil {
			t.Errorf("%s: no configuration", f.Code)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: %v", f.Code, err)
		}
	}
	// Goroutines that were told to end may need a moment to be gone.
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		if runtime.NumGoroutine() <= goroutines && openFiles(t) <= files {
			return
		}
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%d goroutines before, %d after; %d files before, %d after\n%s", goroutines, runtime.NumGoroutine(), files, openFiles(t), buf[:runtime.Stack(buf, true)])
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestUnknownFaultAndDialect(t *testing.T) {
	for _, o := range []Options{{Fault: "no-such-code"}, {Dialect: "klingon"}} {
		if w, err := Start(t.Context(), o); err == nil {
			w.Close()
			t.Errorf("%+v starts", o)
		}
	}
}

func TestTwoWorldsAtOnce(t *testing.T) {
	a, b := start(t, Options{}), start(t, Options{})
	if a.Resolver() == b.Resolver() || a.dc1.kdcPort == b.dc1.kdcPort {
		t.Error("two worlds share a port")
	}
}
