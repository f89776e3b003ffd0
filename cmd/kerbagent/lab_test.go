//go:build lab

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// These tests run on the lab's client host. They drive lab/lab.sh, which makes
// each fault on real servers and prints the flags to check it with.

// lab runs lab.sh and returns what it prints, line by line.
func lab(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("../../lab/lab.sh", args...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("lab.sh %s: %v\n%s", strings.Join(args, " "), err, errOut.Bytes())
	}
	return strings.Fields(string(out))
}

func labState() string {
	if dir := os.Getenv("LAB_STATE"); dir != "" {
		return dir
	}
	return "/var/tmp/krb-lab"
}

// labCheck runs `kerbagent check -o json` with the given flags.
func labCheck(t *testing.T, state string, flags ...string) (rehearsed, int) {
	t.Helper()
	var out, errOut bytes.Buffer
	args := slices.Concat([]string{"check", "-o", "json", "--state-dir", state}, flags)
	code := run(context.Background(), args, os.Stdin, &out, &errOut)
	var r rehearsed
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\nstdout: %s\nstderr: %s", err, out.Bytes(), errOut.Bytes())
	}
	return r, code
}

func wantHealthy(t *testing.T, r rehearsed, code int) {
	t.Helper()
	if code != 0 || r.Verdict != "ok" || len(r.Findings) > 0 {
		t.Fatalf("exit %d, verdict %s, findings %+v", code, r.Verdict, r.Findings)
	}
	for _, x := range r.Results {
		if x.Outcome == "failed" {
			t.Errorf("a %s probe failed: %s", x.Probe, x.Reason)
		}
	}
	if !slices.ContainsFunc(r.Results, func(x result) bool { return x.Probe == "login" && x.Evidence["current_user()"] != nil }) {
		t.Error("no login says who it is")
	}
}

func TestLabHealthy(t *testing.T) {
	lab(t, "heal")
	flags := lab(t, "break", "none")
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(flags), func(f string) bool {
			name, _, _ := strings.Cut(f, "=")
			return slices.Contains(names, name)
		})
	}
	keytabs := filepath.Join(labState(), "keytabs")
	for name, flags := range map[string][]string{
		"password":            flags,
		"keytab":              append(without("--password-file"), "--keytab="+filepath.Join(keytabs, "alice.keytab")),
		"DNS servers unnamed": without("--dns-server"),
		"KDCs named":          append(flags, "--kdc=dc1.corp.example.com", "--kdc=dc2.corp.example.com"),
		"over the trust": append(without("--user", "--password-file", "--realm"), "--realm=CORP.EXAMPLE.COM", "--realm=ONPREM.LOCAL",
			"--user=carol@ONPREM.LOCAL", "--keytab="+filepath.Join(keytabs, "carol.keytab")),
	} {
		t.Run(name, func(t *testing.T) {
			r, code := labCheck(t, t.TempDir(), flags...)
			wantHealthy(t, r, code)
		})
	}
	t.Run("without a user, the path alone", func(t *testing.T) {
		if r, code := labCheck(t, t.TempDir(), without("--user", "--password-file")...); code != 0 || len(r.Findings) > 0 {
			t.Errorf("exit %d, findings %+v", code, r.Findings)
		}
	})
	t.Run("a hundred times", func(t *testing.T) {
		state := t.TempDir()
		for range 100 {
			r, code := labCheck(t, state, flags...)
			wantHealthy(t, r, code)
		}
	})
}

// Every fault that the lab can make is found, first and alone.
func TestLabFaults(t *testing.T) {
	t.Cleanup(func() { lab(t, "heal") })
	for _, fault := range lab(t, "break", "--list") {
		t.Run(fault, func(t *testing.T) {
			lab(t, "heal")
			want, _, _ := strings.Cut(fault, ":")
			r, _ := labCheck(t, t.TempDir(), lab(t, "break", fault)...)
			if len(r.Findings) == 0 || r.Findings[0].Code != want {
				t.Fatalf("verdict %s, findings %+v; want %s first", r.Verdict, r.Findings, want)
			}
			if r.Findings[0].Remedy == "" {
				t.Error("no remedy")
			}
			for _, other := range r.Findings[1:] {
				if other.Severity == string(diagnose.Error) {
					t.Errorf("%s stands beside it as an error", other.Code)
				}
			}
		})
	}
}

// A wrong password is tried once on a real directory, in this run and the next.
func TestLabBreaker(t *testing.T) {
	t.Cleanup(func() { lab(t, "heal") })
	lab(t, "heal")
	flags := lab(t, "break", "password-wrong")
	state := t.TempDir()
	for i, want := range []string{"password-wrong", "login-paused", "login-paused", "login-paused"} {
		if r, _ := labCheck(t, state, flags...); first(r) != want {
			t.Fatalf("run %d: %+v, want %s", i+1, r.Findings, want)
		}
	}
}
