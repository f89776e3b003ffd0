package mysql_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A transcript is a conversation with a real server, one packet a line: who
// spoke ("<" the server, ">" we) and the packet in hex. The lab test records
// them, with -update.

// recorder keeps what goes over a connection.
type recorder struct {
	net.Conn
	from, to bytes.Buffer // the server's bytes, ours
	lines    []string
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.from.Write(b[:n])
	r.packets("<", &r.from)
	return n, err
}

func (r *recorder) Write(b []byte) (int, error) {
	r.to.Write(b)
	r.packets(">", &r.to)
	return r.Conn.Write(b)
}

// packets moves whole packets to the lines.
func (r *recorder) packets(who string, b *bytes.Buffer) {
	for {
		raw := b.Bytes()
		if len(raw) < 4 {
			return
		}
		n := 4 + (int(raw[0]) | int(raw[1])<<8 | int(raw[2])<<16)
		if len(raw) < n {
			return
		}
		r.lines = append(r.lines, who+" "+hex.EncodeToString(b.Next(n)))
	}
}

func (r *recorder) save(t *testing.T, name string) {
	t.Helper()
	text := strings.Join(r.lines, "\n") + "\n"
	if err := os.WriteFile(filepath.Join("testdata", name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// played is the server's side of a transcript. Of our packets it wants the
// number and the length that they had then: junk is never the same twice.
type played struct {
	net.Conn // nil: whatever is not below is not used
	t        *testing.T
	lines    []string
	theirs   bytes.Reader
	ours     bytes.Buffer
}

func play(t *testing.T, name string) *played {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return &played{t: t, lines: strings.Split(strings.TrimSpace(string(b)), "\n")}
}

// next takes the next line, which must be of that speaker.
func (p *played) next(who string) []byte {
	if len(p.lines) == 0 || !strings.HasPrefix(p.lines[0], who) {
		return nil
	}
	b, err := hex.DecodeString(p.lines[0][2:])
	if err != nil {
		p.t.Fatal(err)
	}
	p.lines = p.lines[1:]
	return b
}

func (p *played) Read(b []byte) (int, error) {
	if p.theirs.Len() == 0 {
		packet := p.next("<")
		if packet == nil {
			return 0, io.EOF
		}
		p.theirs.Reset(packet)
	}
	return p.theirs.Read(b)
}

func (p *played) Write(b []byte) (int, error) {
	want := p.next(">")
	if want == nil || len(want) != len(b) || !bytes.Equal(want[:4], b[:4]) {
		p.t.Errorf("sent %x, the transcript has %x", b, want)
	}
	return len(b), nil
}

func (p *played) SetDeadline(time.Time) error { return nil }
func (p *played) Close() error                { return nil }
