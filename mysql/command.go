package mysql

import (
	"context"
	"fmt"
	"strings"
)

// Commands, and what their answers may cost.
const (
	comQuit   = 0x01
	comInitDB = 0x02
	comQuery  = 0x03

	maxResult  = 256 << 10 // bytes of a whole answer
	maxColumns = 64
)

// Query runs sql and returns the first column of the first row as text. It is
// for small questions such as SELECT CURRENT_USER(): the whole answer may have
// 256 KiB. ErrNoValue says that there was no row, or NULL in it; an ERR is a
// *ServerError, after which the connection is still good.
func (c *Conn) Query(ctx context.Context, sql string) (value string, err error) {
	err = c.step(ctx, "running a query", func() error {
		if c.stage != ready {
			return errOrder
		}
		if err := c.command(comQuery, sql); err != nil {
			return err
		}
		value, err = c.result()
		return err
	})
	return value, err
}

// UseDatabase makes name the default database, which a login here never names.
func (c *Conn) UseDatabase(ctx context.Context, name string) error {
	return c.step(ctx, "choosing the database", func() error {
		if c.stage != ready {
			return errOrder
		}
		if err := c.command(comInitDB, name); err != nil {
			return err
		}
		b, err := c.readPacket(c.stream, MaxAuthPacket)
		if err != nil {
			return err
		}
		return c.plainOK(b)
	})
}

// Quit reports goodbye and closes. A connection that is not logged in is only
// closed.
func (c *Conn) Quit(ctx context.Context) error {
	if c.stage != ready {
		return c.Close()
	}
	defer c.Close()
	return c.step(ctx, "quitting", c.quit)
}

func (c *Conn) quit() error {
	c.stage = ended
	return c.command(comQuit, "")
}

// command sends a command; each starts the sequence numbers anew.
func (c *Conn) command(code byte, argument string) error {
	c.seq = 0
	return c.write(append([]byte{code}, argument...))
}

// plainOK takes the answer to a command that has no result set.
func (c *Conn) plainOK(b []byte) error {
	var err error
	switch {
	case len(b) > 0 && b[0] == headErr:
		e, perr := parseError(b)
		if perr == nil {
			return e
		}
		err = perr
	case len(b) > 0 && b[0] == headOK:
		err = checkOK(b)
	default:
		err = fmt.Errorf("%w: neither OK nor ERR", ErrMalformed)
	}
	if err != nil {
		c.broken = err
	}
	return err
}

// result reads a text result set to its end.
func (c *Conn) result() (string, error) {
	left := maxResult
	next := func() ([]byte, error) {
		b, err := c.readPacket(c.stream, left)
		left -= len(b)
		return b, err
	}
	b, err := next()
	if err != nil {
		return "", err
	}
	if len(b) > 0 && (b[0] == headErr || b[0] == headOK) {
		if err := c.plainOK(b); err != nil {
			return "", err
		}
		return "", ErrNoValue
	}
	columns, err := columnCount(b)
	if err != nil {
		return "", c.malformed(err)
	}
	for range columns {
		b, err := next()
		if err != nil {
			return "", err
		}
		if err := checkColumn(b); err != nil {
			return "", c.malformed(err)
		}
	}
	if !c.caps.Has(DeprecateEOF) {
		b, err := next()
		if err != nil {
			return "", err
		}
		if !isEnd(b) {
			return "", c.malformed(fmt.Errorf("%w: no EOF after the columns", ErrMalformed))
		}
	}
	return c.rows(columns, next)
}

// rows reads rows until the end packet and keeps the first value.
func (c *Conn) rows(columns int, next func() ([]byte, error)) (string, error) {
	var value strings.Builder
	found, null := false, true
	for {
		b, err := next()
		if err != nil {
			return "", err
		}
		switch {
		case len(b) > 0 && b[0] == headErr:
			return "", c.plainOK(b)
		case isEnd(b) && null:
			return "", ErrNoValue
		case isEnd(b):
			return value.String(), nil
		}
		first, isNull, err := parseRow(b, columns)
		if err != nil {
			return "", c.malformed(err)
		}
		if !found {
			found, null = true, isNull
			value.Write(first)
		}
	}
}

func (c *Conn) malformed(err error) error {
	c.broken = err
	return err
}

// isEnd tells an EOF, or the OK that takes its place, from a row: a row that
// begins with 0xFE has a value of 16 MiB or more, which is not taken.
func isEnd(b []byte) bool { return len(b) > 0 && b[0] == headSwitch }

// columnCount reads the packet that opens a result set.
func columnCount(b []byte) (int, error) {
	if len(b) > 0 && b[0] == headLocalFile {
		return 0, fmt.Errorf("%w: the server asks for a local file", ErrMalformed)
	}
	f := fields(b)
	n, ok := f.lenencInt()
	if !ok || n == 0 || n > maxColumns || len(f) != 0 {
		return 0, fmt.Errorf("%w: no column count from 1 to %d", ErrMalformed, maxColumns)
	}
	return int(n), nil
}

// checkColumn takes a column definition: six strings and thirteen bytes.
func checkColumn(b []byte) error {
	f := fields(b)
	for range 6 {
		if _, ok := f.lenencBytes(); !ok {
			return fmt.Errorf("%w: column definition cut short", ErrMalformed)
		}
	}
	if _, ok := f.bytes(13); !ok {
		return fmt.Errorf("%w: column definition cut short", ErrMalformed)
	}
	return nil
}

// parseRow reads a row of the text protocol and returns its first value.
func parseRow(b []byte, columns int) (first []byte, null bool, err error) {
	f := fields(b)
	for i := range columns {
		var value []byte
		isNull := len(f) > 0 && f[0] == headLocalFile
		ok := true
		if isNull {
			f = f[1:]
		} else {
			value, ok = f.lenencBytes()
		}
		if !ok {
			return nil, false, fmt.Errorf("%w: row cut short", ErrMalformed)
		}
		if i == 0 {
			first, null = value, isNull
		}
	}
	if len(f) != 0 {
		return nil, false, fmt.Errorf("%w: %d bytes after the row", ErrMalformed, len(f))
	}
	return first, null, nil
}
