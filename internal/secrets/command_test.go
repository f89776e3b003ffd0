package secrets

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe/login"
)

// loaded is the login of a configuration file whose password a program prints.
func loaded(t *testing.T, mode os.FileMode, argv string) (config.Login, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kerbagent.yaml")
	text := fmt.Sprintf("realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\nlogins: [{user: u@R.TEST, database: d, password_command: %s}]\n", argv)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		return config.Login{}, err
	}
	return cfg.Logins[0], nil
}

// A program's output is the password, and nothing of it is in an error; it sees no
// environment and no shell, and does not run for ever or without end.
func TestPasswordCommand(t *testing.T) {
	if os.Geteuid() != 0 { // then root does not own the file
		if _, err := loaded(t, 0o600, "[/bin/echo, pw]"); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("%v", err)
		}
		return
	}
	t.Setenv("SECRET_OF_THE_DAEMON", "x")
	for name, c := range map[string]struct {
		argv, want, problem string
	}{
		"prints it":           {"[/bin/echo, 'pass word']", "pass word", ""},
		"without a line end":  {"[/usr/bin/printf, pw]", "pw", ""},
		"with two":            {`[/usr/bin/printf, 'hunter2\n\n']`, "", "newline"},
		"no shell":            {"[/bin/echo, '$HOME;id']", "$HOME;id", ""},
		"no environment":      {"[/usr/bin/env]", "", "empty"},
		"fails":               {"[/bin/sh, -c, 'echo hunter2; echo hunter2 >&2; exit 3']", "", "command"},
		"is not there":        {"[/nowhere/hunter2]", "", "command"},
		"prints without end":  {"[/usr/bin/yes, hunter2]", "", "too-large"},
		"hangs, with a child": {"[/bin/sh, -c, 'sleep 60 & sleep 60']", "", "command"},
		"is not text":         {`[/usr/bin/printf, '\377\376h']`, "", "bom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := loaded(t, 0o600, c.argv)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			m, err := new(Store).Material(l)
			if took := time.Since(begun); took > commandLimit+3*time.Second {
				t.Errorf("took %v", took)
			}
			var unusable *login.MaterialError
			switch {
			case c.problem == "" && (err != nil || string(m.Identity) != c.want):
				t.Errorf("%q, %v", m.Identity, err)
			case c.problem != "" && (!errors.As(err, &unusable) || unusable.Problem != c.problem):
				t.Errorf("%q, %v", m.Identity, err)
			case err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "/nowhere/hunter2", ""), "hunter2"):
				t.Errorf("the error has what was printed: %v", err)
			}
		})
	}
	for argv, want := range map[string]string{"[echo, pw]": "absolute path", "[]": "is empty", "/bin/echo": "expected a list"} {
		if _, err := loaded(t, 0o600, argv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", argv, err)
		}
	}
	if _, err := loaded(t, 0o620, "[/bin/echo, hunter2]"); err == nil || !strings.Contains(err.Error(), "others than its owner may write it") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a file that a group may write: %v", err)
	}
}

// A configuration that did not come from root's file runs nothing, whatever it says.
func TestOnlyRootsFileRunsAProgram(t *testing.T) {
	made := filepath.Join(t.TempDir(), "made")
	text := fmt.Sprintf("realms: {R.TEST: {kind: mit}}\ndatabases: {d: {endpoint: d.test, realm: R.TEST}}\nlogins: [{user: u@R.TEST, database: d, password_command: [/usr/bin/touch, %q]}]\n", made)
	cfg, err := config.Parse("kerbagent.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(Store).Material(cfg.Logins[0]); err == nil || !strings.Contains(err.Error(), "root alone") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("the program ran")
	}
	if shown := config.Redact("kerbagent.yaml", []byte(text)); strings.Contains(shown, made) || !strings.Contains(shown, "/usr/bin/touch") {
		t.Errorf("a ticket shows\n%s", shown)
	}
}
