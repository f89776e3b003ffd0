package kerberos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
				var step *client.StepError
				if !errors.As(err, &step) || errors.As(err, new(*kerberos.RefusedError)) != (step.Step == client.StepPreauth) {
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

// What answers a request without credentials, a forger's KRB-ERROR say, is never
// final, and is asked for once a minute.
func TestErrorWithoutCredentialsIsNotFinal(t *testing.T) {
	for _, code := range []int32{1, 6, 12, 18, 23, 24, 29, 31, 37, 60, 68} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			w := newWorld(t, mysqltest.Config{})
			w.faults.Set(krb5test.Script{ErrorCode: code})
			db, err := connect(t, w.config(t))
			if errors.As(err, new(*kerberos.RefusedError)) || errors.As(err, new(*kerberos.WaitError)) {
				t.Fatalf("got %v", err)
			}
			w.faults.Set(krb5test.Script{})
			var wait *kerberos.WaitError
			if err := db.PingContext(t.Context()); !errors.As(err, &wait) || wait.Until.Sub(w.clock.now()) > time.Minute {
				t.Errorf("got %v", err)
			}
			if n := w.kdc.Requests().AS; n != 1 {
				t.Errorf("the KDC was asked %d times within a minute", n)
			}
			w.clock.advance(time.Minute + time.Second)
			if err := db.PingContext(t.Context()); err != nil {
				t.Errorf("a minute later: %v", err)
			}
		})
	}
}

// Answers that get lost may have been refusals: two in 30 minutes, however often the
// pool asks, and the account is never locked.
func TestLostAnswersDoNotLockTheAccount(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	w.faults.Set(krb5test.Script{SwallowReply: true})
	cfg := w.config(t)
	cfg.Password, cfg.Timeout = []byte("wrong"), 100*time.Millisecond
	db := pool(t, cfg)
	for range 6 {
		if err := db.PingContext(t.Context()); err == nil {
			t.Fatal("logged in")
		}
	}
	if n := w.kdc.Requests().Preauth["alice"]; n != 2 {
		t.Errorf("%d attempts on the account", n)
	}
	if n, locked := w.corp.Failures("alice"); n != 2 || locked {
		t.Errorf("%d wrong passwords, locked: %v", n, locked)
	}
	w.clock.advance(29 * time.Minute)
	if err := db.PingContext(t.Context()); !errors.As(err, new(*kerberos.WaitError)) || w.kdc.Requests().Preauth["alice"] != 2 {
		t.Errorf("after 29 minutes: %v", err)
	}
	w.clock.advance(2 * time.Minute)
	db.PingContext(t.Context())
	if n := w.kdc.Requests().Preauth["alice"]; n != 3 {
		t.Errorf("after 31 minutes: %d attempts", n)
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	if err := w.corp.Change("alice", krb5test.Locked); err != nil {
		t.Fatal(err)
	}
	connector, err := kerberos.NewConnector(w.config(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connector.Connect(t.Context()); !errors.As(err, new(*kerberos.RefusedError)) {
		t.Fatalf("locked: %v", err)
	}
	if err := w.corp.Change("alice", krb5test.Good); err != nil {
		t.Fatal(err)
	}
	if _, err := connector.Connect(t.Context()); !errors.As(err, new(*kerberos.RefusedError)) {
		t.Errorf("before Forget: %v", err)
	}
	connector.Forget()
	c, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatalf("after Forget: %v", err)
	}
	c.Close()
}

// A keytab that is written anew with the keys that were refused is no new secret.
func TestRewrittenKeytabIsTheSameSecret(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	old, err := w.corp.Keytab("alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.corp.SetPassword("alice", "changed"); err != nil {
		t.Fatal(err)
	}
	cfg := w.config(t)
	cfg.Password, cfg.Keytab = nil, write(t, "alice.keytab", old)
	db, err := connect(t, cfg)
	if !errors.As(err, new(*kerberos.RefusedError)) {
		t.Fatalf("got %v", err)
	}
	again := append(bytes.Clone(old), old[2:]...) // the same entries twice
	if err := os.WriteFile(cfg.Keytab, again, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := db.PingContext(t.Context()); !errors.As(err, new(*kerberos.RefusedError)) || w.kdc.Requests().Preauth["alice"] != 1 {
		t.Errorf("got %v after %d attempts", err, w.kdc.Requests().Preauth["alice"])
	}
	right, err := w.corp.Keytab("alice")
	if err == nil {
		err = os.WriteFile(cfg.Keytab, right, 0o600)
	}
	if err == nil {
		err = db.PingContext(t.Context())
	}
	if err != nil {
		t.Errorf("with the right keys: %v", err)
	}
}

// A FIFO at a secret's path would block whoever opens it.
func TestSecretThatIsNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*kerberos.Config, string){
		"password file": func(c *kerberos.Config, path string) { c.PasswordFile = path },
		"keytab":        func(c *kerberos.Config, path string) { c.Keytab = path },
		"ccache":        func(c *kerberos.Config, path string) { c.CCache = path },
	} {
		for _, path := range []string{path, t.TempDir(), "/dev/zero"} {
			w := newWorld(t, mysqltest.Config{})
			cfg := w.config(t)
			cfg.Password = nil
			set(&cfg, path)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := pool(t, cfg).PingContext(ctx); !errors.As(err, new(*kerberos.SecretError)) {
				t.Errorf("%s at %s: %v", name, path, err)
			}
			cancel()
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
