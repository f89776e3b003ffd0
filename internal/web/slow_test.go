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
