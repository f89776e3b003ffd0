package database_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// late is a path on which the kernel has connected when time is up, and the
// program notices a little later.
type late struct{ timeUp func() }

func (d late) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.timeUp()
	noticed := time.Now().Add(10 * time.Millisecond)
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(noticed)):
	}
	if time.Now().Before(noticed) { // as a net.Dialer does
		c.Close()
		return nil, ctx.Err()
	}
	return c, nil
}

// A connection that is there when its probe's time is up is ended well, and
// not only closed.
func TestConnectedTooLate(t *testing.T) {
	s, g := newServer(t), &guardLog{}
	ctx, cancel := context.WithCancel(t.Context())
	p := newProbe(s, g, "alice", true)
	p.Dialer = late{cancel}
	if res := p.Run(ctx); res.Outcome != probe.Failed || res.Reason != probe.ReasonCanceled {
		t.Fatalf("%s (%s) %v", res.Outcome, res.Reason, res.Err)
	}
	s.Wait(1)
	if stats := s.Stats(); stats.Unfinished != 0 || stats.Refused != 1 || g.unfinished != 0 {
		t.Errorf("the server counts %+v, we %d", stats, g.unfinished)
	}
}

// silence is a path on which no connect ever ends.
type silence struct{}

func (silence) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A server that drops everything costs its time, and has nothing to count.
func TestSilentConnect(t *testing.T) {
	g := &guardLog{}
	p := newProbe(newServer(t), g, "alice", true)
	p.Dialer, p.Timeout = silence{}, 20*time.Millisecond
	if res := p.Run(t.Context()); res.Reason != probe.ReasonConnectTimeout || g.unfinished != 0 {
		t.Errorf("%s (%s) %v; %d unfinished", res.Outcome, res.Reason, res.Err, g.unfinished)
	}
}
