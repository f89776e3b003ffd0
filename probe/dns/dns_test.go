package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

var srv = Question{"_kerberos._udp.Corp.Example.com", SRV}

func run(p Probe) probe.Result { return p.Run(context.Background()) }

func probeOf(server netip.AddrPort, transport probe.Transport, q Question) Probe {
	return Probe{Question: q, Server: server, Transport: transport, Dialer: new(net.Dialer), Timeout: 10 * time.Second}
}

func TestFactsOfAnswers(t *testing.T) {
	base := probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM", probe.FactRole: probe.RoleRealm}
	for _, tt := range []struct {
		name    string
		q       Question
		change  func(m *dns.Msg)
		facts   probe.Facts
		samples probe.Samples
		reason  probe.Reason
	}{
		{"SRV sorted, least TTL, glue", srv, func(m *dns.Msg) {
			m.Authoritative = true
			records(&m.Answer,
				"_kerberos._udp.corp.example.com. 900 SRV 0 100 88 DC2.corp.example.com.",
				"_kerberos._udp.corp.example.com. 600 SRV 0 100 88 dc1.corp.example.com.")
			records(&m.Extra, "dc2.corp.example.com. 5 A 10.77.1.11", "dc2.corp.example.com. 5 AAAA fd77::11", "elsewhere.example.com. 5 A 10.0.0.1")
			records(&m.Ns, "corp.example.com. 3600 SOA dc1.corp.example.com. hostmaster.corp.example.com. 1 900 600 86400 7")
		}, probe.Facts{
			probe.FactQuestion: "SRV _kerberos._udp.corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "true",
			probe.FactAnswer:     "dc1.corp.example.com:88 dc2.corp.example.com:88",
			probe.FactAdditional: "dc2.corp.example.com=10.77.1.11 dc2.corp.example.com=fd77::11",
			probe.FactSOA:        "corp.example.com",
		}, probe.Samples{probe.SampleTTL: 600}, ""},
		{"addresses behind aliases, others' left out", Question{"db.corp.example.com.", A}, func(m *dns.Msg) {
			records(&m.Answer,
				"DB.corp.example.com. 5 CNAME cluster.example.net.", "cluster.example.net. 30 CNAME writer.example.net.",
				"writer.example.net. 60 A 10.0.0.9", "writer.example.net. 60 A 10.0.0.10", "evil.example.net. 1 A 10.6.6.6")
		}, probe.Facts{
			probe.FactQuestion: "A db.corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false",
			probe.FactAnswer: "10.0.0.10 10.0.0.9",
		}, probe.Samples{probe.SampleTTL: 5}, ""},
		{"IPv6", Question{"dc1.corp.example.com", AAAA}, func(m *dns.Msg) {
			records(&m.Answer, "dc1.corp.example.com. 60 AAAA fd77::0:10")
		}, probe.Facts{
			probe.FactQuestion: "AAAA dc1.corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false", probe.FactAnswer: "fd77::10",
		}, probe.Samples{probe.SampleTTL: 60}, ""},
		{"SOA of a zone", Question{"Corp.Example.Com", SOA}, func(m *dns.Msg) {
			records(&m.Answer, "corp.example.com. 3600 SOA dc1.corp.example.com. hostmaster.corp.example.com. 1 900 600 86400 7")
		}, probe.Facts{
			probe.FactQuestion: "SOA corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false", probe.FactSOA: "corp.example.com",
		}, probe.Samples{probe.SampleTTL: 3600}, ""},
		{"SOA of the zone above", Question{"corp.example.com", SOA}, func(m *dns.Msg) {
			records(&m.Ns, "example.com. 3600 SOA ns.example.com. hostmaster.example.com. 1 900 600 86400 7")
		}, probe.Facts{
			probe.FactQuestion: "SOA corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false", probe.FactSOA: "example.com",
		}, probe.Samples{probe.SampleTTL: 7}, probe.ReasonDNSNoData},
		{"no such name, and for how long", srv, func(m *dns.Msg) {
			m.Rcode = dns.RcodeNameError
			records(&m.Ns, "example.com. 30 SOA ns.example.com. hostmaster.example.com. 1 900 600 86400 3600")
		}, probe.Facts{
			probe.FactQuestion: "SRV _kerberos._udp.corp.example.com", probe.FactRcode: "NXDOMAIN", probe.FactAuthoritative: "false", probe.FactSOA: "example.com",
		}, probe.Samples{probe.SampleTTL: 30}, probe.ReasonDNSNXDomain},
		{"names that no host has", srv, func(m *dns.Msg) {
			records(&m.Answer,
				`_kerberos._udp.corp.example.com. 60 SRV 0 100 88 a\ b\;\010|<i>.example.com.`,
				"_kerberos._udp.corp.example.com. 60 SRV 0 100 88 127.0.0.1.")
		}, probe.Facts{
			probe.FactQuestion: "SRV _kerberos._udp.corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false",
			probe.FactAnswer: `127.0.0.1:88 a\092\032b\092\059\092010\124\060i\062.example.com:88`,
		}, probe.Samples{probe.SampleTTL: 60}, ""},
		{"no such service", srv, func(m *dns.Msg) {
			records(&m.Answer, "_kerberos._udp.corp.example.com. 60 SRV 0 0 0 .")
		}, probe.Facts{
			probe.FactQuestion: "SRV _kerberos._udp.corp.example.com", probe.FactRcode: "NOERROR", probe.FactAuthoritative: "false", probe.FactAnswer: ":0",
		}, probe.Samples{probe.SampleTTL: 60}, probe.ReasonDNSNoData},
	} {
		for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
			t.Run(tt.name+" over "+string(transport), func(t *testing.T) {
				p := probeOf(serve(t, transport, says(tt.change)), transport, tt.q)
				p.Facts = base
				res := run(p)
				if res.Reason != tt.reason || (res.Outcome == probe.OK) != (tt.reason == "") {
					t.Fatalf("%s %s: %v", res.Outcome, res.Reason, res.Err)
				}
				want := probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM", probe.FactRole: probe.RoleRealm}
				for k, v := range tt.facts {
					want[k] = v
				}
				if diff := cmp.Diff(want, res.Facts); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(tt.samples, res.Samples); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestReasonsOfAnswers(t *testing.T) {
	rcode := func(code int) dns.HandlerFunc { return says(func(m *dns.Msg) { m.Rcode = code }) }
	for _, tt := range []struct {
		name      string
		transport probe.Transport
		handle    dns.HandlerFunc
		reason    probe.Reason
	}{
		{"NXDOMAIN", probe.UDP, rcode(dns.RcodeNameError), probe.ReasonDNSNXDomain},
		{"REFUSED", probe.UDP, rcode(dns.RcodeRefused), probe.ReasonDNSRefused},
		{"SERVFAIL", probe.TCP, rcode(dns.RcodeServerFailure), probe.ReasonDNSServFail},
		{"NOTIMP", probe.UDP, rcode(dns.RcodeNotImplemented), probe.ReasonDNSError},
		{"FORMERR without the question", probe.UDP, says(func(m *dns.Msg) { m.Rcode, m.Question = dns.RcodeFormatError, nil }), probe.ReasonDNSError},
		{"an RCODE without a name", probe.UDP, says(func(m *dns.Msg) { m.Rcode = 14 }), probe.ReasonDNSError},
		{"nothing", probe.UDP, says(func(m *dns.Msg) {}), probe.ReasonDNSNoData},
		{"an alias that leads nowhere", probe.UDP, says(func(m *dns.Msg) {
			records(&m.Answer, "_kerberos._udp.corp.example.com. 60 CNAME a.example.com.", "a.example.com. 60 CNAME _kerberos._udp.corp.example.com.")
		}), probe.ReasonDNSNoData},
		{"cut short", probe.UDP, says(func(m *dns.Msg) { m.Truncated = true }), probe.ReasonDNSTruncated},
		{"cut short in a record", probe.UDP, raw(func(b []byte) []byte { b[2] |= 2; return b[:len(b)-20] }), probe.ReasonDNSTruncated},
		{"cut short over TCP", probe.TCP, says(func(m *dns.Msg) { m.Truncated = true }), probe.ReasonMalformed},
		{"half a record without TC", probe.UDP, raw(func(b []byte) []byte { return b[:len(b)-20] }), probe.ReasonMalformed},
		{"another ID over TCP", probe.TCP, raw(func(b []byte) []byte { b[0]++; return b }), probe.ReasonMalformed},
		{"a query in place of an answer", probe.TCP, raw(func(b []byte) []byte { b[2] &^= 0x80; return b }), probe.ReasonMalformed},
		{"another question", probe.TCP, says(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }), probe.ReasonMalformed},
		{"no question", probe.TCP, says(func(m *dns.Msg) { m.Question = nil }), probe.ReasonMalformed},
		{"too many records", probe.TCP, says(func(m *dns.Msg) {
			for range maxRecords + 1 {
				records(&m.Answer, "_kerberos._udp.corp.example.com. 60 SRV 0 100 88 dc1.corp.example.com.")
			}
		}), probe.ReasonMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := run(probeOf(serve(t, tt.transport, tt.handle), tt.transport, srv))
			if res.Outcome != probe.Failed || res.Reason != tt.reason || res.Err == nil {
				t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
			}
		})
	}
}

func TestQuestionOnTheWire(t *testing.T) {
	seen := make(chan *dns.Msg, 2)
	server := serve(t, probe.UDP, func(w dns.ResponseWriter, req *dns.Msg) {
		seen <- req
		w.WriteMsg(new(dns.Msg).SetReply(req))
	})
	for range 2 {
		run(probeOf(server, probe.UDP, srv))
	}
	m, other := <-seen, <-seen
	if opt := m.IsEdns0(); opt == nil || opt.UDPSize() != 1232 || !m.RecursionDesired || m.Question[0].Name != "_kerberos._udp.Corp.Example.com." {
		t.Errorf("asked:\n%s", m)
	}
	if m.Id == other.Id {
		t.Error("the ID is the same twice")
	}
}

func TestQuestionsThatCannotBeAsked(t *testing.T) {
	for _, q := range []Question{{"corp.example.com", dns.TypeANY}, {strings.Repeat("a", 64) + ".example.com", A}, {"a..b", A}} {
		if res := run(probeOf(closed(t), probe.UDP, q)); res.Reason != probe.ReasonInternal {
			t.Errorf("%s: %s", q, res.Reason)
		}
	}
}

func TestAskForOthers(t *testing.T) {
	server := serve(t, probe.UDP, says(func(m *dns.Msg) {
		records(&m.Answer,
			"_kerberos._udp.corp.example.com. 60 SRV 10 5 88 far.corp.example.com.",
			"_kerberos._udp.corp.example.com. 60 SRV 0 5 88 second.corp.example.com.",
			"_kerberos._udp.corp.example.com. 60 SRV 0 100 88 first.corp.example.com.",
			"_kerberos._udp.corp.example.com. 60 SRV 0 100 0 zero.corp.example.com.")
	}))
	a, err := Ask(context.Background(), new(net.Dialer), probe.UDP, server, srv)
	if err != nil {
		t.Fatal(err)
	}
	var usable []string
	for _, s := range a.Services {
		if s.Usable() {
			usable = append(usable, s.String())
		}
	}
	want := []string{"first.corp.example.com:88", "second.corp.example.com:88", "far.corp.example.com:88"}
	if diff := cmp.Diff(want, usable); diff != "" || a.TTL != time.Minute {
		t.Error(diff, a.TTL)
	}
	var e *exchange.Error
	if _, err := Ask(context.Background(), new(net.Dialer), probe.TCP, closed(t), srv); !errors.As(err, &e) || e.Reason != probe.ReasonRefused {
		t.Error(err)
	}
}

func TestIDIsTheSameForEachRun(t *testing.T) {
	p := probeOf(netip.MustParseAddrPort("[fd77::10]:53"), probe.UDP, Question{"_kerberos._udp.CORP.example.com.", SRV})
	if got, want := p.ID().String(), "dns/SRV:_kerberos._udp.corp.example.com/[fd77::10]:53/udp"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestHostName(t *testing.T) {
	for name, want := range map[string]bool{
		"dc1.corp.example.com": true, "DC_1.corp.example.com": true, "localhost": true, "1.example.com": true,
		strings.Repeat("a.", 126) + "a": true,
		"":                              false, ".": false, "a..b": false, "a.": false, "-a.b": false, "a-.b": false, "a b": false, "a\nb": false, `a\032b`: false,
		"10.0.0.1": false, "fd77::1": false, "dé.example.com": false, strings.Repeat("a", 64): false, strings.Repeat("a.", 126) + "aa": false,
	} {
		if HostName(name) != want {
			t.Errorf("HostName(%q) is %t", name, !want)
		}
	}
}
