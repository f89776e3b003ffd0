//go:build lab

package kpasswd

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kerbagent/kerbagent/probe"
)

// outside dials in the network namespace of the first process, where the
// lab's MIT and Heimdal servers listen on loopback.
func outside(ctx context.Context, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		var ns *os.File
		if ns, err = os.Open("/proc/1/ns/net"); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}()
	<-done
	return conn, err
}

func TestLab(t *testing.T) {
	for _, server := range []struct {
		name    string
		address string
		dialer  probe.Dialer
		realm   string
		tcp     probe.Reason
	}{
		{"DC1", "10.77.0.10:464", new(net.Dialer), "CORP.EXAMPLE.COM", ""},
		{"DC2", "10.77.1.11:464", new(net.Dialer), "CORP.EXAMPLE.COM", ""},
		{"ONPREM", "10.77.2.10:464", new(net.Dialer), "ONPREM.LOCAL", ""},
		{"MIT", "127.0.88.1:464", dialer(outside), "MIT.TEST", ""},
		{"Heimdal, which has no TCP", "127.0.88.2:464", dialer(outside), "<unspecified realm>", probe.ReasonRefused},
	} {
		t.Run(server.name, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				p := probeOf(netip.MustParseAddrPort(server.address), transport)
				p.Dialer, p.Timeout = server.dialer, 3*time.Second
				res := run(p)
				if transport == probe.TCP && server.tcp != "" {
					if res.Reason != server.tcp {
						t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
					}
					return
				}
				if res.Outcome != probe.OK || res.Facts[probe.FactServedBy] != server.realm || res.Facts[probe.FactKRBCode] == "" {
					t.Errorf("%s %s: %v %v", res.Outcome, res.Reason, res.Err, res.Facts)
				}
				if skew := res.Samples[probe.SampleSkew]; skew < -1 || skew > 1 {
					t.Errorf("clock off by %g s on one machine", skew)
				}
			})
		})
	}
}
