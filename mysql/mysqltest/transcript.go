package mysqltest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// A transcript is a conversation with a real server in the clear, one packet a
// line: who spoke ("<" the server, ">" the client) and the packet in hex. It is
// recorded once, where the server is to be had, and played forever.

// Recording is a client's connection that keeps what goes over it.
type Recording struct {
	net.Conn
	from, to bytes.Buffer // not yet whole packets
	lines    strings.Builder
}

// Record starts on a connection that is not used yet. It sees nothing of what is
// inside TLS.
func Record(c net.Conn) *Recording { return &Recording{Conn: c} }

// Transcript is what has been said so far.
func (r *Recording) Transcript() []byte { return []byte(r.lines.String()) }

// Read passes on and keeps.
func (r *Recording) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.from.Write(b[:n])
	r.keep('<', &r.from)
	return n, err
}

// Write keeps and passes on.
func (r *Recording) Write(b []byte) (int, error) {
	r.to.Write(b)
	r.keep('>', &r.to)
	return r.Conn.Write(b)
}

// keep moves whole packets to the lines.
func (r *Recording) keep(who byte, b *bytes.Buffer) {
	for b.Len() >= 4 {
		head := b.Bytes()
		n := 4 + (int(head[0]) | int(head[1])<<8 | int(head[2])<<16)
		if b.Len() < n {
			return
		}
		fmt.Fprintf(&r.lines, "%c %x\n", who, b.Next(n))
	}
}

// Playback is the server's side of a transcript, as a connection. Of the client's
// packets it wants the number and the length that they had then, for junk and
// tokens are never the same twice.
type Playback struct {
	lines []string
	theirs,
	ours bytes.Buffer
}

// Play starts a transcript from its beginning.
func Play(transcript []byte) *Playback {
	return &Playback{lines: strings.Split(strings.TrimSpace(string(transcript)), "\n")}
}

// Expected is the payload that the client sent next when the transcript was
// recorded; nil where it is the server's turn or the end.
func (p *Playback) Expected() []byte {
	b, ok := p.peek('>')
	if !ok || len(b) < 4 {
		return nil
	}
	return b[4:]
}

// Left is how many packets have not been said.
func (p *Playback) Left() int { return len(p.lines) }

func (p *Playback) peek(who byte) ([]byte, bool) {
	if len(p.lines) == 0 || len(p.lines[0]) < 2 || p.lines[0][0] != who {
		return nil, false
	}
	b, err := hex.DecodeString(p.lines[0][2:])
	return b, err == nil
}

// Read returns what the server says; io.EOF where it is not its turn.
func (p *Playback) Read(b []byte) (int, error) {
	if p.theirs.Len() == 0 {
		packet, ok := p.peek('<')
		if !ok {
			return 0, io.EOF
		}
		p.lines = p.lines[1:]
		p.theirs.Write(packet)
	}
	return p.theirs.Read(b)
}

// Write takes what the client says, and fails where the transcript has something
// else.
func (p *Playback) Write(b []byte) (int, error) {
	p.ours.Write(b)
	for p.ours.Len() > 0 {
		want, ok := p.peek('>')
		if !ok {
			return 0, fmt.Errorf("transcript: %x where the server speaks", p.ours.Bytes())
		}
		if p.ours.Len() < len(want) {
			if p.ours.Len() >= 4 && !bytes.Equal(p.ours.Bytes()[:4], want[:4]) {
				return 0, fmt.Errorf("transcript: %x, not %x", p.ours.Bytes(), want)
			}
			break // the rest is to come
		}
		p.lines = p.lines[1:]
		if got := p.ours.Next(len(want)); !bytes.Equal(got[:4], want[:4]) {
			return 0, fmt.Errorf("transcript: %x, not %x", got, want)
		}
	}
	return len(b), nil
}

// Close does nothing; nor do the deadlines, for nothing ever blocks.
func (p *Playback) Close() error                     { return nil }
func (p *Playback) SetDeadline(time.Time) error      { return nil }
func (p *Playback) SetReadDeadline(time.Time) error  { return nil }
func (p *Playback) SetWriteDeadline(time.Time) error { return nil }
func (p *Playback) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *Playback) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

var _ net.Conn = (*Playback)(nil)
