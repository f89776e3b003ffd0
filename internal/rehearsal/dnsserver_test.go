package rehearsal

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func testDNS(t *testing.T, resolving bool) *dnsServer {
	t.Helper()
	corp := newZone("corp.example.com", "dc1.corp.example.com")
	corp.add(
		address("corp.example.com", netip.MustParseAddr("127.77.0.10")), address("dc1.corp.example.com", netip.MustParseAddr("127.77.0.10")),
		address("dc1.corp.example.com", netip.MustParseAddr("::1")), service("_kerberos._tcp.corp.example.com", "dc1.corp.example.com", 4088),
		alias("db.corp.example.com", "dc1.corp.example.com"),
	)
	for i := range 40 {
		corp.add(service("_many._tcp.corp.example.com", "dc1.corp.example.com", uint16(i+1)))
	}
	s, err := startDNS(netip.MustParseAddr("127.77.9.53"), resolving, corp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func ask(t *testing.T, s *dnsServer, network, name string, rrtype uint16) (*dns.Msg, error) {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 5 * time.Second}
	if s.udpSilent {
		c.Timeout = 50 * time.Millisecond
	}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion(name, rrtype), s.addr.String())
	return m, err
}

func TestDNSAnswers(t *testing.T) {
	cases := []struct {
		name, question string
		rrtype         uint16
		rcode          int
		want           string // last field of each answer
		soa            bool   // in the authority section
		authoritative  bool   // of the domain controller
	}{
		{"address", "dc1.corp.example.com.", dns.TypeA, 0, "127.77.0.10", false, true},
		{"IPv6 address", "dc1.corp.example.com.", dns.TypeAAAA, 0, "::1", false, true},
		{"any case", "DC1.Corp.Example.Com.", dns.TypeA, 0, "127.77.0.10", false, true},
		{"SOA", "corp.example.com.", dns.TypeSOA, 0, "3600", false, true},
		{"SRV", "_kerberos._tcp.corp.example.com.", dns.TypeSRV, 0, "dc1.corp.example.com.", false, true},
		{"CNAME is followed", "db.corp.example.com.", dns.TypeA, 0, "dc1.corp.example.com. 127.77.0.10", false, true},
		{"no such type", "dc1.corp.example.com.", dns.TypeMX, 0, "", true, true},
		{"no such name", "dc9.corp.example.com.", dns.TypeA, dns.RcodeNameError, "", true, true},
		{"a name between names", "_tcp.corp.example.com.", dns.TypeA, 0, "", true, true},
	}
	for _, resolving := range []bool{false, true} {
		s := testDNS(t, resolving)
		for _, network := range []string{"udp", "tcp"} {
			for _, c := range cases {
				m, err := ask(t, s, network, c.question, c.rrtype)
				if err != nil {
					t.Fatalf("%s over %s: %v", c.name, network, err)
				}
				var got []string
				for _, rr := range m.Answer {
					f := strings.Fields(rr.String())
					got = append(got, f[len(f)-1])
				}
				if m.Rcode != c.rcode || strings.Join(got, " ") != c.want || len(m.Ns) == 1 != c.soa ||
					m.Authoritative != (c.authoritative && !resolving) || m.RecursionAvailable != resolving {
					t.Errorf("%s over %s, resolving %v:\n%s", c.name, network, resolving, m)
				}
			}
		}
	}
}

func TestDNSForeignZone(t *testing.T) {
	m, err := ask(t, testDNS(t, false), "udp", "onprem.local.", dns.TypeSOA)
	if err != nil || m.Rcode != dns.RcodeSuccess || m.Authoritative || len(m.Answer)+len(m.Ns) > 0 {
		t.Errorf("domain controller: %v\n%s", err, m)
	}
	m, err = ask(t, testDNS(t, true), "udp", "onprem.local.", dns.TypeSOA)
	if err != nil || m.Rcode != dns.RcodeNameError {
		t.Errorf("resolver: %v\n%s", err, m)
	}
}

func TestDNSTruncatesOnUDPOnly(t *testing.T) {
	s := testDNS(t, false)
	m, err := ask(t, s, "udp", "_many._tcp.corp.example.com.", dns.TypeSRV)
	if err != nil || !m.Truncated {
		t.Errorf("udp: %v, truncated %v", err, m.Truncated)
	}
	m, err = ask(t, s, "tcp", "_many._tcp.corp.example.com.", dns.TypeSRV)
	if err != nil || m.Truncated || len(m.Answer) != 40 {
		t.Errorf("tcp: %v, truncated %v, %d answers", err, m.Truncated, len(m.Answer))
	}
}

func TestDNSFaults(t *testing.T) {
	s := testDNS(t, false)
	s.edit("corp.example.com", func(z *zone) {
		z.remove(func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSRV })
		z.add(service("_kerberos._tcp.corp.example.com", "old.corp.example.com", 88))
	})
	m, err := ask(t, s, "udp", "_kerberos._tcp.corp.example.com.", dns.TypeSRV)
	if err != nil || len(m.Answer) != 1 || m.Answer[0].(*dns.SRV).Target != "old.corp.example.com." {
		t.Errorf("edited record: %v\n%s", err, m)
	}
	s.forget("corp.example.com")
	if m, err = ask(t, s, "udp", "corp.example.com.", dns.TypeSOA); err != nil || len(m.Answer) > 0 || m.Authoritative {
		t.Errorf("forgotten zone: %v\n%s", err, m)
	}
	s.always(dns.RcodeRefused)
	if m, err = ask(t, s, "tcp", "corp.example.com.", dns.TypeSOA); err != nil || m.Rcode != dns.RcodeRefused {
		t.Errorf("refused: %v\n%s", err, m)
	}
	s.muteUDP()
	if m, err = ask(t, s, "udp", "corp.example.com.", dns.TypeSOA); err == nil {
		t.Errorf("a mute server said\n%s", m)
	}
	if _, err = ask(t, s, "tcp", "corp.example.com.", dns.TypeSOA); err != nil {
		t.Errorf("mute over UDP, asked over TCP: %v", err)
	}
}

// Two servers start from one zone and then have copies of their own.
func TestDNSServersDoNotShareRecords(t *testing.T) {
	z := newZone("corp.example.com", "dc1.corp.example.com")
	z.add(address("a.corp.example.com", netip.MustParseAddr("127.0.0.1")))
	copied := z.clone()
	z.remove(func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeA })
	if !slices.ContainsFunc(copied.records, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeA }) {
		t.Error("removing a record from one copy removed it from the other")
	}
}
