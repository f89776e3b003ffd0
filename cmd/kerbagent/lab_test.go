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
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// These tests run on the lab's client host, against real servers.

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
	labtest.Up(t)
	flags := labtest.Break(t, "none")
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(flags), func(f string) bool {
			name, _, _ := strings.Cut(f, "=")
			return slices.Contains(names, name)
		})
	}
	for name, flags := range map[string][]string{
		"password":            flags,
		"keytab":              append(without("--password-file"), "--keytab="+labtest.Keytab("alice")),
		"DNS servers unnamed": without("--dns-server"),
		"KDCs named":          append(flags, "--kdc=dc1.corp.example.com", "--kdc=dc2.corp.example.com"),
		"over the trust": append(without("--user", "--password-file", "--realm"), "--realm=CORP.EXAMPLE.COM", "--realm=ONPREM.LOCAL",
			"--user=carol@ONPREM.LOCAL", "--keytab="+labtest.Keytab("carol")),
	} {
		t.Run(name, func(t *testing.T) {
			r, code := labCheck(t, t.TempDir(), flags...)
			wantHealthy(t, r, code)
		})
	}
	t.Run("a ticket that kinit got", func(t *testing.T) {
		ccache := filepath.Join(t.TempDir(), "cc")
		kinit := exec.Command("kinit", "-c", "FILE:"+ccache, "-k", "-t", labtest.Keytab("alice"), "alice@CORP.EXAMPLE.COM")
		if out, err := kinit.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		r, code := labCheck(t, t.TempDir(), append(without("--password-file"), "--ccache="+ccache)...)
		wantHealthy(t, r, code)
	})
	t.Run("without a user, the path alone", func(t *testing.T) {
		if r, code := labCheck(t, t.TempDir(), without("--user", "--password-file")...); code != 0 || len(r.Findings) > 0 {
			t.Errorf("exit %d, findings %+v", code, r.Findings)
		}
	})
	// ten times here; make soak asks as often as it is told
	t.Run("again and again", func(t *testing.T) {
		state := t.TempDir()
		for range 10 {
			r, code := labCheck(t, state, flags...)
			wantHealthy(t, r, code)
		}
	})
}

// Every fault that the lab can make is found, first and alone.
func TestLabFaults(t *testing.T) {
	labtest.Up(t)
	for _, fault := range strings.Fields(labtest.Run(t, "break", "--list")) {
		t.Run(fault, func(t *testing.T) {
			want, _, _ := strings.Cut(fault, ":")
			flags := labtest.Break(t, fault)
			// What is silent is silent after a second too; a fault that takes its time says how long.
			if !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--probe-timeout=") }) {
				flags = append(flags, "--probe-timeout=1s")
			}
			r, _ := labCheck(t, t.TempDir(), flags...)
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
	labtest.Up(t)
	flags := labtest.Break(t, "password-wrong")
	state := t.TempDir()
	for i, want := range []string{"password-wrong", "password-wrong", "password-wrong", "password-wrong"} {
		if r, _ := labCheck(t, state, flags...); first(r) != want {
			t.Fatalf("run %d: %+v, want %s", i+1, r.Findings, want)
		}
	}
}

// Whatever does not answer adds one probe's timeout to the whole, not one a probe.
func TestLabOneTimeoutAtMost(t *testing.T) {
	labtest.Up(t)
	for _, fault := range []string{"server-down", "kdc-udp-blocked", "kdc-hung", "dns-server-silent", "dns-udp-blocked"} {
		t.Run(fault, func(t *testing.T) {
			const timeout = 2 * time.Second
			flags := append(labtest.Break(t, fault), "--probe-timeout="+timeout.String())
			begun := time.Now()
			labCheck(t, t.TempDir(), flags...)
			// A healthy check takes a tenth of a second; what is left up to a second timeout is for a busy machine.
			if took := time.Since(begun); took >= 2*timeout {
				t.Errorf("it took %v with a probe timeout of %v", took, timeout)
			}
		})
	}
}
