//go:build lab

package dns

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
)

// The lab's name servers, as its client host sees them.
var (
	dc1      = netip.MustParseAddrPort("10.77.0.10:53")
	dc1v6    = netip.MustParseAddrPort("[fd77::10]:53")
	dc2      = netip.MustParseAddrPort("10.77.1.11:53")
	onprem   = netip.MustParseAddrPort("10.77.2.10:53")
	resolver = netip.MustParseAddrPort("10.77.4.2:53")
)

func TestLab(t *testing.T) {
	const corpKDCs = "dc1.corp.example.com:88 dc2.corp.example.com:88"
	for _, tt := range []struct {
		name   string
		server netip.AddrPort
		q      Question
		reason probe.Reason
		answer string
		soa    string
	}{
		{"DC1, SRV", dc1, Question{"_kerberos._udp.corp.example.com", SRV}, "", corpKDCs, "corp.example.com"},
		{"DC1 by IPv6, SRV", dc1v6, Question{"_kerberos._udp.corp.example.com", SRV}, "", corpKDCs, "corp.example.com"},
		{"DC1, IPv6 address", dc1, Question{"dc1.corp.example.com", AAAA}, "", "fd77::10", "corp.example.com"},
		{"DC2, SRV", dc2, Question{"_kerberos._tcp.corp.example.com", SRV}, "", corpKDCs, "corp.example.com"},
		{"ONPREM, SRV", onprem, Question{"_kpasswd._tcp.onprem.local", SRV}, "", "dc1.onprem.local:464", "onprem.local"},
		{"the resolver, SRV of CORP", resolver, Question{"_kerberos._udp.corp.example.com", SRV}, "", corpKDCs, "corp.example.com"},
		{"the resolver, SRV of ONPREM", resolver, Question{"_kerberos._udp.onprem.local", SRV}, "", "dc1.onprem.local:88", "onprem.local"},
		{"DC1, address", dc1, Question{"dc2.corp.example.com", A}, "", "10.77.1.11", "corp.example.com"},
		{"DC1, zone", dc1, Question{"corp.example.com", SOA}, "", "", "corp.example.com"},
		{"DC1, no such name", dc1, Question{"_nothing._tcp.corp.example.com", SRV}, probe.ReasonDNSNXDomain, "", "corp.example.com"},
		{"DC1, a name without such records", dc1, Question{"dc1.corp.example.com", SRV}, probe.ReasonDNSNoData, "", "corp.example.com"},
		{"the resolver, a foreign name", resolver, Question{"www.example.org", A}, probe.ReasonDNSRefused, "", ""},
	} {
		for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
			t.Run(tt.name+" over "+string(transport), func(t *testing.T) {
				res := run(Probe{Question: tt.q, Server: tt.server, Transport: transport, Dialer: new(net.Dialer), Timeout: 3 * time.Second})
				if res.Reason != tt.reason || res.Facts[probe.FactAnswer] != tt.answer {
					t.Errorf("%s %s: %v\n%v", res.Outcome, res.Reason, res.Err, res.Facts)
				}
				if soa := res.Facts[probe.FactSOA]; soa != tt.soa {
					t.Errorf("SOA of %q", soa)
				}
				// The resolver hands a domain controller's bit on, until it answers from its cache.
				if tt.server != resolver && res.Facts[probe.FactAuthoritative] != "true" {
					t.Error("not authoritative")
				}
				if ttl, ok := res.Samples[probe.SampleTTL]; tt.answer != "" && (!ok || ttl <= 0 || ttl > 86400) {
					t.Error("TTL:", ttl)
				}
			})
		}
	}
}

// A domain controller answers for zones that it does not have in a way that
// must not pass for an answer.
func TestLabForeignZoneAtADomainController(t *testing.T) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		res := run(Probe{Question: Question{"www.example.org", dns.TypeA}, Server: dc1, Transport: transport, Dialer: new(net.Dialer), Timeout: 3 * time.Second})
		if res.Outcome == probe.OK || !strings.HasPrefix(string(res.Reason), "dns-") {
			t.Errorf("%s: %s %s, %v", transport, res.Outcome, res.Reason, res.Err)
		}
	}
}
