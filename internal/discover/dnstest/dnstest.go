// Package dnstest is a DNS server for tests.
package dnstest

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Serve answers on loopback from a zone file's lines, as an authority;
// silence where udp or tcp is false.
func Serve(t *testing.T, udp, tcp bool, records ...string) netip.AddrPort {
	t.Helper()
	var rrs []dns.RR
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer := func(speaks bool) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) {
			if !speaks {
				return
			}
			m := new(dns.Msg).SetReply(q)
			m.Authoritative = true
			known := false
			for _, rr := range rrs {
				if strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
					known = true
					if rr.Header().Rrtype == q.Question[0].Qtype {
						m.Answer = append(m.Answer, rr)
					}
				}
			}
			if !known {
				m.Rcode = dns.RcodeNameError
			}
			w.WriteMsg(m)
		}
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: answer(tcp)}, {PacketConn: pc, Handler: answer(udp)}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return netip.MustParseAddrPort(l.Addr().String())
}
