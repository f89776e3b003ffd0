//go:build lab

package kerberos_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// The database and the KDC in memory, checked with clients that are not ours:
// MIT's kinit, MariaDB's client, and Oracle's where there is one.

// krb5conf writes a krb5.conf for MIT's library into dir.
func (w *world) krb5conf(t *testing.T, dir string) string {
	t.Helper()
	text := fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	dns_lookup_kdc = false
	dns_canonicalize_hostname = false
[realms]
	%[1]s = {
		kdc = %[2]s
	}
`, corp, w.kdc.Addr())
	path := filepath.Join(dir, "krb5.conf")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program and returns what it said.
func run(t *testing.T, env []string, stdin, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// kinit makes a credential cache of alice's and returns the environment for it.
func (w *world) kinit(t *testing.T) (env []string, ccache string) {
	t.Helper()
	dir := t.TempDir()
	ccache = filepath.Join(dir, "ccache")
	env = []string{"KRB5_CONFIG=" + w.krb5conf(t, dir), "KRB5CCNAME=FILE:" + ccache}
	if out, err := run(t, env, secret+"\n", "kinit", "alice@"+corp); err != nil {
		t.Fatalf("kinit: %v: %s", err, out)
	}
	return env, ccache
}

func TestMariaDBClient(t *testing.T) {
	w := newWorld(t, mysqltest.Config{Flavour: mysqltest.MariaDB, Users: map[string]mysqltest.User{
		"alice": {}, "other": {Principal: "bob@" + corp}, "locked": {Principal: "alice@" + corp, Locked: true},
		"pw": {Plugin: mysqltest.NativePassword, Password: "Pw-User1"},
	}})
	env, _ := w.kinit(t)
	ca := write(t, "ca.pem", w.db.CA())
	for name, c := range map[string]struct {
		faults mysqltest.Faults
		args   []string
		want   string // in what it says
	}{
		"gssapi":                {args: []string{"-ualice"}, want: "alice@%"},
		"gssapi, TLS":           {args: []string{"-ualice", "--ssl-ca=" + ca, "--ssl-verify-server-cert"}, want: "alice@%"},
		"native":                {args: []string{"-upw", "-pPw-User1"}, want: "pw@%"},
		"native, TLS":           {args: []string{"-upw", "-pPw-User1", "--ssl-ca=" + ca}, want: "pw@%"},
		"wrong password":        {args: []string{"-upw", "-pwrong"}, want: "ERROR 1045 (28000)"},
		"unknown user":          {args: []string{"-uzoe", "-px"}, want: "ERROR 1045 (28000)"},
		"name mismatch":         {args: []string{"-uother"}, want: "GSSAPI name mismatch"},
		"locked":                {args: []string{"-ulocked"}, want: "ERROR 4151"},
		"token rejected":        {faults: mysqltest.Faults{RejectToken: true}, args: []string{"-ualice"}, want: "ERROR 1105"},
		"certificate, other CA": {faults: mysqltest.Faults{Certificate: mysqltest.OtherCA}, args: []string{"-ualice", "--ssl-ca=" + ca, "--ssl-verify-server-cert"}, want: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			w.fault(t, c.faults)
			args := append([]string{"--no-defaults", "-h127.0.0.1", fmt.Sprintf("-P%d", w.db.Addr().Port()), "-N", "-e", "SELECT CURRENT_USER()"}, c.args...)
			out, err := run(t, env, "", "mariadb", args...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// A credential cache that kinit made.
func TestCCacheOfKinit(t *testing.T) {
	w := newWorld(t, mysqltest.Config{})
	_, ccache := w.kinit(t)
	kinits := w.kdc.Requests().Preauth["alice"]
	cfg := w.config(t)
	cfg.Password, cfg.CCache = nil, ccache
	db, err := connect(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	wantUser(t, db, "alice@%")
	if n := w.kdc.Requests().Preauth["alice"]; n != kinits {
		t.Errorf("%d logins beside kinit's", n-kinits)
	}

	cfg.User = "carol"
	if _, err := connect(t, cfg); err == nil || !strings.Contains(err.Error(), "is alice@") {
		t.Errorf("another user's cache: %v", err)
	}
	cfg.User = "alice"
	w.clock.advance(25 * 60 * 60 * 1e9)
	if _, err := connect(t, cfg); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its end: %v", err)
	}
}

// Oracle's client with its own Kerberos plugin. It comes from Debian unstable
// (lab.sh extra mysqld97), so it is not part of the gate.
func TestOracleClient(t *testing.T) {
	if os.Getenv("KERBAGENT_MYSQL97") != "1" {
		t.Skip("Oracle's client is asked only with KERBAGENT_MYSQL97=1")
	}
	root := labFile("mysql8/root")
	w := newWorld(t, mysqltest.Config{Users: map[string]mysqltest.User{
		"alice": {}, "pw": {Plugin: mysqltest.NativePassword}, "sha2": {Plugin: mysqltest.CachingSHA2},
	}})
	dir, err := os.MkdirTemp(filepath.Join(root, "tmp"), "kerbagent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	inside := strings.TrimPrefix(dir, root)
	w.krb5conf(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), w.db.CA(), 0o644); err != nil {
		t.Fatal(err)
	}
	env := []string{"KRB5_CONFIG=" + inside + "/krb5.conf", "KRB5CCNAME=FILE:" + inside + "/ccache"}
	if out, err := run(t, env, secret+"\n", "chroot", root, "kinit", "alice@"+corp); err != nil {
		t.Fatalf("kinit: %v: %s", err, out)
	}
	for name, c := range map[string]struct {
		faults mysqltest.Faults
		args   []string
		want   string
	}{
		"ticket":         {args: []string{"-ualice"}, want: "alice@%"},
		"ticket, TLS":    {args: []string{"-ualice", "--ssl-mode=VERIFY_CA", "--ssl-ca=" + inside + "/ca.pem"}, want: "alice@%"},
		"in the clear":   {args: []string{"-ualice", "--ssl-mode=DISABLED"}, want: "alice@%"},
		"decoy, TLS":     {args: []string{"-usha2", "-px"}, want: "ERROR 1045 (28000)"},
		"decoy, RSA":     {args: []string{"-usha2", "-px", "--ssl-mode=DISABLED", "--get-server-public-key"}, want: "ERROR 1045 (28000)"},
		"token rejected": {faults: mysqltest.Faults{RejectToken: true}, args: []string{"-ualice"}, want: "ERROR 1045 (28000)"},
		"TLS required":   {faults: mysqltest.Faults{RequireTLS: true}, args: []string{"-ualice", "--ssl-mode=DISABLED"}, want: "ERROR 3159"},
	} {
		t.Run(name, func(t *testing.T) {
			w.fault(t, c.faults)
			args := append([]string{root, "mysql", "--no-defaults", "--plugin-dir=/usr/lib/mysql/plugin", "-h127.0.0.1",
				fmt.Sprintf("-P%d", w.db.Addr().Port()), "-N", "-e", "SELECT CURRENT_USER()"}, c.args...)
			out, err := run(t, env, "", "chroot", args...)
			if !strings.Contains(out, c.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
