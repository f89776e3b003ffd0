// Package audittest starts the programs that tests of the audit look at.
package audittest

import (
	"bufio"
	"fmt"
	"os/exec"
	"testing"
)

// Running starts a program that prints "running" once it is what the test wants to look
// at, and then reads its standard input until that ends, which it does with the test.
// It returns the program's number.
func Running(t testing.TB, cmd *exec.Cmd) (pid int) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fmt.Fprintln(in); in.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "running\n" {
		t.Fatalf("the program says %q (%v)", line, err)
	}
	return cmd.Process.Pid
}
