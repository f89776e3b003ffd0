package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/miekg/dns"
)

// resolver asks a DNS server on loopback that knows the records given.
func resolver(t *testing.T, records ...string) *net.Resolver {
	t.Helper()
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: pc, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		for _, rr := range rrs {
			if dns.CanonicalName(rr.Header().Name) == dns.CanonicalName(q.Question[0].Name) && rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			}
		}
		if len(m.Answer) == 0 {
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, pc.LocalAddr().String())
	}}
}

func TestDNSLocator(t *testing.T) {
	for _, tt := range []struct {
		name    string
		records []string
		want    string
	}{
		{"by priority, another port, both families", []string{
			"_kerberos._tcp.corp.test. 5 SRV 10 0 88 dc2.corp.test.", "_kerberos._tcp.corp.test. 5 SRV 0 0 8888 dc1.corp.test.",
			"dc1.corp.test. 5 A 192.0.2.1", "dc1.corp.test. 5 AAAA 2001:db8::1", "dc2.corp.test. 5 A 192.0.2.2",
		}, "[192.0.2.1:8888 [2001:db8::1]:8888 192.0.2.2:88]"},
		{"a stale record", []string{
			"_kerberos._tcp.corp.test. 5 SRV 0 0 88 gone.corp.test.", "_kerberos._tcp.corp.test. 5 SRV 1 0 88 dc2.corp.test.",
			"dc2.corp.test. 5 A 192.0.2.2",
		}, "[192.0.2.2:88]"},
		{"no SRV", []string{"corp.test. 5 A 192.0.2.1", "corp.test. 5 A 192.0.2.2"}, "[192.0.2.1:88 192.0.2.2:88]"},
		{"no service", []string{"_kerberos._tcp.corp.test. 5 SRV 0 0 0 .", "corp.test. 5 A 192.0.2.1"}, "[192.0.2.1:88]"},
		{"two names of one address", []string{
			"_kerberos._tcp.corp.test. 5 SRV 0 0 88 a.corp.test.", "_kerberos._tcp.corp.test. 5 SRV 1 0 88 b.corp.test.",
			"a.corp.test. 5 A 192.0.2.1", "b.corp.test. 5 A 192.0.2.1",
		}, "[192.0.2.1:88]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DNSLocator{Resolver: resolver(t, tt.records...)}.KDCs(t.Context(), "CORP.TEST")
			if err != nil || fmt.Sprint(got) != tt.want {
				t.Errorf("got %v, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestDNSLocatorFindsNothing(t *testing.T) {
	got, err := DNSLocator{Resolver: resolver(t)}.KDCs(t.Context(), "CORP.TEST")
	var dnsErr *net.DNSError
	if !errors.As(err, &dnsErr) || !dnsErr.IsNotFound {
		t.Errorf("got %v, %v", got, err)
	}
}
