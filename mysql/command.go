package mysql

import (
	"context"
	"fmt"
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
func (c *Conn) Query(ctx context.Context, sql string) (string, error) {
	rows, err := c.Rows(ctx, sql, 1)
	switch {
	case err != nil:
		return "", err
	case len(rows) == 0 || rows[0][0].Null:
		return "", ErrNoValue
	}
	return rows[0][0].Text, nil
}

// Value is one value of a row.
type Value struct {
	Text string
	Null bool
}

// Rows runs sql and returns the first rows of its answer, at most most of them.
// Every row has as many values as the answer has columns, and at least one. It has
// the limits of Query.
func (c *Conn) Rows(ctx context.Context, sql string, most int) (rows [][]Value, err error) {
	err = c.step(ctx, "running a query", func() error {
		if c.stage != ready {
			return errOrder
		}
		if err := c.command(comQuery, sql); err != nil {
			return err
		}
		rows, err = c.result(most)
		return err
	})
	return rows, err
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

// result reads a text result set to its end, and keeps the first rows of it.
func (c *Conn) result(most int) ([][]Value, error) {
	left := maxResult
	next := func() ([]byte, error) {
		b, err := c.readPacket(c.stream, left)
		left -= len(b)
		return b, err
	}
	b, err := next()
	if err != nil {
		return nil, err
	}
	if len(b) > 0 && (b[0] == headErr || b[0] == headOK) {
		if err := c.plainOK(b); err != nil {
			return nil, err
		}
		return nil, nil
	}
	columns, err := columnCount(b)
	if err != nil {
		return nil, c.malformed(err)
	}
	for range columns {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if err := checkColumn(b); err != nil {
			return nil, c.malformed(err)
		}
	}
	if !c.caps.Has(DeprecateEOF) {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if !isEnd(b) {
			return nil, c.malformed(fmt.Errorf("%w: no EOF after the columns", ErrMalformed))
		}
	}
	return c.rows(columns, most, next)
}

// rows reads rows until the end packet and keeps the first ones.
func (c *Conn) rows(columns, most int, next func() ([]byte, error)) ([][]Value, error) {
	var rows [][]Value
	for {
		b, err := next()
		if err != nil {
			return nil, err
		}
		switch {
		case len(b) > 0 && b[0] == headErr:
			return nil, c.plainOK(b)
		case isEnd(b):
			return rows, nil
		}
		row, err := parseRow(b, columns)
		if err != nil {
			return nil, c.malformed(err)
		}
		if len(rows) < most {
			rows = append(rows, row)
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

// parseRow reads a row of the text protocol.
func parseRow(b []byte, columns int) ([]Value, error) {
	f := fields(b)
	var row []Value
	for range columns {
		if len(f) > 0 && f[0] == headLocalFile {
			f = f[1:]
			row = append(row, Value{Null: true})
			continue
		}
		value, ok := f.lenencBytes()
		if !ok {
			return nil, fmt.Errorf("%w: row cut short", ErrMalformed)
		}
		row = append(row, Value{Text: string(value)})
	}
	if len(f) != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the row", ErrMalformed, len(f))
	}
	return row, nil
}
