package krb5test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// dial opens a transport to a server; answers have so long to come.
func dial(t *testing.T, network string, s *server, patience time.Duration) net.Conn {
	t.Helper()
	c, err := net.Dial(network, s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// say sends a message and reads the answer, framed where it is TCP.
func say(c net.Conn, b []byte) ([]byte, error) {
	if c.LocalAddr().Network() == "udp" {
		if _, err := c.Write(b); err != nil {
			return nil, err
		}
		buf := make([]byte, 64<<10)
		n, err := c.Read(buf)
		return buf[:n], err
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	reply := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
	n, err := io.ReadFull(c, reply)
	return reply[:n], err
}

func TestFaults(t *testing.T) {
	r := castAt("A.TEST", Options{})
	p, _ := r.lookup("alice")
	key, _ := p.best()
	now := time.Now()
	ask := asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, nil)
	proven := func() []byte { return asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, &key) }
	large := asReq(t, "alice", "A.TEST", "probe/"+strings.Repeat("x", 3000), now, nil)
	const moment, long = 150 * time.Millisecond, 10 * time.Second

	silent := func(t *testing.T, b []byte, err error) {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("want silence, got %d bytes and %v", len(b), err)
		}
	}
	closed := func(t *testing.T, b []byte, err error) {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("want an end, got %d bytes and %v", len(b), err)
		}
	}
	code := func(want int32) func(*testing.T, []byte, error) {
		return func(t *testing.T, b []byte, err error) {
			if err != nil {
				t.Fatal(err)
			}
			if e := krbCode(t, b); e.ErrorCode != want {
				t.Errorf("%d, want %d", e.ErrorCode, want)
			}
		}
	}
	for _, c := range []struct {
		name     string
		script   Script
		network  string
		request  []byte
		patience time.Duration
		check    func(*testing.T, []byte, error)
	}{
		{"healthy", Script{}, "udp", ask, long, code(25)},
		{"healthy", Script{}, "tcp", ask, long, code(25)},
		{"silent on UDP", Script{SilentUDP: true}, "udp", ask, moment, silent},
		{"silent on UDP", Script{SilentUDP: true}, "tcp", ask, long, code(25)},
		{"hangs on TCP", Script{SilentTCP: true}, "tcp", ask, moment, silent},
		{"hangs on TCP", Script{SilentTCP: true}, "udp", ask, long, code(25)},
		{"closes", Script{CloseTCP: true}, "tcp", ask, long, closed},
		{"unavailable", Script{ErrorCode: 29}, "udp", ask, long, code(29)},
		{"other realm", Script{WrongRealm: true}, "tcp", ask, long, code(6)},
		{"a PAC outgrows a datagram", Script{}, "udp", proven(), long, code(52)},
		{"the limit can be set", Script{UDPMax: 60000}, "udp", proven(), long, func(t *testing.T, b []byte, err error) {
			if !strings.HasPrefix(shape(b), "AS-REP") || err != nil {
				t.Errorf("%s %v", shape(b), err)
			}
		}},
		{"large ones are lost", Script{DropLarge: 1000}, "udp", large, moment, silent},
		{"large ones are lost", Script{DropLarge: 1000}, "tcp", large, moment, silent},
		{"large replies are lost", Script{DropLarge: 1000}, "tcp", proven(), moment, silent},
		{"large ones are lost, small ones are not", Script{DropLarge: 1000}, "tcp", ask, long, code(25)},
		{"large ones arrive", Script{}, "udp", large, long, code(7)}, // errors of any length, as Samba, MIT and Heimdal do
		{"large ones arrive", Script{}, "tcp", large, long, code(7)},
		{"the reply to a login is swallowed", Script{SwallowReply: true}, "tcp", proven(), moment, silent},
		{"the reply to a question is not", Script{SwallowReply: true}, "tcp", ask, long, code(25)},
		{"late", Script{AnswerDelay: map[Kind]time.Duration{KindAS: time.Minute}}, "tcp", ask, moment, silent},
		{"late for others only", Script{AnswerDelay: map[Kind]time.Duration{KindTGS: time.Minute}}, "tcp", ask, long, code(25)},
		{"cut", Script{TruncateReply: 40}, "tcp", ask, long, func(t *testing.T, b []byte, err error) {
			if len(b) != 40 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes and %v", len(b), err)
			}
		}},
		{"cut", Script{TruncateReply: 40}, "udp", ask, long, func(t *testing.T, b []byte, err error) {
			if len(b) != 40 || err != nil {
				t.Errorf("%d bytes and %v", len(b), err)
			}
		}},
		{"something else", Script{Garbage: true}, "udp", ask, long, func(t *testing.T, b []byte, _ error) {
			if !bytes.HasPrefix(b, []byte("HTTP/1.1")) {
				t.Errorf("%q", b)
			}
		}},
		{"a clock that is off", Script{ClockOffset: time.Hour}, "udp", ask, long, func(t *testing.T, b []byte, err error) {
			if off := krbCode(t, b).STime.Sub(now); err != nil || off < 59*time.Minute || off > 61*time.Minute {
				t.Errorf("stime is off by %v (%v)", off, err)
			}
		}},
	} {
		t.Run(c.name+" "+c.network, func(t *testing.T) {
			t.Parallel()
			k, err := r.ServeKDC("127.0.0.1:0", NewFaults(c.script))
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			b, err := say(dial(t, c.network, k.server, c.patience), c.request)
			c.check(t, b, err)
		})
	}
}

