package bootstrap

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
)

// The examples of provisioning: the file is one that bootstrap takes, and each loop
// goes on while it waits for somebody else, and ends with anything else.
func TestExamplesOfProvisioning(t *testing.T) {
	dir := filepath.Join("..", "..", "examples", "bootstrap")
	if _, err := config.LoadBootstrap(filepath.Join(dir, "kerbagent.yaml")); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	loops := 0
	for _, file := range append(files, filepath.Join("..", "..", "docs", "bootstrap.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, loop := range regexp.MustCompile(`until kerbagent bootstrap[^\n]*; done`).FindAllString(string(text), -1) {
			loops++
			for codes, want := range map[string]string{"0": "1 0", "1 1 0": "3 0", "1 4": "2 1", "2": "1 1", "6": "1 1"} {
				if got := provision(t, loop, codes); got != want {
					t.Errorf("%s: %s: with exit codes %s it was called so often and ended with: %s, want %s", filepath.Base(file), loop, codes, got, want)
				}
			}
		}
	}
	if loops < 4 {
		t.Errorf("%d loops found", loops)
	}
}

// provision runs a loop with a kerbagent that ends with these codes in turn.
func provision(t *testing.T, loop, codes string) string {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{
		"kerbagent": "#!/bin/sh\necho called >> '" + bin + "/calls'\nset -- " + codes + "\nshift $(($(wc -l < '" + bin + "/calls') - 1))\nexit $1\n",
		"sleep":     "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-c", loop)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	_ = cmd.Run() // its code is what is looked at
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	status := "0"
	if cmd.ProcessState.ExitCode() != 0 {
		status = "1"
	}
	return string(rune('0'+strings.Count(string(calls), "called"))) + " " + status
}
