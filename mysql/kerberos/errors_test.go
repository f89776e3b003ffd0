package kerberos_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// An application logs the stage, the reason and the code that kerbagent would.
func TestErrorsAreTyped(t *testing.T) {
	state := func(s krb5test.State) func(*world, *kerberos.Config) {
		return func(w *world, _ *kerberos.Config) { _ = w.corp.Change("alice", s) }
	}
	says := func(f mysqltest.Faults) func(*world, *kerberos.Config) {
		return func(w *world, _ *kerberos.Config) { _ = w.db.SetFaults(f) }
	}
	reasons, err := os.ReadFile("../../probe/reason.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                string
		do                  func(*world, *kerberos.Config)
		stage, reason, code string
	}{
		{"wrong password", func(_ *world, cfg *kerberos.Config) { cfg.Password = []byte("wrong") }, "as-preauth", "krb-preauth-failed", "password-wrong"},
		{"no secret", func(_ *world, cfg *kerberos.Config) { cfg.Password, cfg.PasswordFile = nil, "/nonexistent" }, "secret", "secret-malformed", "secret-malformed"},
		{"disabled", state(krb5test.Disabled), "as-preauth", "krb-revoked", "account-disabled"},
		{"expired password", state(krb5test.PasswordExpired), "as-preauth", "krb-key-expired", "password-expired"},
		{"unknown user", func(w *world, _ *kerberos.Config) { w.corp.Remove("alice") }, "as", "krb-client-unknown", "principal-unknown"},
		{"unknown service", func(w *world, _ *kerberos.Config) { w.corp.Remove(spn) }, "tgs", "krb-server-unknown", "service-unknown"},
		{"KDC refuses", func(w *world, _ *kerberos.Config) { w.kdc.Close() }, "kdc-connect", "refused", "realm-unreachable"},
		{"KDC unavailable", func(w *world, _ *kerberos.Config) { w.faults.Set(krb5test.Script{ErrorCode: 29}) }, "as", "krb-svc-unavailable", "kdc-unavailable"},
		{"RC4 alone", func(w *world, _ *kerberos.Config) { _ = w.corp.Change("alice", krb5test.ETypes{krb5test.RC4}) }, "as-preauth", "krb-rc4-only", "user-rc4"},
		{"database refuses", says(mysqltest.Faults{Refuse: true}), "db-connect", "refused", "db-refused"},
		{"database's name", func(_ *world, cfg *kerberos.Config) { cfg.Addr = "db.invalid:3306" }, "db-connect", "unresolvable", "endpoint-unresolvable"},
		{"silent", says(mysqltest.Faults{Silent: true}), "db-greeting", "tcp-silent", "db-silent"},
		{"blocked", says(mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129}}), "db-greeting", "db-host-blocked", "db-host-blocked"},
		{"SSH", says(mysqltest.Faults{Banner: "SSH-2.0-OpenSSH_9.2p1\r\n"}), "db-greeting", "db-not-mysql", "db-not-mysql"},
		{"old", says(mysqltest.Faults{Old: true}), "db-greeting", "db-too-old", "db-too-old"},
		{"another CA", says(mysqltest.Faults{Certificate: mysqltest.OtherCA}), "db-tls", "db-tls-untrusted", "db-tls-untrusted"},
		{"no TLS", says(mysqltest.Faults{NoTLS: true}), "db-tls", "db-tls-missing", "db-tls-required"},
		{"flight lost", says(mysqltest.Faults{StallAt: mysqltest.AtTLS}), "db-tls", "tcp-silent", "db-path-mtu"},
		{"reset in TLS", says(mysqltest.Faults{CutAt: mysqltest.AtTLS}), "db-tls", "db-connection-cut", "db-connection-cut"},
		{"other plugin", says(mysqltest.Faults{Plugin: mysqltest.CachingSHA2}), "db-switch", "db-other-plugin", "db-account-unknown"},
		{"announces ldap", says(mysqltest.Faults{SPN: "ldap/dc1@" + corp}), "db-switch", "db-spn-unexpected", "db-spn-unexpected"},
		{"realm", says(mysqltest.Faults{Realm: "OTHER.TEST"}), "db-switch", "db-realm-mismatch", "db-realm-mismatch"},
		{"rejected", says(mysqltest.Faults{RejectToken: true}), "db-token", "db-ticket-rejected", "db-ticket-rejected"},
		{"denied", says(mysqltest.Faults{DenyAfterProof: mysqltest.Denied("alice")}), "db-token", "db-access-denied", "db-access-denied"},
		{"reset at the token", says(mysqltest.Faults{CutAt: mysqltest.AtToken}), "db-token", "db-connection-cut", "db-connection-cut"},
		{"unproven", says(mysqltest.Faults{NoProof: true}), "db-switch", "db-server-unproven", "db-server-unproven"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			cfg := w.config(t)
			cfg.Timeout = 500 * time.Millisecond
			c.do(w, &cfg)
			connector, err := kerberos.NewConnector(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = connector.Connect(t.Context())
			var e *kerberos.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %T: %v", err, err)
			}
			if e.Stage != c.stage || e.Reason != c.reason || e.Code != c.code {
				t.Errorf("%s, %s, %s: %v", e.Stage, e.Reason, e.Code, err)
			}
			if _, err := os.Stat("../../docs/codes/" + e.Code + ".md"); err != nil {
				t.Errorf("the code has no page: %v", err)
			}
			if !strings.Contains(string(reasons), `= "`+e.Reason+`"`) {
				t.Errorf("%q is no reason of kerbagent's", e.Reason)
			}
			if !strings.HasSuffix(e.URL(), "/docs/codes/"+c.code+".md") || !strings.Contains(err.Error(), e.URL()) {
				t.Errorf("%q in %q", e.URL(), err)
			}
		})
	}
}
