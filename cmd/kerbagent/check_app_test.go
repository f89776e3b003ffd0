//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/audit/audittest"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// A check in an application's place goes by that application's krb5.conf:
// without a KDC there its login fails, although kerbagent's own works.
func TestCheckGoesByTheApplicationsFile(t *testing.T) {
	world, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	dir := filepath.Join(t.TempDir(), "w")
	if _, err := world.WriteClientFiles(dir); err != nil {
		t.Fatal(err)
	}
	wait, err := world.Control(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wait)
	put := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	check := func(file string) (rehearsed, int) {
		args := []string{"check", "--rehearsal", dir, "-o", "json"}
		if file != "" {
			args = append(args, "--as-app", strconv.Itoa(waiting(t, "KRB5_CONFIG="+file)))
		}
		var out, errOut bytes.Buffer
		code := run(t.Context(), args, os.Stdin, &out, &errOut)
		var r rehearsed
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v\nstdout: %s\nstderr: %s", err, out.Bytes(), errOut.Bytes())
		}
		return r, code
	}
	if r, code := check(""); code != 0 {
		t.Fatalf("kerbagent's own: exit %d, %+v", code, r.Findings)
	}
	if r, code := check(put("good", "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n dns_lookup_kdc = true\n")); code != 0 {
		t.Errorf("a file that leads to the KDCs: exit %d, %+v", code, r.Findings)
	}
	if r, code := check(put("none", "[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n dns_lookup_kdc = false\n")); code != 2 {
		t.Errorf("a file without a KDC: exit %d, %+v", code, r.Findings)
	}
}

// With the application's credentials the only login is that of its keytab's user,
// and nobody uses them who was not asked to.
func TestCheckWithTheApplicationsKeytab(t *testing.T) {
	world, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	dir := filepath.Join(t.TempDir(), "w")
	files, err := world.WriteClientFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	wait, err := world.Control(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wait)
	pid := strconv.Itoa(waiting(t, "KRB5_CONFIG="+files.Krb5Conf, "KRB5_CLIENT_KTNAME="+files.Keytab, "KRB5CCNAME=FILE:"+filepath.Join(dir, "none")))
	logins := func(more ...string) (kinds []string, code int) {
		var out, errOut bytes.Buffer
		code = run(t.Context(), append([]string{"check", "--rehearsal", dir, "-o", "json", "--as-app", pid}, more...), os.Stdin, &out, &errOut)
		var r rehearsed
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatalf("%v\nstdout: %s\nstderr: %s", err, out.Bytes(), errOut.Bytes())
		}
		for _, x := range r.Results {
			if x.Probe == "login" {
				kinds = append(kinds, fmt.Sprint(x.Outcome, " ", x.Evidence["secret"]))
			}
		}
		return kinds, code
	}
	if got, code := logins("--with-its-credentials"); code != 0 || len(got) != 1 || !strings.Contains(got[0], "keytab") {
		t.Errorf("exit %d, logins %q; want one, with a keytab", code, got)
	}
	if got, code := logins(); code != 0 || len(got) < 1 {
		t.Errorf("with kerbagent's own: exit %d, logins %q", code, got)
	}
	if code := run(t.Context(), []string{"check", "--rehearsal", dir, "--with-its-credentials"}, os.Stdin, new(bytes.Buffer), new(bytes.Buffer)); code != 3 {
		t.Errorf("its credentials, and nobody is named: exit %d", code)
	}
}

// waiting starts a program with these variables that waits until the test ends.
func waiting(t *testing.T, env ...string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo running; read x")
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	return audittest.Running(t, cmd)
}
