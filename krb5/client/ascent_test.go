package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// proofLost answers what carries no credentials, and is silent after the rest, or
// closes after what it has begun to say: a path that loses large answers, or cuts them.
func (n *network) proofLost(tr *transcript, address string, begun []byte) behaviour {
	return func(c net.Conn) {
		for {
			request, err := readFrame(c)
			if err != nil {
				return
			}
			var as messages.ASReq
			if as.Unmarshal(request) == nil && len(as.PAData) > 0 {
				n.mu.Lock()
				n.preauth = append(n.preauth, address)
				n.mu.Unlock()
				if len(begun) > 0 {
					_, _ = c.Write(begun)
					_ = c.Close()
					return
				}
				_, _ = io.Copy(io.Discard, c)
				return
			}
			if writeFrame(c, tr.packets[1]) != nil {
				return
			}
		}
	}
}

// A request with credentials that was not answered goes to another KDC only where it
// may, once, and to another machine first; after an answer it never does.
func TestSecondKDC(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	alice := Principal{"alice", "CORP.EXAMPLE.COM"}
	may := func() error { return nil }
	for _, tt := range []struct {
		name   string
		before func() error
		refuse bool   // the first KDC refuses the password instead of being silent
		slow   bool   // the other machine takes 2 s for each answer
		begun  []byte // what the first KDC sends of its answer before it closes the connection
		sent   []string
		works  bool
	}{
		{"it may", may, false, false, nil, []string{first, third}, true},
		{"the other machine is slower than the silent one's second address", may, false, true, nil, []string{first, third}, true},
		{"an answer cut in its middle", may, false, false, []byte("\x00\x00\x05\x00half"), []string{first, third}, true},
		{"nobody says that it may", nil, false, false, nil, []string{first}, false},
		{"it may not", func() error { return errors.New("not proven") }, false, false, nil, []string{first}, false},
		{"an answer", may, true, false, nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{servers: map[string]behaviour{}}
				n.servers[first], n.servers[second], n.servers[third] = n.proofLost(tr, first, tt.begun), n.proofLost(tr, second, tt.begun), n.kdc(tr, third)
				if tt.refuse {
					n.servers[first] = once(krbError(t, 24))
				}
				if tt.slow {
					n.servers[third] = slow(n.servers[third])
				}
				c, secret := loginWith(t, n, tr, addresses(first, second, third))
				c.nonce = func() uint32 { return tr.nonces[1] } // which the ticket repeats
				c.BeforeSecond = tt.before
				c.SameHost = func(a, b netip.AddrPort) bool { return a.String() == first && b.String() == second }
				session, err := c.TGT(t.Context(), alice, secret)
				if sent := n.asked(); (err == nil) != tt.works || !slices.Equal(sent, tt.sent) {
					t.Errorf("credentials were sent to %v, want %v; %v", sent, tt.sent, err)
				}
				if session != nil {
					session.Close()
				}
				n.closed(t)
			})
		})
	}
}

// slow is a server whose answers take 2 s.
func slow(b behaviour) behaviour {
	return func(c net.Conn) { b(delayed{c}) }
}

type delayed struct{ net.Conn }

func (d delayed) Write(p []byte) (int, error) {
	time.Sleep(2 * time.Second) // of the bubble's time
	return d.Conn.Write(p)
}

// both is a network that has servers over UDP as well.
type both struct {
	tcp, udp *network
}

func (b both) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network == kdcwire.UDP {
		return b.udp.DialContext(ctx, network, address)
	}
	return b.tcp.DialContext(ctx, network, address)
}

// answering answers each datagram with the same bytes.
func answering(reply []byte) behaviour {
	return func(c net.Conn) {
		b := make([]byte, 1<<16)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	}
}

