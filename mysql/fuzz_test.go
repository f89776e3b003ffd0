package mysql

import (
	"bytes"
	"context"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// seeds adds the payloads of all packets that real servers or clients sent.
func seeds(f *testing.F, who string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			b, err := hex.DecodeString(strings.TrimSpace(line[2:]))
			if err != nil {
				f.Fatal(err)
			}
			if strings.HasPrefix(line, who) {
				f.Add(b[4:])
			}
		}
	}
}

func FuzzParseGreeting(f *testing.F) {
	seeds(f, "<")
	// The greeting of a server before MySQL 4.1 ends after its first part.
	f.Add(append([]byte("\n4.0.30\x00"), make([]byte, 31)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ParseGreeting(b)
		if err != nil {
			return
		}
		again, err := ParseGreeting(g.Marshal())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if again.Version != g.Version || again.Capabilities != g.Capabilities || again.Plugin != g.Plugin || !bytes.Equal(again.Scramble, g.Scramble) {
			t.Errorf("%+v became %+v", g, again)
		}
	})
}

func FuzzParseSwitch(f *testing.F) {
	seeds(f, "<")
	f.Fuzz(func(t *testing.T, b []byte) {
		sw, err := parseSwitch(b)
		if err == nil && b[0] == headSwitch && len(b) > 1 && !bytes.Equal(sw.Marshal(), b) {
			t.Errorf("%x became %x", b, sw.Marshal())
		}
	})
}

func FuzzParseError(f *testing.F) {
	seeds(f, "<")
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseError(b)
		if err == nil && len(b) <= maxMessage && !bytes.Equal(e.Marshal(), b) {
			t.Errorf("%x became %x", b, e.Marshal())
		}
	})
}

func FuzzParseReply(f *testing.F) {
	seeds(f, "<")
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReply(b)
		if err == nil && r.Kind == Another && r.Switch == nil {
			t.Error("a switch to nothing")
		}
	})
}

func FuzzParseLogin(f *testing.F) {
	seeds(f, ">")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseLogin(b)
		if err != nil {
			return
		}
		again, err := ParseLogin(p.Marshal())
		if err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if !bytes.Equal(again.Marshal(), p.Marshal()) {
			t.Errorf("%+v became %+v", p, again)
		}
	})
}

func FuzzColumnAndRow(f *testing.F) {
	f.Add([]byte("\x03def\x00\x00\x00\x01c\x00\x0c-\x00\x90\x01\x00\x00\xfd\x00\x00\x1f\x00\x00"), 1)
	f.Add([]byte("\x07alice@%\xfb"), 2)
	f.Fuzz(func(t *testing.T, b []byte, columns int) {
		if n, err := columnCount(b); err == nil && (n < 1 || n > maxColumns) {
			t.Errorf("%d columns", n)
		}
		checkColumn(b)
		if row, err := parseRow(b, columns%(maxColumns+1)); err == nil && columns%(maxColumns+1) > 0 && len(row) != columns%(maxColumns+1) {
			t.Errorf("%d values of %d columns", len(row), columns%(maxColumns+1))
		}
	})
}

// tape is a server that says these bytes, whatever is said to it.
type tape struct {
	net.Conn
	*bytes.Reader
	read int
}

func (p *tape) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.read += n
	return n, err
}
func (p *tape) Write(b []byte) (int, error) { return len(b), nil }
func (p *tape) SetDeadline(time.Time) error { return nil }
func (p *tape) Close() error                { return nil }

// A whole conversation with a server that says anything ends, and costs less
// than 1 MiB.
func FuzzConversation(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txt")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var all []byte
		for line := range strings.Lines(string(text)) {
			if b, err := hex.DecodeString(strings.TrimSpace(line[2:])); err == nil && line[0] == '<' {
				all = append(all, b...)
			}
		}
		f.Add(all)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &tape{Reader: bytes.NewReader(b)}
		c := NewConn(p)
		ctx := context.Background()
		if _, err := c.Greeting(ctx); err == nil {
			if _, err := c.Respond(ctx, "alice", nil); err == nil {
				if r, err := c.Answer(ctx, []byte("`token")); err == nil && r.Kind == OK {
					c.Query(ctx, "SELECT CURRENT_USER()")
				}
			}
		}
		c.Abandon(ctx, nil)
		if p.read > 1<<20 {
			t.Errorf("read %d bytes", p.read)
		}
	})
}
