//go:build lab

package kdc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
)

func TestLab(t *testing.T) {
	for _, kdc := range []struct {
		name    string
		address string
		user    client.Principal
	}{
		{"DC1", "10.77.0.10:88", client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}},
		{"DC1, IPv6", "[fd77::10]:88", client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}},
		{"DC2", "10.77.1.11:88", client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}},
		{"ONPREM", "10.77.2.10:88", client.Principal{Name: "carol", Realm: "ONPREM.LOCAL"}},
		{"MIT", "10.77.5.10:88", client.Principal{Name: "alice", Realm: "MIT.TEST"}},
		{"MIT, IPv6", "[fd77:0:0:5::10]:88", client.Principal{Name: "alice", Realm: "MIT.TEST"}},
		{"Heimdal", "10.77.6.10:88", client.Principal{Name: "alice", Realm: "HEIM.TEST"}},
		{"Heimdal, IPv6", "[fd77:0:0:6::10]:88", client.Principal{Name: "alice", Realm: "HEIM.TEST"}},
	} {
		t.Run(kdc.name, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				p := probeOf(netip.MustParseAddrPort(kdc.address), transport)
				p.User, p.Timeout = kdc.user, 3*time.Second
				small := run(p)
				if small.Outcome != probe.OK {
					t.Fatalf("%s: %v", small.Reason, small.Err)
				}
				wanted := probe.Facts{
					probe.FactKRBCode: "25", probe.FactPreauth: "required", probe.FactServedBy: kdc.user.Realm, probe.FactSalt: kdc.user.Realm + kdc.user.Name,
				}
				for fact, want := range wanted {
					if got := small.Facts[fact]; got != want {
						t.Errorf("%s is %q", fact, got)
					}
				}
				if types := small.Facts.List(probe.FactETypes); len(types) == 0 || types[0] != "18" {
					t.Errorf("encryption types %q", types)
				}
				if skew := small.Samples[probe.SampleSkew]; skew < -1 || skew > 1 {
					t.Errorf("clock off by %g s on one machine", skew)
				}
				p.Large = true
				large := run(p)
				if large.Outcome != probe.OK || large.Facts[probe.FactKRBCode] != "7" || large.Samples[probe.SampleBytes] < 3000 {
					t.Errorf("large: %s %v %v %v", large.Reason, large.Err, large.Facts[probe.FactKRBCode], large.Samples)
				}
			})
		})
	}
}

func TestLabAnotherRealmsKDCIsAlive(t *testing.T) {
	both(t, func(t *testing.T, transport probe.Transport) {
		p := probeOf(netip.MustParseAddrPort("10.77.2.10:88"), transport)
		if res := run(p); res.Outcome != probe.OK || res.Facts[probe.FactKRBCode] != "6" || res.Facts[probe.FactServedBy] != "CORP.EXAMPLE.COM" {
			t.Errorf("%s %s: %v %v", res.Outcome, res.Reason, res.Err, res.Facts)
		}
	})
}

func TestLabPathsWithoutAKDC(t *testing.T) {
	resolver := netip.MustParseAddrPort("10.77.4.2:88")
	both(t, func(t *testing.T, transport probe.Transport) {
		if res := run(probeOf(resolver, transport)); res.Reason != probe.ReasonRefused {
			t.Errorf("%s: %v", res.Reason, res.Err)
		}
	})
	nowhere := netip.MustParseAddrPort("192.0.2.1:88")
	if res := run(probeOf(nowhere, probe.TCP)); res.Reason != probe.ReasonUnreachable {
		t.Errorf("no route: %s %v", res.Reason, res.Err)
	}
}
