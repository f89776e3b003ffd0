package mysql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// packets are what both sides send on one connection, numbered in turn.
type packets struct {
	raw     net.Conn // the connection before TLS: deadlines are set on it
	stream  net.Conn // raw, or TLS on it
	seq     byte     // the sequence number of the next packet, ours or the server's
	read    int      // packets of the connection phase
	partial []byte   // the first part of a packet that a ctx interrupted
	broken  error    // the first error of the path: nothing can follow it
}

// step runs one exchange under ctx.
func (c *packets) step(ctx context.Context, doing string, exchange func() error) error {
	if c.broken != nil {
		return &StepError{doing, c.broken}
	}
	if err := ctx.Err(); err != nil {
		return &StepError{doing, err}
	}
	deadline, _ := ctx.Deadline() // the zero time is none
	if err := c.raw.SetDeadline(deadline); err != nil {
		return &StepError{doing, err}
	}
	unblocked := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.raw.SetDeadline(time.Unix(1, 0)) // long past: what blocks now returns
		close(unblocked)
	})
	err := exchange()
	if !stop() {
		<-unblocked // or it would hit the next step
	}
	c.raw.SetDeadline(time.Time{})
	if err == nil {
		return nil
	}
	return &StepError{doing, ofContext(ctx, err)}
}

// ofContext makes an I/O timeout, which can only come from ctx, the ctx's own
// error: a caller tells a cancel from a deadline by it.
func ofContext(ctx context.Context, err error) error {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	default: // the poller's clock was a moment ahead of the context's
		return context.DeadlineExceeded
	}
}

// write sends one packet.
func (c *packets) write(payload []byte) error {
	if _, err := c.stream.Write(AppendPacket(nil, c.seq, payload)); err != nil {
		c.broken = err
		return err
	}
	c.seq++
	return nil
}

// readPacket reads the next packet, which must have the next sequence number.
func (c *packets) readPacket(from io.Reader, limit int) ([]byte, error) {
	seq, payload, err := ReadPacket(from, limit)
	if err != nil {
		c.broken = err
		return nil, err
	}
	// MariaDB and MySQL send some ERR packets of the start with a number of
	// their own: ERROR 1040 and the like come before a conversation exists.
	if seq != c.seq && !(len(payload) > 0 && payload[0] == headErr) {
		c.broken = fmt.Errorf("%w: sequence number %d, not %d", ErrMalformed, seq, c.seq)
		return nil, c.broken
	}
	c.seq = seq + 1
	return payload, nil
}

// readAuth reads a packet of the connection phase. What has come of it when ctx ends
// is kept, so that the conversation can still be ended well.
func (c *packets) readAuth() ([]byte, error) {
	if c.read == maxAuthPackets {
		c.broken = fmt.Errorf("%w: more than %d packets without an OK or ERR", ErrMalformed, maxAuthPackets)
		return nil, c.broken
	}
	var seen bytes.Buffer
	b, err := c.readPacket(io.TeeReader(io.MultiReader(bytes.NewReader(c.partial), c.stream), &seen), MaxAuthPacket)
	c.partial = nil
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.partial, c.broken = seen.Bytes(), nil
		return nil, err
	}
	c.read++
	return b, err
}
