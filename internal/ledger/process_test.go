package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// The test binary plays the other process: what it does is in LEDGER_CHILD.
func TestMain(m *testing.M) {
	if what := os.Getenv("LEDGER_CHILD"); what != "" {
		if err := child(what, os.Getenv("LEDGER_DIR")); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(what, dir string) error {
	now := func() time.Time { return noon }
	l, err := Open(dir, Options{Now: now})
	if err != nil {
		return err
	}
	switch what {
	case "login": // begins and never ends
		if _, err := l.Account("alice@R").Begin([]byte("right")); err != nil {
			return err
		}
	case "handshake":
		if _, err := l.Database("orders", 100).Begin(); err != nil {
			return err
		}
	case "full disk": // every write of more than nothing fails
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}); err != nil {
			return err
		}
		if _, err := l.Account("alice@R").Begin([]byte("right")); !errors.Is(err, ErrNoRecord) || !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("login on a full disk: %v", err)
		}
		if _, err := l.Database("orders", 100).Begin(); !errors.Is(err, ErrNoRecord) {
			return fmt.Errorf("handshake on a full disk: %v", err)
		}
	}
	fmt.Println("done")
	bufio.NewReader(os.Stdin).ReadByte() // until the parent ends us, or itself
	return nil
}

// start runs a child up to its "done".
func start(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), "LEDGER_CHILD="+what, "LEDGER_DIR="+dir)
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "done\n" {
		t.Fatalf("child %q said %q", what, line)
	}
	return c
}

func kill9(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait()
}
