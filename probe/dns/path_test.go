package dns

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

func TestReasonsOfThePath(t *testing.T) {
	mute := func(dns.ResponseWriter, *dns.Msg) {}
	read := func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, 30)); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		name      string
		transport probe.Transport
		server    netip.AddrPort
		dialer    probe.Dialer
		reason    probe.Reason
		stages    []string
	}{
		{"silent", probe.UDP, serve(t, probe.UDP, mute), nil, probe.ReasonUDPSilent, []string{StageQuery}},
		{"accepts and is silent", probe.TCP, tcp(t, func(net.Conn) {}), nil, probe.ReasonTCPSilent, []string{exchange.StageConnect, StageQuery}},
		{"does not connect", probe.TCP, deaf(t), nil, probe.ReasonConnectTimeout, []string{exchange.StageConnect}},
		{"port unreachable", probe.UDP, closed(t), nil, probe.ReasonRefused, []string{StageQuery}},
		{"reset", probe.TCP, closed(t), nil, probe.ReasonRefused, []string{exchange.StageConnect}},
		{"closes", probe.TCP, tcp(t, func(c net.Conn) { read(c); c.Close() }), nil, probe.ReasonClosed, []string{exchange.StageConnect, StageQuery}},
		{"half an answer, then closes", probe.TCP, tcp(t, func(c net.Conn) { read(c); c.Write([]byte{0, 9, 1}); c.Close() }), nil, probe.ReasonClosed, []string{exchange.StageConnect, StageQuery}},
		{"half an answer, then silent", probe.TCP, tcp(t, func(c net.Conn) { read(c); c.Write([]byte{0, 9, 1}) }), nil, probe.ReasonTCPSilent, []string{exchange.StageConnect, StageQuery}},
		{"an empty answer", probe.TCP, tcp(t, func(c net.Conn) { read(c); c.Write([]byte{0, 0}) }), nil, probe.ReasonMalformed, []string{exchange.StageConnect, StageQuery}},
		{"strays only", probe.UDP, serve(t, probe.UDP, raw(func(b []byte) []byte { b[0]++; return b })), nil, probe.ReasonMalformed, []string{StageQuery}},
		{"no route", probe.UDP, closed(t), refusing(syscall.ENETUNREACH), probe.ReasonUnreachable, []string{StageQuery}},
		{"no route for TCP", probe.TCP, closed(t), refusing(syscall.EHOSTUNREACH), probe.ReasonUnreachable, []string{exchange.StageConnect}},
		{"not allowed to send", probe.TCP, closed(t), refusing(syscall.EPERM), probe.ReasonForbidden, []string{exchange.StageConnect}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probeOf(tt.server, tt.transport, srv)
			p.Timeout = 300 * time.Millisecond
			if tt.dialer != nil {
				p.Dialer = tt.dialer
			}
			res := run(p)
			if res.Outcome != probe.Failed || res.Reason != tt.reason || res.Err == nil {
				t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
			}
			var stages []string
			for _, s := range res.Stages {
				stages = append(stages, s.Name)
			}
			if diff := cmp.Diff(tt.stages, stages); diff != "" {
				t.Error(diff)
			}
			if last := res.Stages[len(res.Stages)-1]; last.Err == nil {
				t.Error("the stage that failed says nothing")
			}
		})
	}
}

func TestEndOfTheWholeRun(t *testing.T) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		t.Run("canceled over "+string(transport), func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			p := probeOf(serve(t, transport, func(dns.ResponseWriter, *dns.Msg) { cancel() }), transport, srv)
			res := p.Run(ctx)
			if res.Outcome != probe.Failed || res.Reason != probe.ReasonCanceled {
				t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
			}
		})
		t.Run("out of time over "+string(transport), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			res := probeOf(serve(t, transport, func(dns.ResponseWriter, *dns.Msg) {}), transport, srv).Run(ctx)
			if res.Reason != probe.ReasonCanceled {
				t.Errorf("%s %s, though the server had no time to answer", res.Outcome, res.Reason)
			}
		})
	}
}

func TestAnswerBehindStrays(t *testing.T) {
	server := serve(t, probe.UDP, func(w dns.ResponseWriter, req *dns.Msg) {
		raw(func(b []byte) []byte { b[1]++; return b })(w, req)
		w.Write([]byte("hello"))
		raw(func(b []byte) []byte { return b })(w, req)
	})
	if res := run(probeOf(server, probe.UDP, srv)); res.Outcome != probe.OK {
		t.Errorf("%s: %v", res.Reason, res.Err)
	}
}

// A datagram is lost now and then; that is not silence.
func TestOneLostDatagram(t *testing.T) {
	var lost atomic.Bool
	server := serve(t, probe.UDP, func(w dns.ResponseWriter, req *dns.Msg) {
		if lost.Swap(true) {
			raw(func(b []byte) []byte { return b })(w, req)
		}
	})
	p := probeOf(server, probe.UDP, srv)
	p.Timeout = time.Second
	if res := run(p); res.Outcome != probe.OK || res.Samples[probe.SampleResends] != 1 {
		t.Errorf("%s: %v, %v", res.Reason, res.Err, res.Samples)
	}
	lost.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Ask(ctx, &net.Dialer{}, probe.UDP, server, srv); err != nil {
		t.Errorf("discovery: %v", err)
	}
}

// A dialer may hand out connections of its own type: framing goes by the
// transport that was asked for.
func TestWrappedConnections(t *testing.T) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		server := serve(t, transport, raw(func(b []byte) []byte { return b }))
		p := probeOf(server, transport, srv)
		p.Dialer = dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			return struct{ net.Conn }{c}, err
		})
		if res := run(p); res.Outcome != probe.OK {
			t.Errorf("%s: %s %v", transport, res.Reason, res.Err)
		}
	}
}

// An answer that comes long after the question was sent again is late itself: nothing was lost.
func TestALateAnswerIsNoLostDatagram(t *testing.T) {
	var asked atomic.Int32
	server := serve(t, probe.UDP, func(w dns.ResponseWriter, req *dns.Msg) {
		if asked.Add(1) == 2 {
			<-time.After(500 * time.Millisecond)
			raw(func(b []byte) []byte { return b })(w, req)
		}
	})
	p := probeOf(server, probe.UDP, srv)
	p.Timeout = 1600 * time.Millisecond
	if res := run(p); res.Outcome != probe.OK || res.Samples[probe.SampleResends] != 0 {
		t.Errorf("%s: %v, %v", res.Reason, res.Err, res.Samples)
	}
}
