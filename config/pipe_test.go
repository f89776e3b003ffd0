package config

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A pipe in the place of a file must not make anybody wait: neither of the
// configuration nor of a CA bundle.
func TestPipesAreNotWaitedFor(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"kerbagent.yaml":     func() error { _, err := Load(pipe); return err },
		"the bootstrap part": func() error { _, err := LoadBootstrap(pipe); return err },
		"a CA bundle":        func() error { _, err := TLS{CAFile: pipe}.Roots(); return err },
	} {
		ended := make(chan error, 1)
		go func() { ended <- read() }()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: nothing is said of a file that is empty", name)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the pipe is waited for", name)
		}
	}
}
