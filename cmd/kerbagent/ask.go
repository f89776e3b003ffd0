package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/kerbagent/kerbagent/config"
)

var errInterrupted = errors.New("interrupted")

// ask takes a line that somebody types on a terminal, not shown if it is
// hidden, or ends with ctx: since signals end the context, they do not end the
// process. A read from a terminal cannot be ended, so it is begun only when
// there is a line. The terminal is left as it was.
func ask(ctx context.Context, in *os.File, hidden bool) ([]byte, error) {
	fd := int(in.Fd())
	if hidden {
		before, err := unix.IoctlGetTermios(fd, getTerminal)
		if err != nil {
			return nil, err
		}
		silent := *before
		silent.Lflag &^= unix.ECHO
		silent.Lflag |= unix.ICANON | unix.ISIG
		silent.Iflag |= unix.ICRNL
		if err := unix.IoctlSetTermios(fd, setTerminal, &silent); err != nil {
			return nil, err
		}
		defer func() { _ = unix.IoctlSetTermios(fd, setTerminal, before) }() // it was got, so it can be set
	}
	if err := waitForLine(ctx, fd); err != nil {
		return nil, err
	}
	// A terminal gives one line at most, and never more than 4,095 bytes (termios(3)).
	line := make([]byte, 4096)
	n, err := unix.Read(fd, line)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	return bytes.TrimRight(line[:n], "\r\n"), nil
}

// waitForLine waits until a terminal has a line, or for the end of ctx.
func waitForLine(ctx context.Context, fd int) error {
	ended, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ended.Close()
	stop := context.AfterFunc(ctx, func() { end.Close() })
	defer func() {
		if stop() {
			end.Close()
		}
	}()
	wait := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(ended.Fd()), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(wait, -1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case wait[1].Revents != 0:
			return errInterrupted
		default:
			return nil
		}
	}
}

// askPasswords asks on the terminal for what no file was named for.
func askPasswords(ctx context.Context, logins []config.Login, s streams) (func(config.Login) ([]byte, error), error) {
	answers := map[string][]byte{}
	for _, l := range logins {
		if l.SecretKind != config.Prompt {
			continue
		}
		if !term.IsTerminal(int(s.in.Fd())) {
			return nil, fmt.Errorf("no secret for %s and no terminal to ask on: give --password-file, --keytab or --ccache", l.Principal())
		}
		fmt.Fprintf(s.err, "Password for %s: ", l.Principal())
		pw, err := ask(ctx, s.in, true)
		fmt.Fprintln(s.err)
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		if len(pw) == 0 {
			return nil, errors.New("no password was typed")
		}
		answers[l.Principal()] = pw
	}
	return func(l config.Login) ([]byte, error) { return answers[l.Principal()], nil }, nil
}
