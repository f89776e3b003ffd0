package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"
)

var errInterrupted = errors.New("interrupted")

// ask waits for somebody's answer on a terminal, or for the end of ctx: since
// signals end the context, they do not end the process. A read from a terminal
// cannot be ended: it is left behind, and the terminal as it was.
func ask[T any](ctx context.Context, in *os.File, read func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return none, err
	}
	if ctx.Err() != nil {
		return none, errInterrupted
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := read()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		_ = term.Restore(int(in.Fd()), before) // it was got, so it can be set
		return none, errInterrupted
	}
}
