//go:build lab

package kpasswd

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

func TestLab(t *testing.T) {
	for _, server := range []struct {
		name    string
		address string
		realm   string
		tcp     probe.Reason
	}{
		{"DC1", "10.77.0.10:464", "CORP.EXAMPLE.COM", ""},
		{"DC1, IPv6", "[fd77::10]:464", "CORP.EXAMPLE.COM", ""},
		{"DC2", "10.77.1.11:464", "CORP.EXAMPLE.COM", ""},
		{"ONPREM", "10.77.2.10:464", "ONPREM.LOCAL", ""},
		{"MIT", "10.77.5.10:464", "MIT.TEST", ""},
		{"MIT, IPv6", "[fd77:0:0:5::10]:464", "MIT.TEST", ""},
		{"Heimdal, which has no TCP", "10.77.6.10:464", "<unspecified realm>", probe.ReasonRefused},
	} {
		t.Run(server.name, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				p := probeOf(netip.MustParseAddrPort(server.address), transport)
				p.Timeout = 3 * time.Second
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
