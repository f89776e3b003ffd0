package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// world is a rehearsed realm that check is run against from outside, by its
// client files alone.
type world struct {
	t     *testing.T
	files rehearsal.Files
	state string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w, err := rehearsal.Start(context.Background(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	files, err := w.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, files: files, state: filepath.Join(t.TempDir(), "state")}
}

// check runs `kerbagent check -o json` on a configuration.
func (w *world) check(config string, more ...string) (rehearsed, int) {
	w.t.Helper()
	var out, errOut bytes.Buffer
	args := append([]string{"check", "-o", "json", "--config", config, "--state-dir", w.state}, more...)
	code := run(context.Background(), args, os.Stdin, &out, &errOut)
	var r rehearsed
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		w.t.Fatalf("%v\nstdout: %s\nstderr: %s", err, out.Bytes(), errOut.Bytes())
	}
	return r, code
}

// aliceAlone writes a configuration with one login whose password is in a file of the test's.
func (w *world) aliceAlone(password string) (config, secret string) {
	w.t.Helper()
	b, err := os.ReadFile(w.files.Config)
	if err != nil {
		w.t.Fatal(err)
	}
	dir := w.t.TempDir()
	config, secret = filepath.Join(dir, "kerbagent.yaml"), filepath.Join(dir, "alice.pw")
	head, _, ok := strings.Cut(string(b), "\nlogins:")
	if !ok {
		w.t.Fatalf("no logins in\n%s", b)
	}
	database := regexp.MustCompile(`(?m)^databases:\n\s+(\S+):`).FindStringSubmatch(head)
	if database == nil {
		w.t.Fatalf("no database in\n%s", head)
	}
	probes := ""
	if m := regexp.MustCompile(`(?m)^(resolver|probes):.*(\n[ -].*)*`).FindAllString(string(b)[len(head):], -1); m != nil {
		probes = strings.Join(m, "\n")
	}
	text := head + "\nlogins:\n  - {user: alice@CORP.EXAMPLE.COM, database: " + database[1] + ", password_file: " + secret + "}\n" + probes + "\n"
	w.write(config, text)
	w.write(secret, password)
	return config, secret
}

func (w *world) write(path, content string) {
	w.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func first(r rehearsed) string {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Code
}

func TestCheckWithAFile(t *testing.T) {
	w := newWorld(t)
	if r, exit := w.check(w.files.Config); exit != 0 || r.Verdict != "ok" || len(r.Findings) > 0 {
		t.Errorf("exit %d, %+v", exit, r)
	}
}

// A password that was refused is tried once: not again in the next run, until
// its file changes.
func TestARefusedPasswordIsTriedOnce(t *testing.T) {
	w := newWorld(t)
	config, secret := w.aliceAlone("not her password")
	for i := range 3 {
		r, exit := w.check(config)
		if first(r) != "password-wrong" || exit != 2 || r.Verdict != "failed" {
			t.Fatalf("run %d: exit %d, verdict %s, %+v", i+1, exit, r.Verdict, r.Findings)
		}
		for _, x := range r.Results {
			if at := x.Evidence["refused-at"]; x.Probe == "login" && (at != nil) != (i > 0) {
				t.Errorf("run %d: the login was refused at %v", i+1, at)
			}
		}
	}
	if r, _ := w.check(config, "--ignore-breaker"); first(r) != "password-wrong" {
		t.Errorf("with --ignore-breaker: %+v", r.Findings)
	}
	w.write(secret, "another wrong one")
	if r, _ := w.check(config); first(r) != "password-wrong" {
		t.Errorf("after the secret has changed: %+v", r.Findings)
	}
}

// Without a record there is no attempt.
func TestNoRecordNoAttempt(t *testing.T) {
	w := newWorld(t)
	w.state = filepath.Join(t.TempDir(), "file", "state")
	w.write(filepath.Dir(w.state), "a file where the directory should be")
	r, exit := w.check(w.files.Config)
	if first(r) != "login-record-impossible" || exit == 0 {
		t.Fatalf("exit %d, %+v", exit, r.Findings)
	}
	for _, x := range r.Results {
		if x.Probe == "login" && x.Outcome != "skipped" {
			t.Errorf("login %s (%s): it was tried", x.Outcome, x.Reason)
		}
	}
}

func TestBadSecretFilesAreFindings(t *testing.T) {
	w := newWorld(t)
	for name, content := range map[string]string{"empty": "", "line end": "secret\n", "byte order mark": "\ufeffsecret", "UTF-16": "s\x00e\x00"} {
		t.Run(name, func(t *testing.T) {
			config, _ := w.aliceAlone(content)
			r, exit := w.check(config)
			if first(r) != "secret-malformed" || exit != 2 {
				t.Errorf("exit %d, %+v", exit, r.Findings)
			}
		})
	}
}

// The secret of a login is in no output, whatever happens.
func TestNoOutputHoldsASecret(t *testing.T) {
	const password = "Xyzzy-Secret-4711"
	w := newWorld(t)
	config, _ := w.aliceAlone(password)
	for _, format := range []string{"human", "json", "nagios"} {
		var out, errOut bytes.Buffer
		run(context.Background(), []string{"check", "-o", format, "--config", config, "--state-dir", w.state, "--ignore-breaker"}, os.Stdin, &out, &errOut)
		if strings.Contains(out.String()+errOut.String(), password) {
			t.Errorf("-o %s shows the password", format)
		}
	}
	err := filepath.WalkDir(w.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), password) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
