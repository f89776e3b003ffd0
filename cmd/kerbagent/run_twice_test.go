package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// Two daemons with one state directory would log in twice as often as either
// says: the second ends at once, and leaves the first as it is. `check` runs
// beside a daemon.
func TestRunTwice(t *testing.T) {
	config := quickRehearsal(t, rehearsal.Options{})
	state := filepath.Join(t.TempDir(), "state")
	first := startDaemon(t, config, state)

	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	second := exec.CommandContext(soon, os.Args[0], "run", "--config", config, "--state-dir", state, "--web.listen-address", "127.0.0.1:0")
	second.Args[0] = "kerbagent"
	said, err := second.CombinedOutput()
	var exit *exec.ExitError
	want := fmt.Sprintf("kerbagent: state directory %s belongs to another kerbagent run (process %d): stop that one first, or give this one another --state-dir, where attempts are counted separately\n", state, first.cmd.Process.Pid)
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || string(said) != want {
		t.Errorf("the second: %v: %s\nwant exit 3: %s", err, said, want)
	}
	if got := first.get("/-/healthy"); got == "" {
		t.Error("the first says nothing")
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"check", "--config", config, "--state-dir", state}, os.Stdin, &out, &errs); code != 0 {
		t.Errorf("check beside it: exit %d\n%s%s", code, out.Bytes(), errs.Bytes())
	}
	startDaemon(t, config, filepath.Join(t.TempDir(), "another")).kill()

	first.kill() // which cannot let go of anything by itself
	startDaemon(t, config, state)
}

// A state directory that cannot be had is said, and stops no daemon.
func TestRunWithoutStateDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	code := run(t.Context(), []string{"run", "--config", filepath.Join(t.TempDir(), "none"), "--state-dir", file}, os.Stdin, io.Discard, &errs)
	if !strings.Contains(errs.String(), "would not be noticed") || !strings.Contains(errs.String(), "no such file") || code != 3 {
		t.Errorf("exit %d: %s", code, errs.Bytes())
	}
}
