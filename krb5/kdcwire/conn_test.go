package kdcwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a Dialer whose server is a function.
type pipe func(net.Conn)

func (p pipe) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		p(far)
	}()
	return near, nil
}

var addr = netip.MustParseAddrPort("192.0.2.1:88")

func dial(t *testing.T, d Dialer, transport string) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), d, transport, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// echo answers every frame with itself.
func echo(c net.Conn) {
	for {
		var header [4]byte
		if _, err := io.ReadFull(c, header[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint32(header[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		_, _ = c.Write(header[:2]) // in pieces, as a network may deliver it
		_, _ = c.Write(append(header[2:], b...))
	}
}

func TestExchangeTCP(t *testing.T) {
	c := dial(t, pipe(echo), TCP)
	for _, request := range []string{"first", "second", string(make([]byte, MaxMessage))} {
		got, err := c.Exchange(t.Context(), []byte(request))
		if err != nil || string(got) != request {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
		if !c.Reusable() {
			t.Error("not reusable after a good exchange")
		}
	}
}

func TestExchangeTCPBadReplies(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		want        error
	}{
		{"an HTTP server", "HTTP/1.1 400 Bad Request\r\n", ErrNotKerberos},
		{"no bytes", "\x00\x00\x00\x00", ErrNotKerberos},
		{"a byte more than allowed", "\x00\x02\x00\x01", ErrNotKerberos},
		{"the reserved bit", "\x80\x00\x00\x01x", ErrNotKerberos},
		{"closed without a word", "", io.EOF},
		{"closed in the length", "\x00\x00", io.ErrUnexpectedEOF},
		{"closed in the message", "\x00\x00\x00\x05abc", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, pipe(func(far net.Conn) {
				_, _ = io.ReadFull(far, make([]byte, 4+len("request")))
				_, _ = io.WriteString(far, tt.reply)
			}), TCP)
			if got, err := c.Exchange(t.Context(), []byte("request")); !errors.Is(err, tt.want) {
				t.Errorf("got %q, %v; want %v", got, err, tt.want)
			}
			if c.Reusable() {
				t.Error("reusable after a bad exchange")
			}
			if _, err := c.Exchange(t.Context(), []byte("request")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second exchange: %v", err)
			}
		})
	}
}

func TestExchangeEndsWithContext(t *testing.T) {
	silent := pipe(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	t.Run("deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := dial(t, silent, TCP)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			_, err := c.Exchange(ctx, []byte("x"))
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			_ = c.Close()
		})
	})
	t.Run("cancel", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := dial(t, silent, TCP)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			time.AfterFunc(time.Second, cancel)
			start := time.Now()
			_, err := c.Exchange(ctx, []byte("x"))
			if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			_ = c.Close()
		})
	})
	t.Run("close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := dial(t, silent, TCP)
			time.AfterFunc(time.Second, func() { _ = c.Close() })
			if _, err := c.Exchange(t.Context(), []byte("x")); err == nil {
				t.Error("no error")
			}
		})
	})
}

func TestExchangeUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(bytes.ToUpper(b[:n]), from)
		}
	}()
	c, err := Dial(t.Context(), nil, UDP, server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Exchange(t.Context(), []byte("abc")); err != nil || string(got) != "ABC" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.Exchange(t.Context(), make([]byte, maxDatagram)); err != nil || len(got) != maxDatagram {
		t.Errorf("the longest: %d bytes, %v", len(got), err)
	}
	if got, err := c.Exchange(t.Context(), make([]byte, maxDatagram+1)); !errors.Is(err, ErrNotKerberos) {
		t.Errorf("a byte more: %d bytes, %v", len(got), err)
	}
}

// A KDC that closes after its reply is seen before the next request is lost.
func TestReusable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		s, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(s, make([]byte, 5))
		_, _ = s.Write([]byte("\x00\x00\x00\x01y"))
		<-end
		_ = s.Close()
		close(ended)
	}()
	c, err := Dial(t.Context(), nil, TCP, l.Addr().(*net.TCPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Exchange(t.Context(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	if !c.Reusable() {
		t.Error("not reusable while the server keeps it open")
	}
	close(end)
	<-ended // over loopback the FIN is there when Close returns
	if c.Reusable() {
		t.Error("reusable after the server has closed")
	}
}

func TestDialRefuses(t *testing.T) {
	if _, err := Dial(t.Context(), nil, "sctp", addr); err == nil {
		t.Error("sctp: no error")
	}
}
