//go:build lab

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/audit/audittest"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// runningApp starts a program with MIT's library and this environment, and ends
// it with the test. It returns its number.
func runningApp(t *testing.T, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import ctypes\nctypes.CDLL('libgssapi_krb5.so.2')\nprint('running', flush=True)\ninput()")
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	return fmt.Sprint(audittest.Running(t, cmd))
}

// A check in an application's place goes by its krb5.conf: what is wrong there is
// found, although kerbagent's own login works.
func TestLabCheckAsApplication(t *testing.T) {
	labtest.Up(t)
	flags := labtest.Break(t, "none")
	good, err := os.ReadFile("/etc/krb5.conf")
	if err != nil {
		t.Fatal(err)
	}
	conf := func(name, old, changed string) string {
		text := strings.Replace(string(good), old, changed, 1)
		if text == string(good) {
			t.Fatalf("%q does not stand in the lab's krb5.conf", old)
		}
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return "KRB5_CONFIG=" + file
	}
	as := func(env ...string) (rehearsed, int) {
		return labCheck(t, t.TempDir(), append(slices.Clone(flags), "--as-app="+runningApp(t, env...))...)
	}
	r, code := as()
	wantHealthy(t, r, code)
	if r, code := as(conf("nokdc", "dns_lookup_kdc = true", "dns_lookup_kdc = false")); code != 2 || len(r.Findings) == 0 {
		t.Errorf("no KDC in its file: exit %d, %+v", code, r.Findings)
	}
	if r, code := as(conf("dead", "[domain_realm]", "[realms]\n    CORP.EXAMPLE.COM = {\n        kdc = 127.0.0.9:88\n    }\n[domain_realm]")); code != 2 || len(r.Findings) == 0 {
		t.Errorf("a KDC that is none in its file: exit %d, %+v", code, r.Findings)
	}
}

// Its credentials are used only where that is asked for, under the records of
// attempts: a keytab that is refused is tried once.
func TestLabCheckWithItsCredentials(t *testing.T) {
	labtest.Up(t)
	flags := slices.DeleteFunc(labtest.Break(t, "password-wrong"), func(f string) bool {
		name, _, _ := strings.Cut(f, "=")
		return name == "--user" || name == "--password-file"
	})
	dir := t.TempDir()
	cache := filepath.Join(dir, "cc")
	kinit := exec.Command("kinit", "-c", "FILE:"+cache, "-k", "-t", labtest.Keytab("alice"), "alice@CORP.EXAMPLE.COM")
	if out, err := kinit.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	state := t.TempDir()
	check := func(pid string, more ...string) (rehearsed, int) {
		return labCheck(t, state, slices.Concat(flags, []string{"--as-app=" + pid}, more)...)
	}
	pid := runningApp(t, "KRB5CCNAME=FILE:"+cache)
	r, code := check(pid, "--with-its-credentials")
	wantHealthy(t, r, code)
	if r, _ := check(pid); slices.ContainsFunc(r.Results, func(x result) bool { return x.Probe == "login" }) {
		t.Error("its ticket was used, and nobody asked for that")
	}

	keytab := filepath.Join(dir, "wrong.keytab")
	ktutil := exec.Command("ktutil")
	ktutil.Stdin = strings.NewReader("addent -password -p wrong.pw@CORP.EXAMPLE.COM -k 1 -e aes256-cts-hmac-sha1-96\nNot-The-Passw0rd\nwkt " + keytab + "\nq\n")
	if out, err := ktutil.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pid = runningApp(t, "KRB5CCNAME=FILE:"+filepath.Join(dir, "none"), "KRB5_CLIENT_KTNAME="+keytab)
	var before string
	for i := range 4 { // three refusals would lock the account
		r, code := check(pid, "--with-its-credentials")
		if code != 2 || first(r) == "" || i > 0 && first(r) != before || first(r) == "account-locked" {
			t.Fatalf("run %d: exit %d, %+v, before that %s", i+1, code, r.Findings, before)
		}
		before = first(r)
	}
	t.Logf("refused: %s", before)
}

// A program without credentials, or none at all, is no check: exit 3.
func TestLabCheckAsNobody(t *testing.T) {
	labtest.Up(t)
	flags := labtest.Break(t, "none")
	pid := runningApp(t, "KRB5CCNAME=FILE:/nonexistent")
	for _, args := range [][]string{{"--as-app=" + pid, "--with-its-credentials"}, {"--as-app=999999999"}, {"--with-its-credentials"}} {
		var out, errOut bytes.Buffer
		if code := run(t.Context(), slices.Concat([]string{"check", "--state-dir", t.TempDir()}, flags, args), os.Stdin, &out, &errOut); code != 3 {
			t.Errorf("%v: exit %d\n%s%s", args, code, out.Bytes(), errOut.Bytes())
		}
	}
}
