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
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminalPair returns a terminal, and the side that somebody types at.
func terminalPair(t *testing.T) (typed, terminal *os.File) {
	t.Helper()
	typed, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(typed.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { typed.Close(); terminal.Close() })
	return typed, terminal
}

// prompts calls a function when something with a part in it is written.
type prompts struct {
	part string
	then func()

	mu  sync.Mutex
	all bytes.Buffer
}

func (p *prompts) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.Write(b)
	if strings.Contains(string(b), p.part) {
		p.then()
	}
	return len(b), nil
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// Ctrl-C at a prompt did nothing, however often: the context ended, and the
// read from the terminal did not.
func TestInterruptAtAPrompt(t *testing.T) {
	for name, tt := range map[string]struct {
		prompt string
		hides  bool                                // what is typed
		ask    func(context.Context, streams) bool // that it was not answered
	}{
		"a password": {"Password for nobody@CORP.EXAMPLE.COM", true, func(ctx context.Context, s streams) bool {
			args := []string{"check", "--realm", "CORP.EXAMPLE.COM", "--user", "nobody", "--database", "db.invalid", "--state-dir", t.TempDir()}
			return run(ctx, args, s.in, io.Discard, s.err) == 3
		}},
		"a yes": {"Apply this plan?", false, func(ctx context.Context, s streams) bool { return !agreed(ctx, s) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, terminal := terminalPair(t)
			ctx, interrupt := context.WithCancel(t.Context())
			asked := make(chan struct{})
			said := &prompts{part: tt.prompt, then: func() { close(asked) }}
			ended := make(chan bool, 1)
			go func() { ended <- tt.ask(ctx, streams{in: terminal, err: said}) }()
			<-asked
			for tt.hides && echoes(t, terminal) && t.Context().Err() == nil { // until it is read
				runtime.Gosched()
			}
			interrupt()
			select {
			case unanswered := <-ended:
				if !unanswered {
					t.Errorf("it was taken for an answer: %s", said.all.String())
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it waits for ever")
			}
			if !echoes(t, terminal) {
				t.Error("what is typed afterwards is not shown")
			}
		})
	}
}

// What is typed is still taken, line by line.
func TestAnswerToAPrompt(t *testing.T) {
	for text, want := range map[string]bool{"yes\n": true, "no\n": false, "yes, but later\n": false, "\n": false} {
		typed, terminal := terminalPair(t)
		if _, err := typed.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if got := agreed(t.Context(), streams{in: terminal, err: io.Discard}); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	typed, terminal := terminalPair(t)
	if _, err := typed.WriteString(" two words \nthe second\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" two words ", "the second"} {
		if got, err := ask(t.Context(), terminal, true); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	typed.Close() // the terminal is gone
	if got, err := ask(t.Context(), terminal, false); err == nil {
		t.Errorf("%q was typed by nobody", got)
	}
}

// Whatever it waits for, it was to be ended by SIGKILL alone: the first signal
// ends the context, and so did the others.
func TestSecondSignalEnds(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "kerbagent.yaml")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(soon, os.Args[0], "config", "check", "--config", pipe)
	cmd.Args[0] = "kerbagent"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits until it is read
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case <-again.C:
			_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
				t.Errorf("it ended by %v", err)
			}
			return
		}
	}
}
