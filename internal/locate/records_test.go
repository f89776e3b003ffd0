package locate

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/internal/host"
)

// toOne dials one server, whichever is asked for.
type toOne string

func (s toOne) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, string(s))
}

// libkrb5 takes KDCs for TCP from _kerberos._tcp alone: seen with kinit 1.20, "Cannot find KDC for realm" once
// the KDC has said that its answer fits no datagram. And it asks for the names in these records with the dot of the
// root, which glibc finds in no hosts file: seen with kinit 1.20 and glibc 2.36.
func TestKDCsOfRecordsAreFoundAsLibkrb5FindsThem(t *testing.T) {
	for records, without := range map[string]bool{"_udp": true, "_tcp": false, "_udp _tcp": false} {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			m.Rcode = dns.RcodeNameError
			proto, is := strings.CutSuffix(strings.TrimPrefix(strings.ToLower(r.Question[0].Name), "_kerberos."), ".corp.test.")
			if is && r.Question[0].Qtype == dns.TypeSRV && strings.Contains(records, proto) {
				m.Rcode = dns.RcodeSuccess
				m.Answer = []dns.RR{&dns.SRV{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 60}, Weight: 100, Port: 88, Target: "dc1.corp.test."}}
			}
			if r.Question[0].Qtype == dns.TypeA && strings.EqualFold(r.Question[0].Name, "dc1.corp.test.") {
				m.Rcode = dns.RcodeSuccess
				m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60}, A: net.IPv4(127, 0, 0, 99)}}
			}
			m.RecursionAvailable = true
			_ = w.WriteMsg(m)
		})}
		go func() { _ = s.ActivateAndServe() }()
		t.Cleanup(func() { _ = s.Shutdown() })
		p := programs(t, names(map[string]string{"etc/nsswitch.conf": "hosts: files dns\n"}), elsewhere{})
		p.Host = func() (*host.Resolver, error) { return host.Read(p.Root, toOne(pc.LocalAddr().String())) }
		if got, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil || len(got) != 1 || got[0].String() != "127.0.0.99:88" {
			t.Fatalf("records of %s, and dc1 is 127.0.0.10 in the hosts file: %v, %v", records, got, err)
		}
		if trail := p.Trail("", []string{"CORP.TEST"}, netip.AddrPort{}, nobody); (trail.NoTCP["CORP.TEST"] != nil) != without || trail.Lack != nil {
			t.Errorf("records of %s: %+v", records, trail)
		}
	}
}
