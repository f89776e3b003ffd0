package client

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// behaviour is how the server at one address treats a connection; nil does
// not even accept it.
type behaviour func(c net.Conn)

// network is a Dialer with a behaviour for each address. It counts the
// requests with credentials.
type network struct {
	servers map[string]behaviour
	udp     bool // the servers are asked over UDP alone; otherwise over TCP alone

	mu      sync.Mutex
	preauth []string       // addresses that were sent one
	dialled map[string]int // how often each address was
	without int            // requests for a first ticket without one, over TCP
	open    int            // connections that the client has not closed
}

func (n *network) DialContext(ctx context.Context, transport, address string) (net.Conn, error) {
	n.mu.Lock()
	if n.dialled == nil {
		n.dialled = map[string]int{}
	}
	if n.udp == (transport == kdcwire.UDP) {
		n.dialled[address]++
	}
	serve, ok := n.servers[address]
	n.mu.Unlock()
	if !ok || n.udp != (transport == kdcwire.UDP) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	if serve == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	near, far := net.Pipe()
	n.count(1)
	go func() {
		defer n.count(-1)
		defer far.Close()
		serve(far)
		_, _ = io.Copy(io.Discard, far) // until the client closes
	}()
	return near, nil
}

// asked returns the addresses that were sent credentials.
func (n *network) asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.preauth)
}

func (n *network) count(by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.open += by
}

// kdc answers from the transcript: AS-REQ, AS-REQ with credentials, TGS-REQ.
func (n *network) kdc(tr *transcript, address string) behaviour {
	return func(c net.Conn) {
		for {
			request, err := readFrame(c)
			if err != nil {
				return
			}
			reply := tr.packets[5]
			var as messages.ASReq
			if as.Unmarshal(request) == nil {
				reply = tr.packets[1]
				n.mu.Lock()
				if len(as.PAData) > 0 {
					reply = tr.packets[3]
					n.preauth = append(n.preauth, address)
				} else {
					n.without++
				}
				n.mu.Unlock()
			}
			if writeFrame(c, reply) != nil {
				return
			}
		}
	}
}

// once answers every first request with the same bytes.
func once(reply []byte) behaviour {
	return func(c net.Conn) {
		if _, err := readFrame(c); err == nil {
			_ = writeFrame(c, reply)
		}
	}
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// closed reports whether the client has closed all that it opened. It is for use
// in a synctest bubble.
func (n *network) closed(t *testing.T) {
	t.Helper()
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.open != 0 {
		t.Errorf("%d connections are still open", n.open)
	}
}
