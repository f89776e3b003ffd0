package client

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

func krbError(t *testing.T, code int32) []byte {
	t.Helper()
	e := messages.NewKRBError(messages.Ticket{}.SName, "CORP.EXAMPLE.COM", code, "")
	e.STime = e.STime.Truncate(time.Second)
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	first  = "192.0.2.1:88"
	second = "192.0.2.2:88"
	third  = "192.0.2.3:88"
)

func addresses(s ...string) fixed {
	var out fixed
	for _, a := range s {
		out = append(out, netip.MustParseAddrPort(a))
	}
	return out
}

// loginWith walks the transcript "samba-password" as far as TGT over a network.
func loginWith(t *testing.T, n *network, tr *transcript, addrs fixed) (*Client, Secret) {
	t.Helper()
	c := tr.client(t)
	c.Dialer, c.Locator, c.Timeout = n, addrs, 5*time.Second
	return c, Password([]byte(labPassword))
}

func TestHedge(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	alice := Principal{"alice", "CORP.EXAMPLE.COM"}
	for _, tt := range []struct {
		name  string
		first func(t *testing.T, n *network) // sets the behaviour of the first address
		took  time.Duration
		steps []string // before those of the second address
	}{
		{"healthy", func(_ *testing.T, n *network) { n.servers[first] = n.kdc(tr, second) }, 0, nil},
		{"does not connect", func(_ *testing.T, n *network) { n.servers[first] = nil }, hedge, nil},
		{"accepts and is silent", func(_ *testing.T, n *network) { n.servers[first] = silent }, hedge, nil},
		{"refuses", func(_ *testing.T, n *network) { delete(n.servers, first) }, 0, []string{"kdc-connect"}},
		{"closes", func(_ *testing.T, n *network) {
			n.servers[first] = func(c net.Conn) { _, _ = readFrame(c); _ = c.Close() }
		}, 0, []string{"kdc-connect", "as"}},
		{"SVC_UNAVAILABLE", func(t *testing.T, n *network) { n.servers[first] = once(krbError(t, 29)) }, 0, []string{"kdc-connect", "as"}},
		{"WRONG_REALM", func(t *testing.T, n *network) { n.servers[first] = once(krbError(t, 68)) }, 0, []string{"kdc-connect", "as"}},
		{"RESPONSE_TOO_BIG", func(t *testing.T, n *network) { n.servers[first] = once(krbError(t, 52)) }, 0, []string{"kdc-connect", "as"}},
		{"something else listens", func(_ *testing.T, n *network) { n.servers[first] = once([]byte("no Kerberos")) }, 0, []string{"kdc-connect", "as"}},
		{"a TGS-REP", func(_ *testing.T, n *network) { n.servers[first] = once(tr.packets[5]) }, 0, []string{"kdc-connect", "as"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{servers: map[string]behaviour{}}
				n.servers[second] = n.kdc(tr, second)
				tt.first(t, n)
				c, secret := loginWith(t, n, tr, addresses(first, second))
				var steps []string
				c.Observe = func(s Step) { steps = append(steps, s.Name) }
				start := time.Now()
				session, err := c.TGT(t.Context(), alice, secret)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if want := append(tt.steps, "kdc-connect", "as", "as-preauth"); !slices.Equal(steps, want) {
					t.Errorf("steps = %v, want %v", steps, want)
				}
				if !slices.Equal(n.asked(), []string{second}) {
					t.Errorf("credentials were sent to %v", n.asked())
				}
				session.Close()
				n.closed(t)
			})
		})
	}
}

// late is a network whose first address notices a moment late that nobody waits
// for it any more.
type late struct {
	network
	left bool
}

func (l *late) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address == first {
		<-ctx.Done()
		time.Sleep(time.Millisecond)
		l.left = true
		return nil, ctx.Err()
	}
	return l.network.DialContext(ctx, network, address)
}

// The loser of a race went on after the login: a race of the detector's with
// whatever the caller did next.
func TestHedgeLeavesNothingBehind(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		l := &late{network: network{servers: map[string]behaviour{}}}
		l.servers[second] = l.kdc(tr, second)
		c, secret := loginWith(t, &l.network, tr, addresses(first, second))
		c.Dialer = l
		session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if err != nil {
			t.Fatal(err)
		}
		if !l.left {
			t.Error("the loser still dials")
		}
		session.Close()
		l.closed(t)
	})
}

func TestHedgeAllFail(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{second: once(krbError(t, 29)), third: silent}}
		c, secret := loginWith(t, n, tr, addresses(first, second, third))
		start := time.Now()
		_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if took := time.Since(start); took != c.Timeout {
			t.Errorf("took %v", took)
		}
		var step *StepError
		if !errors.As(err, &step) || step.Step != StepConnect || step.Addr.String() != first {
			t.Errorf("the first step in %v is %+v", err, step)
		}
		var krb *kdcwire.KRBError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &krb) || krb.Code != 29 ||
			!errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a cause is missing in %v", err)
		}
	})
}

// Two KDCs answer at the same moment: one is taken, the other is let go.
func TestHedgeTie(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{}}
		after := func(d time.Duration, address string) behaviour {
			return func(c net.Conn) {
				<-time.After(d)
				n.kdc(tr, address)(c)
			}
		}
		n.servers[first], n.servers[second] = after(2*hedge, first), after(hedge, second)
		c, secret := loginWith(t, n, tr, addresses(first, second))
		session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if err != nil {
			t.Fatal(err)
		}
		session.Close()
		n.closed(t)
		if len(n.asked()) != 1 {
			t.Errorf("credentials were sent to %v", n.asked())
		}
	})
}

