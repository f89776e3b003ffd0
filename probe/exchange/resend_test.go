package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipeTo is a Dialer whose server is a function; each write is one datagram.
type pipeTo func(net.Conn)

func (p pipeTo) DialContext(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	go func() {
		defer far.Close()
		p(far)
	}()
	return near, nil
}

// One lost datagram is no blocked port: it is sent again.
func TestResend(t *testing.T) {
	for _, tt := range []struct {
		name, network string
		answers       int // which datagram is answered
		want          string
	}{
		{"answered at once", "udp", 1, "0s: answer"},
		{"the first is lost", "udp", 2, "2.5s: again, answer"},
		{"two are lost", "udp4", 3, "5s: again, i/o timeout"},
		{"silence", "udp6", 0, "5s: again, i/o timeout"},
		{"TCP is left alone", "tcp", 2, "5s: i/o timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []string
				server := pipeTo(func(c net.Conn) {
					for i := 1; ; i++ {
						b := make([]byte, 100)
						n, err := c.Read(b)
						if err != nil {
							return
						}
						if string(b[:n]) != "question" {
							t.Errorf("was sent %q", b[:n])
						}
						if i == tt.answers {
							_, _ = io.WriteString(c, "answer")
						}
					}
				})
				conn, err := Resend{Dialer: server, Again: func() { got = append(got, "again") }}.DialContext(t.Context(), tt.network, "192.0.2.1:88")
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := conn.SetDeadline(start.Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				question := []byte("question")
				if _, err := conn.Write(question); err != nil {
					t.Fatal(err)
				}
				clear(question) // it is the caller's
				b := make([]byte, 100)
				n, err := conn.Read(b)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					got = append(got, "i/o timeout")
				} else {
					got = append(got, string(b[:n]))
				}
				if s := fmt.Sprintf("%v: %s", time.Since(start), strings.Join(got, ", ")); s != tt.want {
					t.Errorf("got %q, want %q", s, tt.want)
				}
				_ = conn.Close()
				synctest.Wait()
			})
		})
	}
}

// A process that was held up until after the moment of sending again finds the answer there: nothing was lost.
func TestAnAnswerThatNobodyHadReadIsNoLoss(t *testing.T) {
	for answers, want := range map[bool]string{true: "answer, again 0", false: "i/o timeout, again 1"} {
		synctest.Test(t, func(t *testing.T) {
			again := 0
			conn, err := Resend{Dialer: pipeTo(func(c net.Conn) {
				b := make([]byte, 100)
				for _, err := c.Read(b); err == nil; _, err = c.Read(b) {
					if answers {
						_, _ = io.WriteString(c, "answer")
					}
				}
			}), Again: func() { again++ }}.DialContext(t.Context(), "udp", "192.0.2.1:88")
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := conn.Write([]byte("question")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second) // of the bubble's time
			b := make([]byte, 100)
			n, err := conn.Read(b)
			said := string(b[:n])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				said = "i/o timeout"
			}
			if got := fmt.Sprintf("%s, again %d", said, again); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			_ = conn.Close()
			synctest.Wait()
		})
	}
}

// A caller that gives up sets the deadline into the past: that ends a read at once,
// and nothing more is sent.
func TestResendEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		conn, err := Resend{Dialer: pipeTo(func(c net.Conn) {
			for b := make([]byte, 100); ; {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				sent = append(sent, string(b[:n]))
			}
		})}.DialContext(t.Context(), "udp", "192.0.2.1:88")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_ = conn.SetDeadline(start.Add(5 * time.Second))
		if _, err := conn.Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*time.Second, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		if _, err := conn.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		_ = conn.Close()
		synctest.Wait()
		if want := []string{"question"}; !slices.Equal(sent, want) {
			t.Errorf("sent %q", sent)
		}
	})
}

// A probe that was ended before it began to wait waited for the answer all the
// same, half of its time.
func TestResendEndedBeforeItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, err := Resend{Dialer: pipeTo(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })}.DialContext(t.Context(), "udp", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		begun := time.Now()
		if err := conn.SetDeadline(begun.Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("question")); err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Unix(1, 0)); err != nil { // as when the context ends
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 16)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