// Where the krb5.conf lets libkrb5 begin with UDP, what comes over UDP decides: an
// error about the user, or what is no Kerberos. Silence does not, nor that the answer is too large.
func TestUDPDecides(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	for _, tt := range []struct {
		name  string
		udp   behaviour
		limit int
		code  int32
		not   bool // what ends it is no Kerberos
		took  time.Duration
	}{
		{"the user is locked", answering(krbError(t, 18)), 1465, 18, false, 0},
		{"something else answers", answering([]byte("HTTP/1.1 400")), 1465, 0, true, 0},
		{"the answer is too large", answering(krbError(t, 52)), 1465, 0, false, 0},
		{"it is silent", silent, 1465, 0, false, hedge},
		{"it is not asked", answering(krbError(t, 18)), 1, 0, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{servers: map[string]behaviour{}}
				n.servers[first] = n.kdc(tr, first)
				c, secret := loginWith(t, n, tr, addresses(first))
				c.Dialer = both{n, &network{udp: true, servers: map[string]behaviour{first: tt.udp}}}
				c.UDPLimit = tt.limit
				start := time.Now()
				session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
				var krb *kdcwire.KRBError
				switch {
				case tt.code != 0:
					if !errors.As(err, &krb) || krb.Code != tt.code || len(n.asked()) > 0 {
						t.Errorf("%v, credentials were sent to %v", err, n.asked())
					}
				case tt.not:
					if !errors.Is(err, kdcwire.ErrNotKerberos) || len(n.asked()) > 0 {
						t.Errorf("%v, credentials were sent to %v", err, n.asked())
					}
				case err != nil:
					t.Error(err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if session != nil {
					session.Close()
				}
			})
		})
	}
}

// A KDC whose answer is too large for a datagram is asked over TCP, and no other one over UDP:
// what a KDC of another realm says there once was the login's end.
func TestAnAnswerTooLargeForUDPAsksNoOtherKDC(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{}}
		n.servers[first], n.servers[second] = n.kdc(tr, first), once(krbError(t, 6))
		c, secret := loginWith(t, n, tr, addresses(first, second))
		c.Dialer = both{n, &network{udp: true, servers: map[string]behaviour{first: answering(krbError(t, 52)), second: answering(krbError(t, 6))}}}
		c.UDPLimit = 1465
		session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if err != nil {
			t.Fatal(err)
		}
		session.Close()
	})
}

// The first question goes over UDP beside the connect over TCP, and the one with credentials
// follows on that connection at once. Whatever else comes over UDP, or from another
// address than the one that connects, is no answer: the same is asked over TCP.
func TestTheFirstAnswerOverUDP(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	for _, tt := range []struct {
		name  string
		udp   map[string]behaviour
		tcp   string // the address that connects over TCP; the other one does not
		limit int
		asked int // requests without credentials over TCP
		took  time.Duration
	}{
		{"it asks for a proof", map[string]behaviour{first: answering(tr.packets[1])}, first, 1, 0, 0},
		{"where programs begin with UDP", map[string]behaviour{first: answering(tr.packets[1])}, first, 1465, 0, 0},
		{"the user is unknown there", map[string]behaviour{first: answering(krbError(t, 6))}, first, 1, 1, 0},
		{"it offers no key", map[string]behaviour{first: answering(krbError(t, 25))}, first, 1, 1, 0},
		{"the ticket itself", map[string]behaviour{first: answering(tr.packets[3])}, first, 1, 1, 0},
		{"no Kerberos", map[string]behaviour{first: answering([]byte("HTTP/1.1 400"))}, first, 1, 1, 0},
		{"silence", map[string]behaviour{first: silent}, first, 1, 1, leastGrace},
		{"it refuses", nil, first, 1, 1, 0},
		{"only the other address connects", map[string]behaviour{first: answering(tr.packets[1])}, second, 1, 1, hedge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{servers: map[string]behaviour{first: nil, second: nil}}
				n.servers[tt.tcp] = n.kdc(tr, tt.tcp)
				udp := &network{udp: true, servers: tt.udp}
				c, secret := loginWith(t, n, tr, addresses(first, second))
				c.Dialer, c.UDPLimit, c.Beside = both{n, udp}, tt.limit, true
				var steps []string
				c.Observe = func(s Step) { steps = append(steps, s.Name) }
				start := time.Now()
				session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
				if err != nil {
					t.Fatal(err)
				}
				defer session.Close()
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if want := []string{"kdc-connect", "as", "as-preauth"}; !slices.Equal(steps, want) {
					t.Errorf("steps %v, want %v", steps, want)
				}
				if sent := n.asked(); !slices.Equal(sent, []string{tt.tcp}) || len(udp.asked()) > 0 || n.without != tt.asked {
					t.Errorf("credentials were sent to %v; %d requests without over TCP, want %d", sent, n.without, tt.asked)
				}
				session.Close()
				n.closed(t)
				udp.closed(t)
			})
		})
	}
}
