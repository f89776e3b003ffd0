package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// The folder that is served may be on another file system than /tmp, which is one of its own on many hosts, and in a container
// with a volume. `rehearse --serve` used to end there with "invalid cross-device link".
func TestServedOnAnotherFileSystemThanTmp(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	const memory = "/dev/shm"
	if _, err := os.Stat(memory); err != nil {
		t.Skip("there is no second file system: ", err)
	}
	t.Setenv("TMPDIR", memory)
	world, err := rehearsal.Start(t.Context(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	if _, err := world.WriteClientFiles(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := world.Control(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if got := run(t.Context(), []string{"rehearse", "--play", "kdc-tcp-blocked", dir}, os.Stdin, os.Stderr, os.Stderr); got != 0 {
		t.Errorf("playing a fault: exit %d", got)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if entry.IsDir() && entry.Name() != "state" {
			t.Errorf("the folder %s is left", entry.Name())
		}
	}
}
