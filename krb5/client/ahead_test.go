package client

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// What is got ahead is told to whoever asks for that service, as if it was asked for
// then; for any other service it was never there.
func TestAhead(t *testing.T) {
	table := map[string]string{"A krbtgt/B": "krbtgt/B"}
	for _, tt := range []struct {
		name, ahead, service string
		asked                []string
		refused              bool
		fails                bool
	}{
		{"the same service", "mysql/db.b@B", "mysql/db.b@B", []string{"A: krbtgt/B", "B: mysql/db.b"}, false, false},
		{"another service", "mysql/db.a@A", "mysql/db.b@B", []string{"A: mysql/db.a", "A: krbtgt/B", "B: mysql/db.b"}, false, false},
		{"one that is refused", "mysql/nosuch@A", "mysql/db.a@A", []string{"A: mysql/nosuch", "A: mysql/db.a"}, true, false},
		{"the same service, and it is refused", "mysql/nosuch@A", "mysql/nosuch@A", []string{"A: mysql/nosuch"}, false, true},
		{"a realm that is not trusted", "mysql/db.c@C", "mysql/db.a@A", []string{"A: krbtgt/C", "A: mysql/db.a"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newForest(t, route(table))
				f.now = time.Now().UTC().Truncate(time.Second)
				c := f.client()
				steps := 0
				c.Observe = func(Step) { steps++ }
				service := mustPrincipal(t, tt.service)
				plain := c.FromTicket(f.tgt(Principal{"alice", "A"}))
				_, want, wantErr := plain.ServiceTicket(t.Context(), service)
				plain.Close()
				usual := steps
				f.asked, steps = nil, 0
				s := c.FromTicket(f.tgt(Principal{"alice", "A"}))
				s.Ahead(t.Context(), mustPrincipal(t, tt.ahead))
				synctest.Wait()
				if steps != 0 {
					t.Errorf("%d steps were told before anybody asked", steps)
				}
				ticket, hops, err := s.ServiceTicket(t.Context(), service)
				s.Close()
				if (err != nil) != tt.fails || (err == nil) != (ticket != nil) || (err != nil) != (wantErr != nil) || len(hops) != len(want) {
					t.Errorf("%v over %v, %v; without it over %v, %v", ticket, hops, err, want, wantErr)
				}
				if !slices.Equal(f.asked, tt.asked) {
					t.Errorf("asked %q, want %q", f.asked, tt.asked)
				}
				if (s.RefusedAhead() != nil) != tt.refused {
					t.Errorf("refused: %v", s.RefusedAhead())
				}
				// A connection that is there already needs no connect of its own.
				if steps > usual || tt.ahead == tt.service && steps != usual {
					t.Errorf("%d steps, without it %d", steps, usual)
				}
				c.Dialer.(*network).closed(t)
			})
		})
	}
}

// A KDC that does not answer what is asked ahead holds nothing up for longer than a
// second KDC is waited for, and leaves nothing behind.
func TestAheadWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForest(t, route(nil))
		f.now = time.Now().UTC().Truncate(time.Second)
		c := f.client()
		n := c.Dialer.(*network)
		serve, first := n.servers["192.0.2.1:88"], true
		n.servers["192.0.2.1:88"] = func(conn net.Conn) {
			if first {
				first = false
				silent(conn)
				return
			}
			serve(conn)
		}
		s := c.FromTicket(f.tgt(Principal{"alice", "A"}))
		s.Ahead(t.Context(), mustPrincipal(t, "mysql/other.a@A"))
		synctest.Wait()
		began := time.Now()
		if _, _, err := s.ServiceTicket(t.Context(), mustPrincipal(t, "mysql/db.a@A")); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != hedge {
			t.Errorf("took %v", took)
		}
		s.Ahead(t.Context(), mustPrincipal(t, "mysql/other.a@A"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := s.ServiceTicket(ctx, mustPrincipal(t, "mysql/other.a@A")); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.Close()
		n.closed(t)
	})
}

// A walk uses the connections that were made beside what came before, and makes its own
// where one was closed meanwhile; what is not used is closed.
func TestReach(t *testing.T) {
	for _, tt := range []struct {
		name    string
		spoil   func(*network)
		service string
		works   bool
		dials   int // to B, after they were reached
	}{
		{"it is used", func(*network) {}, "mysql/db.b@B", true, 0},
		{"it is not needed", func(*network) {}, "mysql/db.a@A", true, 0},
		{"it was closed meanwhile", func(n *network) {
			serve, first := n.servers["192.0.2.2:88"], true
			n.servers["192.0.2.2:88"] = func(c net.Conn) {
				if first {
					first = false
					_, _ = readFrame(c) // the request crosses the close
					_ = c.Close()
					return
				}
				serve(c)
			}
		}, "mysql/db.b@B", true, 1},
		{"nobody listens", func(n *network) { delete(n.servers, "192.0.2.2:88") }, "mysql/db.b@B", false, 0},
		{"it hangs", func(n *network) { n.servers["192.0.2.2:88"] = silent }, "mysql/db.b@B", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newForest(t, route(map[string]string{"A krbtgt/B": "krbtgt/B"}))
				f.now = time.Now().UTC().Truncate(time.Second)
				c := f.client()
				n := c.Dialer.(*network)
				tt.spoil(n)
				r := c.Reach(t.Context(), "B")
				synctest.Wait()
				before := n.dialled["192.0.2.2:88"]
				s := c.FromTicket(f.tgt(Principal{"alice", "A"}))
				s.Along(r)
				_, _, err := s.ServiceTicket(t.Context(), mustPrincipal(t, tt.service))
				if (err == nil) != tt.works {
					t.Error(err)
				}
				if dials := n.dialled["192.0.2.2:88"] - before; before != 1 || dials != tt.dials {
					t.Errorf("dialled %d and then %d times", before, dials)
				}
				s.Close()
				n.closed(t)
			})
		})
	}
}
