package web_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kerbagent/kerbagent/internal/web"
)

const (
	brief = 100 * time.Millisecond // the limit that a test is about
	never = time.Minute            // the others
	many  = 50                     // clients at once
	piece = 64 << 10               // what a slow reader takes at once
)

// client is a connection that a test does not wait for longer than it should.
func client(t *testing.T, at, says string) (net.Conn, error) {
	c, err := net.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return c, errors.Join(c.SetDeadline(time.Now().Add(never/4)), write(c, says))
}

func write(c net.Conn, says string) error {
	_, err := io.WriteString(c, says)
	return err
}

// cutOff waits until the server has ended the connection.
func cutOff(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the server holds the connection")
	}
	return nil // an end or a reset
}

// Clients that are slow, each in its way, are cut off when their time is over,
// and nothing of them stays.
func TestSlowClientsAreCutOff(t *testing.T) {
	for _, c := range []struct {
		name                      string
		header, read, write, idle time.Duration
		client                    func(t *testing.T, at string) error
	}{
		{"a header that ends nowhere", brief, never, never, never, func(t *testing.T, at string) error {
			c, err := client(t, at, "GET /metrics HTTP/1.1\r\nHost: ")
			if err != nil {
				return err
			}
			return cutOff(c)
		}},
		{"a header that comes byte by byte", brief, never, never, never, func(t *testing.T, at string) error {
			c, err := client(t, at, "GET /metrics HTTP/1.1\r\nHost: ")
			if err != nil {
				return err
			}
			drip := time.NewTicker(brief / 20)
			defer drip.Stop()
			for write(c, "x") == nil {
				<-drip.C
			}
			return cutOff(c)
		}},
		{"nothing at all", brief, never, never, never, func(t *testing.T, at string) error {
			c, err := client(t, at, "")
			if err != nil {
				return err
			}
			return cutOff(c)
		}},
		{"a body that does not come", never, brief, never, never, func(t *testing.T, at string) error {
			c, err := client(t, at, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
			if err != nil {
				return err
			}
			return cutOff(c)
		}},
		{"an idle connection", never, never, never, brief, func(t *testing.T, at string) error {
			c, err := client(t, at, "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if err != nil {
				return err
			}
			r, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || r.StatusCode != http.StatusOK {
				return errors.Join(err, errors.New("no answer"))
			}
			return cutOff(c)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nothingStays(t)
			o := web.Limited(web.ListenOptions{Addresses: []string{"127.0.0.1:0"}}, c.header, c.read, c.write, c.idle)
			addrs, stop := serving(t, web.Handler(&source{}, web.Options{}), o, 1)
			var all errgroup.Group
			for range many {
				all.Go(func() error { return c.client(t, addrs[0]) })
			}
			if err := errors.Join(all.Wait(), stop()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A scrape that is not read does not hold the handler that writes it.
func TestSlowReaderOfMetrics(t *testing.T) {
	nothingStays(t)
	ended := make(chan error, many)
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<16); ; {
			if _, err := w.Write(chunk); err != nil { // more than any buffer takes
				ended <- err
				return
			}
		}
	})
	o := web.Limited(web.ListenOptions{Addresses: []string{"127.0.0.1:0"}}, never, never, brief, never)
	addrs, stop := serving(t, web.Handler(&source{}, web.Options{Metrics: endless}), o, 1)
	var clients []net.Conn
	for range many {
		c, err := client(t, addrs[0], "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	for range many {
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		case <-time.After(never / 4):
			t.Fatal("a handler is held by a client that does not read")
		}
	}
	for _, c := range clients {
		if err := cutOff(c); err != nil {
			t.Error(err)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A large answer reaches a reader that is slow and steady, although it takes longer
// than the limit of one write; what has no end is cut off all the same.
func TestSteadyReaderGetsALargeAnswer(t *testing.T) {
	const (
		size = 24 << 20 // more than buffers take
		each = time.Second
	)
	for _, c := range []struct {
		name   string
		answer time.Duration
		whole  bool
	}{{"an answer within its limit", never, true}, {"an answer beyond its limit", 2 * each, false}} {
		t.Run(c.name, func(t *testing.T) {
			nothingStays(t)
			large := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, size)) })
			o := web.LimitedAnswer(web.Limited(web.ListenOptions{Addresses: []string{"127.0.0.1:0"}}, never, never, each, never), c.answer)
			addrs, stop := serving(t, web.Handler(&source{}, web.Options{Metrics: large}), o, 1)
			conn, err := client(t, addrs[0], "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).SetReadBuffer(piece); err != nil {
				t.Fatal(err)
			}
			began, got := time.Now(), 0
			drip := time.NewTicker(each / 100)
			defer drip.Stop()
			for b := make([]byte, piece); err == nil; <-drip.C {
				var n int
				n, err = conn.Read(b)
				got += n
			}
			if took := time.Since(began); took < 2*each {
				t.Errorf("the answer was read within %v: the reader is not slow", took)
			}
			if whole := got > size; whole != c.whole {
				t.Errorf("%d of %d bytes, then %v", got, size, err)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A limit of zero would be none.
func TestUsualLimits(t *testing.T) {
	for i, most := range web.UsualLimits() {
		if most < time.Second || most > 2*time.Minute {
			t.Errorf("limit %d is %v", i, most)
		}
	}
}

// nothingStays looks at the end of the test for what was not there before:
// goroutines and open files.
func nothingStays(t *testing.T) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections() // of earlier tests
	goroutines, files := use(t)
	t.Cleanup(func() {
		for end := time.Now().Add(never / 4); ; runtime.Gosched() {
			g, f := use(t)
			if g <= goroutines && f <= files {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d goroutines and %d files, there were %d and %d", g, f, goroutines, files)
			}
		}
	})
}

func use(t *testing.T) (goroutines, files int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return runtime.NumGoroutine(), len(open)
}