func TestSeveralRequestsOnOneConnection(t *testing.T) {
	r := castAt("A.TEST", Options{})
	f := NewFaults(Script{})
	k, err := r.ServeKDC("127.0.0.1:0", f)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	p, _ := r.lookup("alice")
	key, _ := p.best()
	wrong, _ := newKey(AES256)
	c := dial(t, "tcp", k.server, 10*time.Second)
	now := time.Now()
	g := login(t, r, "alice", now)
	for _, b := range [][]byte{
		asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, nil),
		asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, &key),
		asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, &wrong),
		g.tgsReq(t, "A.TEST", "mysql/db.a.test", now, variation{}),
	} {
		if _, err := say(c, b); err != nil {
			t.Fatal(err)
		}
	}
	f.Set(Script{ErrorCode: 60}) // while it serves
	b, err := say(c, asReq(t, "alice", "A.TEST", "krbtgt/A.TEST", now, nil))
	if err != nil || krbCode(t, b).ErrorCode != 60 {
		t.Errorf("the script was changed: %x %v", b, err)
	}
	got := k.Requests()
	if got.AS != 2 || got.Preauth["alice"] != 2 || got.TGS != 1 || got.TCP != 5 || got.UDP != 0 || got.Services[0] != "mysql/db.a.test@A.TEST" {
		t.Errorf("%+v", got)
	}
}

func TestJunkGetsNoAnswer(t *testing.T) {
	k, err := castAt("A.TEST", Options{}).ServeKDC("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if b, err := say(dial(t, "tcp", k.server, 10*time.Second), []byte("GET / HTTP/1.1")); !errors.Is(err, io.EOF) {
		t.Errorf("%q %v", b, err)
	}
	c := dial(t, "tcp", k.server, 10*time.Second)
	_, _ = c.Write([]byte{0xff, 0xff, 0xff, 0xff}) // a length of 4 GiB
	if _, err := io.ReadFull(c, make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	if n := k.Requests().Other; n != 1 {
		t.Errorf("%d requests not understood", n)
	}
}

func TestClosedPortRefuses(t *testing.T) {
	k, err := castAt("A.TEST", Options{}).ServeKDC("127.0.0.1:0", NewFaults(Script{SilentTCP: true}))
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, "tcp", k.server, 10*time.Second)
	at := k.Addr().String()
	if err := k.Close(); err != nil { // with a connection that hangs
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
		t.Error("the connection outlived its server")
	}
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the port is still open")
	}
	again, err := castAt("A.TEST", Options{}).ServeKDC(at, nil) // and can be had again
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