// A KDC that wants no preauthentication gives the ticket at once.
func TestNoPreauth(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{first: once(tr.packets[3])}}
		c, secret := loginWith(t, n, tr, addresses(first))
		c.nonce = func() uint32 { return tr.nonces[1] } // which that reply repeats
		c.BeforePreauth = func() error { t.Error("called"); return nil }
		var steps []string
		c.Observe = func(s Step) { steps = append(steps, s.Name) }
		session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		// The reply does not say how to make the key; the default salt does.
		if err != nil || !slices.Equal(steps, []string{"kdc-connect", "as"}) {
			t.Fatalf("got %v after %v", err, steps)
		}
		session.Close()
		n.closed(t)
	})
}

// What a KDC says of the user is an answer; no other KDC is asked.
func TestDefinitiveAnswerWins(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	for _, code := range []int32{6, 18, 23, 1, 12, 14} {
		synctest.Test(t, func(t *testing.T) {
			n := &network{servers: map[string]behaviour{first: once(krbError(t, code))}}
			n.servers[second] = n.kdc(tr, second)
			c, secret := loginWith(t, n, tr, addresses(first, second))
			_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
			var krb *kdcwire.KRBError
			if !errors.As(err, &krb) || krb.Code != code || len(n.asked()) != 0 {
				t.Errorf("code %d: %v, credentials sent to %v", code, err, n.asked())
			}
			n.closed(t)
		})
	}
}

// The request with credentials goes out once, whatever comes of it.
func TestPreauthIsSentOnce(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	for _, tt := range []struct {
		name  string
		after func(c net.Conn) // what the KDC does with the credentials
	}{
		{"silence", silent},
		{"a close", func(c net.Conn) { _ = c.Close() }},
		{"SVC_UNAVAILABLE", func(c net.Conn) { _ = writeFrame(c, krbError(t, 29)) }},
		{"asks again", func(c net.Conn) { _ = writeFrame(c, tr.packets[1]) }},
		{"PREAUTH_FAILED", func(c net.Conn) { _ = writeFrame(c, krbError(t, 24)) }},
		{"SKEW", func(c net.Conn) { _ = writeFrame(c, krbError(t, 37)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				n := &network{servers: map[string]behaviour{}}
				serve := func(c net.Conn) {
					for {
						request, err := readFrame(c)
						if err != nil {
							return
						}
						var as messages.ASReq
						if as.Unmarshal(request) == nil && len(as.PAData) > 0 {
							sent++
							tt.after(c)
							return
						}
						_ = writeFrame(c, tr.packets[1])
					}
				}
				n.servers[first], n.servers[second] = serve, serve
				c, secret := loginWith(t, n, tr, addresses(first, second))
				_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
				var step *StepError
				if !errors.As(err, &step) || step.Step != StepPreauth || step.Addr.String() != first {
					t.Errorf("got %v", err)
				}
				n.closed(t)
				if sent != 1 {
					t.Errorf("credentials were sent %d times", sent)
				}
			})
		})
	}
}

func TestBeforePreauthStops(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{}}
		n.servers[first] = n.kdc(tr, first)
		c, secret := loginWith(t, n, tr, addresses(first))
		errNoRecord := errors.New("disk full")
		c.BeforePreauth = func() error { return errNoRecord }
		_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if !errors.Is(err, errNoRecord) || len(n.asked()) != 0 {
			t.Errorf("got %v, credentials sent to %v", err, n.asked())
		}
		n.closed(t)
	})
}

// A keytab without a usable key is found out before an attempt is recorded.
func TestBeforePreauthNeedsAKey(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	kt := mustKeytab(t, "../keys/testdata/mit.keytab") // of another realm's user
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{}}
		n.servers[first] = n.kdc(tr, first)
		c, _ := loginWith(t, n, tr, addresses(first))
		c.BeforePreauth = func() error { t.Error("called"); return nil }
		_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, FromKeytab(kt))
		if !errors.Is(err, ErrNoKey) {
			t.Errorf("got %v", err)
		}
		n.closed(t)
	})
}

func TestCancelReturnsAtOnce(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	for name, serve := range map[string]behaviour{"connecting": nil, "waiting": silent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{servers: map[string]behaviour{first: serve, second: serve}}
				c, secret := loginWith(t, n, tr, addresses(first, second))
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				start := time.Now()
				_, err := c.TGT(ctx, Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
				if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
					t.Errorf("got %v after %v", err, time.Since(start))
				}
				n.closed(t)
			})
		})
	}
}

// The KDC of the login dies before the TGS-REQ: another one is asked.
func TestServiceTicketFromAnotherKDC(t *testing.T) {
	tr := loadTranscript(t, "samba-password")
	synctest.Test(t, func(t *testing.T) {
		n := &network{servers: map[string]behaviour{}}
		n.servers[first], n.servers[second] = n.kdc(tr, first), n.kdc(tr, second)
		c, secret := loginWith(t, n, tr, addresses(first, second))
		// The TGS-REQ is made once and sent twice, with the transcript's nonce.
		session, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		n.servers[first] = nil
		_ = session.conns["CORP.EXAMPLE.COM"].Close()
		_, hops, err := session.ServiceTicket(t.Context(), mustPrincipal(t, rdsName))
		if err != nil || hops[0].Addr.String() != second {
			t.Errorf("got %+v, %v", hops, err)
		}
	})
}
