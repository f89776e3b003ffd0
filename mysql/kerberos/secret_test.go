package kerberos_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// The account would be locked after three.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	cfg := w.config(t)
	cfg.Password, cfg.PasswordFile = nil, write(t, "password", []byte("wrong"))
	db, err := connect(t, cfg)
	var first *kerberos.RefusedError
	if !errors.As(err, &first) {
		t.Fatalf("got %v", err)
	}
	var step *client.StepError
	if !errors.As(err, &step) || step.Step != client.StepPreauth {
		t.Errorf("the cause is lost: %v", err)
	}
	for range 10 {
		var again *kerberos.RefusedError
		if err := db.PingContext(t.Context()); !errors.As(err, &again) || again != first {
			t.Errorf("got %v", err)
		}
	}
	if n, locked := w.corp.Failures("alice"); n != 1 || locked {
		t.Errorf("%d wrong passwords, locked %v", n, locked)
	}
	if n := w.kdc.Requests().AS; n != 1 {
		t.Errorf("the KDC was asked %d times", n)
	}
	if n := w.db.Stats().Connections; n != 0 {
		t.Errorf("%d connections to the database", n)
	}

	// A file that is only touched is the same secret.
	if err := os.WriteFile(cfg.PasswordFile, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); !errors.As(err, new(*kerberos.RefusedError)) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(cfg.PasswordFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("with the right password: %v", err)
	}
	if n := w.kdc.Requests().Preauth["alice"]; n != 2 {
		t.Errorf("%d attempts on the account, want 2", n)
	}
}

func TestRefusedAccounts(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	for _, dialect := range []krb5test.Dialect{krb5test.Samba, krb5test.MIT, krb5test.Windows} {
		for _, state := range []krb5test.State{
			krb5test.Disabled, krb5test.Locked, krb5test.Expired, krb5test.PasswordExpired, krb5test.MustChange,
		} {
			t.Run(fmt.Sprintf("%s, dialect %d", state, dialect), func(t *testing.T) {
				realm := krb5test.NewRealm("OTHER.TEST", krb5test.Options{Dialect: dialect, ETypes: []int32{krb5test.AES256}})
				realm.AddUser("alice", secret, state)
				kdc := serveKDC(t, realm, nil)
				cfg := w.config(t)
				cfg.Realm, cfg.KDCs = "OTHER.TEST", map[string][]string{"OTHER.TEST": {kdc.Addr().String()}}
				db, err := connect(t, cfg)
				if !errors.As(err, new(*kerberos.RefusedError)) {
					t.Errorf("got %v", err)
				}
				db.PingContext(t.Context())
				if n := kdc.Requests().AS; n != 1 {
					t.Errorf("the KDC was asked %d times", n)
				}
			})
		}
	}
}

// Whoever began the login has gone; what the KDC says of the password is learnt
// nevertheless, and the password not sent again.
func TestAnswerAfterCancel(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindASPreauth: 100 * time.Millisecond}})
	cfg := w.config(t)
	cfg.Password = []byte("wrong")
	db := pool(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	for range 3 {
		if err := db.PingContext(t.Context()); !errors.As(err, new(*kerberos.RefusedError)) {
			t.Errorf("got %v", err)
		}
	}
	if n := w.kdc.Requests().Preauth["alice"]; n != 1 {
		t.Errorf("%d attempts on the account", n)
	}
}

func TestSecretFiles(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    string
	}{
		"empty":          {"", "is empty"},
		"line end":       {"top-secret\n", "line end"},
		"Windows' ends":  {"top-secret\r\n", "line end"},
		"UTF-8 BOM":      {"\xef\xbb\xbftop-secret", "byte order mark"},
		"UTF-16":         {"\xff\xfet\x00", "byte order mark"},
		"far too long":   {strings.Repeat("top-secret", 1000), "more than 1024 bytes"},
		"spaces are not": {" top-secret ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			cfg := w.config(t)
			cfg.Password, cfg.PasswordFile = nil, write(t, "password", []byte(c.content))
			_, err := connect(t, cfg)
			var e *kerberos.SecretError
			if errors.As(err, &e) != (c.want != "") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "top-secret") {
				t.Errorf("the error tells the secret: %v", err)
			}
			if c.want != "" && w.kdc.Requests().AS != 0 {
				t.Error("the KDC was asked")
			}
		})
	}
	for name, set := range map[string]func(*kerberos.Config, string){
		"password file": func(c *kerberos.Config, path string) { c.PasswordFile = path },
		"keytab":        func(c *kerberos.Config, path string) { c.Keytab = path },
		"ccache":        func(c *kerberos.Config, path string) { c.CCache = path },
	} {
		t.Run("missing "+name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			cfg := w.config(t)
			cfg.Password = nil
			set(&cfg, "/nonexistent/secret")
			_, err := connect(t, cfg)
			if !errors.As(err, new(*kerberos.SecretError)) || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, set := range map[string]func(*kerberos.Config, string){
		"keytab": func(c *kerberos.Config, path string) { c.Keytab = path },
		"ccache": func(c *kerberos.Config, path string) { c.CCache = path },
	} {
		t.Run("broken "+name, func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			cfg := w.config(t)
			cfg.Password = nil
			set(&cfg, write(t, "secret", []byte("\x05\x02\xff\xff")))
			if _, err := connect(t, cfg); !errors.As(err, new(*kerberos.SecretError)) {
				t.Errorf("got %v", err)
			}
		})
	}
}
