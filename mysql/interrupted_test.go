package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// slowly is a server that says its packets byte by byte, each packet once it has
// heard from the client so often as stands there, and stops after stop bytes until
// it is told to go on. It returns what the client has sent in all.
func slowly(t *testing.T, packets []packet, stop int) (client net.Conn, stopped, proceed chan struct{}) {
	t.Helper()
	client, server := net.Pipe()
	stopped, proceed = make(chan struct{}), make(chan struct{})
	go func() {
		defer server.Close()
		said := 0
		for i, p := range packets {
			if i > 0 {
				if _, _, err := mysql.ReadPacket(server, 1<<16); err != nil {
					return
				}
			}
			for _, b := range mysql.AppendPacket(nil, p.seq, p.payload) {
				if said == stop {
					close(stopped)
					<-proceed
				}
				if _, err := server.Write([]byte{b}); err != nil {
					return
				}
				said++
			}
		}
		io.Copy(io.Discard, server)
	}()
	t.Cleanup(func() { client.Close() })
	return client, stopped, proceed
}

// starts is an authenticator with one token.
type starts struct{}

func (starts) Start(context.Context, string, []byte) ([]byte, error) { return []byte("token"), nil }
func (starts) Next(context.Context, []byte) ([]byte, error)          { return nil, nil }

// Wherever the end of a context meets a login that waits for the server, even in
// the middle of a packet, the server is answered until it says ERR.
func TestInterruptedLoginIsEndedWell(t *testing.T) {
	refused := (&mysql.ServerError{Number: 1045, State: "28000", Message: "no"}).Marshal()
	packets := []packet{{0, hello(usual)}, {2, switchTo("authentication_kerberos_client", "x")}, {4, refused}}
	total := 0
	for _, p := range packets {
		total += 4 + len(p.payload)
	}
	for stop := range total {
		t.Run(fmt.Sprint(stop), func(t *testing.T) {
			nc, stopped, proceed := slowly(t, packets, stop)
			ctx, cancel := context.WithCancel(t.Context())
			c := mysql.NewConn(nc)
			go func() {
				<-stopped
				cancel()
				close(proceed)
			}()
			err := func() error {
				if _, err := c.Greeting(ctx); err != nil {
					return err
				}
				if _, err := c.Respond(ctx, "alice", nil); err != nil {
					return err
				}
				_, err := c.Answer(ctx, []byte("token"))
				return err
			}()
			var server *mysql.ServerError
			if !errors.Is(err, context.Canceled) && !errors.As(err, &server) {
				t.Fatalf("got %v", err)
			}
			leave, end := context.WithTimeout(t.Context(), 5*time.Second)
			defer end()
			c.Greeting(leave)
			c.Abandon(leave, nil)
			if !c.Finished() {
				t.Errorf("left unfinished after %v", err)
			}
		})
	}
}

// The same by Login itself, which takes its leave by itself.
func TestInterruptedLogin(t *testing.T) {
	refused := (&mysql.ServerError{Number: 1045, State: "28000", Message: "no"}).Marshal()
	packets := []packet{{0, hello(usual)}, {2, switchTo("authentication_kerberos_client", "x")}, {4, refused}}
	for stop := 0; stop < 100; stop += 7 {
		nc, stopped, proceed := slowly(t, packets, stop)
		ctx, cancel := context.WithCancel(t.Context())
		heard := &hearing{Conn: nc}
		go func() {
			<-stopped
			cancel()
			close(proceed)
		}()
		if _, err := mysql.Login(ctx, heard, mysql.Params{User: "alice", Auth: starts{}}); err == nil {
			t.Fatal("logged in")
		}
		if want := len(mysql.AppendPacket(nil, 4, refused)); heard.last < want {
			t.Errorf("stopped at %d: %d bytes of the ERR were read, of %d", stop, heard.last, want)
		}
		cancel()
	}
}

// hearing counts the bytes that came since the last write.
type hearing struct {
	net.Conn
	last int
}

func (h *hearing) Read(b []byte) (int, error) {
	n, err := h.Conn.Read(b)
	h.last += n
	return n, err
}

func (h *hearing) Write(b []byte) (int, error) {
	h.last = 0
	return h.Conn.Write(b)
}
