package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
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
