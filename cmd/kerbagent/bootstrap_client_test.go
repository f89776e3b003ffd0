package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fakeSystemctl puts a systemctl into PATH that writes down how it is called and answers
// with a script. It returns the calls.
func fakeSystemctl(t *testing.T, script string) func() string {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "calls")
	text := "#!/bin/sh\necho \"$*\" >> '" + log + "'\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		b, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

// The daemon of bootstrap client, as systemctl answers (systemd 252, systemctl(1)).
func TestServiceAsSystemdHasIt(t *testing.T) {
	for name, c := range map[string]struct {
		says  string
		since int64 // zero: it does not run
		err   string
	}{
		"active":                {"ActiveState=active\nActiveEnterTimestamp=@1764457200", 1764457200, ""},
		"reloading":             {"ActiveState=reloading\nActiveEnterTimestamp=@1764457200", 1764457200, ""},
		"the other order":       {"ActiveEnterTimestamp=@1764457200\nActiveState=active", 1764457200, ""},
		"failed":                {"ActiveState=failed\nActiveEnterTimestamp=@1764457200", 0, ""},
		"never started":         {"ActiveState=inactive\nActiveEnterTimestamp=", 0, ""},
		"never, in other order": {"ActiveEnterTimestamp=\nActiveState=inactive", 0, ""},
		"another form of time":  {"ActiveState=active\nActiveEnterTimestamp=Sun 2026-11-29 23:00:00 UTC", 0, "active since"},
	} {
		t.Run(name, func(t *testing.T) {
			calls := fakeSystemctl(t, "cat <<'END'\n"+c.says+"\nEND")
			since, runs, err := systemdService{}.Since(t.Context())
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v", err)
				}
			case err != nil || runs != (c.since != 0):
				t.Errorf("runs: %v, %v", runs, err)
			case runs && since.Unix() != c.since:
				t.Errorf("since %s", since.Format(time.RFC3339))
			}
			if got := calls(); got != "show kerbagent.service --timestamp=unix --property=ActiveState,ActiveEnterTimestamp\n" {
				t.Errorf("called %q", got)
			}
		})
	}
}

// The units are read again before the service is enabled and started, and what systemctl
// says of a failure is passed on.
func TestServiceIsStarted(t *testing.T) {
	calls := fakeSystemctl(t, "")
	if err := (systemdService{}).Restart(t.Context()); err != nil || calls() != "daemon-reload\nenable kerbagent.service\nrestart kerbagent.service\n" {
		t.Errorf("%v after %q", err, calls())
	}
	calls = fakeSystemctl(t, `[ "$1" != restart ] || { echo "Job for kerbagent.service failed." >&2; exit 1; }`)
	if err := (systemdService{}).Restart(t.Context()); err == nil || !strings.Contains(err.Error(), "systemctl restart kerbagent.service: Job for kerbagent.service failed.") {
		t.Errorf("%v after %q", err, calls())
	}
}
