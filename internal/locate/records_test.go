package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/probe"
)

// toOne dials one server, whichever is asked for.
type toOne string

func (s toOne) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, string(s))
}

// withRecords is a host whose name server has these records. A line "servfail NAME", "refuse NAME", "nxdomain NAME" or "drop NAME TYPE" is how it answers otherwise.
func withRecords(t *testing.T, files map[string]string, records ...string) *Programs {
	t.Helper()
	return asking(t, files, serveRecords(t, "127.0.0.1:0", records...))
}

// serveRecords returns the address of a name server that has these records until the test ends.
func serveRecords(t *testing.T, at string, records ...string) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", at)
	// A child process that is being started has a copy of the last server's socket for a moment.
	for end := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); {
		pc, err = net.ListenPacket("udp", at)
	}
	if err != nil {
		t.Fatal(err)
	}
	var rrs []dns.RR
	odd := map[string]bool{}
	for _, text := range records {
		if f := strings.Fields(text); slices.Contains([]string{"servfail", "refuse", "nxdomain", "drop"}, f[0]) {
			odd[strings.ToLower(text)] = true
			continue
		}
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		rrs = append(rrs, rr)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		q := r.Question[0]
		name := strings.ToLower(q.Name)
		m := new(dns.Msg).SetReply(r)
		m.Rcode, m.RecursionAvailable = dns.RcodeNameError, true
		for _, rr := range rrs {
			if strings.EqualFold(rr.Header().Name, name) {
				m.Rcode = dns.RcodeSuccess
				if rr.Header().Rrtype == q.Qtype {
					m.Answer = append(m.Answer, rr)
				}
			}
			if srv, is := rr.(*dns.SRV); is && q.Qtype == dns.TypeSRV && strings.EqualFold(srv.Hdr.Name, name) {
				for _, glue := range rrs {
					if strings.EqualFold(glue.Header().Name, srv.Target) {
						m.Extra = append(m.Extra, glue)
					}
				}
			}
		}
		switch {
		case odd["drop "+name+" "+strings.ToLower(dns.TypeToString[q.Qtype])]:
			return
		case odd["servfail "+name]:
			m.Rcode, m.Answer = dns.RcodeServerFailure, nil
		case odd["refuse "+name]:
			m.Rcode, m.Answer = dns.RcodeRefused, nil
		case odd["nxdomain "+name]:
			m.Rcode, m.Answer = dns.RcodeNameError, nil
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _, _ = s.Shutdown(), pc.Close() }) // it may not have begun
	return pc.LocalAddr().String()
}

// asking is a host whose one name server is at an address.
func asking(t *testing.T, files map[string]string, server string) *Programs {
	t.Helper()
	p := programs(t, names(files), elsewhere{})
	p.Host = func() (*host.Resolver, error) { return host.Read(p.Root, toOne(server)) }
	return p
}

const (
	udpRecord = "_kerberos._udp.corp.test. 60 IN SRV 0 100 88 dc1.corp.test."
	tcpRecord = "_kerberos._tcp.corp.test. 60 IN SRV 0 100 88 dc1.corp.test."
	atDC1     = "dc1.corp.test. 60 IN A 127.0.0.99"
	atDC9     = "dc9.corp.test. 60 IN A 127.0.0.98"
)

// libkrb5 takes KDCs for TCP from _kerberos._tcp alone: seen with kinit 1.20, "Cannot find KDC for realm" once
// the KDC has said that its answer fits no datagram. And it asks for the names in these records with the dot of the
// root, which glibc finds in no hosts file: seen with kinit 1.20 and glibc 2.36.
func TestKDCsOfRecordsAreFoundAsLibkrb5FindsThem(t *testing.T) {
	for _, tt := range []struct {
		records []string
		without bool
	}{{[]string{udpRecord}, true}, {[]string{tcpRecord}, false}, {[]string{udpRecord, tcpRecord}, false}} {
		p := withRecords(t, map[string]string{"etc/nsswitch.conf": "hosts: files dns\n"}, append(tt.records, atDC1)...)
		got, err := p.KDCs(t.Context(), "CORP.TEST")
		if err != nil || len(got) != 1 || got[0].String() != "127.0.0.99:88" {
			t.Fatalf("records %q, and dc1 is 127.0.0.10 in the hosts file: %v, %v", tt.records, got, err)
		}
		if trail := p.Trail("", heard(got[0], got[0], "CORP.TEST")); (trail.NoTCP["CORP.TEST"] != nil) != tt.without || trail.Lack != nil {
			t.Errorf("records %q: %+v", tt.records, trail)
		}
	}
}

// libkrb5 goes by URI records wherever there is one that it can use, whatever the SRV records say, and resolves the
// names in them as they stand there: seen with KRB5_TRACE of kinit 1.20, which asks for SRV records of _kerberos._tcp after URI records for UDP alone.
func TestURIRecordsComeBeforeSRVRecords(t *testing.T) {
	const uri = "_kerberos.corp.test. 60 IN URI 0 100 "
	for what, tt := range map[string]struct {
		conf    string
		records []string
		want    []string
		noTCP   bool
	}{
		"a URI record at another KDC":         {"", []string{uri + `"krb5srv:m:tcp:dc9.corp.test"`, udpRecord, tcpRecord}, []string{"127.0.0.98:88"}, false},
		"with a port":                         {"", []string{uri + `"KRB5SRV::TCP:dc9.corp.test:888"`, udpRecord, tcpRecord}, []string{"127.0.0.98:888"}, false},
		"its name is in the hosts file":       {"", []string{uri + `"krb5srv:m:tcp:dc1.corp.test"`, udpRecord, tcpRecord}, []string{"127.0.0.10:88"}, false},
		"for UDP alone":                       {"", []string{uri + `"krb5srv:m:udp:dc9.corp.test"`, udpRecord, tcpRecord}, []string{"127.0.0.98:88"}, false},
		"for UDP alone, and no SRV":           {"", []string{uri + `"krb5srv:m:udp:dc9.corp.test"`}, []string{"127.0.0.98:88"}, true},
		"for both, and no SRV":                {"", []string{uri + `"krb5srv:m:udp:dc9.corp.test"`, uri + `"krb5srv:m:tcp:dc9.corp.test"`}, []string{"127.0.0.98:88"}, false},
		"the file wants none":                 {"[libdefaults]\n dns_uri_lookup = false\n", []string{uri + `"krb5srv:m:tcp:dc9.corp.test"`, udpRecord, tcpRecord}, []string{"127.0.0.99:88"}, false},
		"what is no boolean changes nothing":  {"[libdefaults]\n dns_uri_lookup = never\n", []string{uri + `"krb5srv:m:tcp:dc9.corp.test"`, tcpRecord}, []string{"127.0.0.98:88"}, false},
		"one that libkrb5 cannot read":        {"", []string{uri + `"krb5srv:m:sctp:dc9.corp.test"`, udpRecord, tcpRecord}, []string{"127.0.0.99:88"}, false},
		"the name server fails for URI alone": {"", []string{"servfail _kerberos.corp.test.", udpRecord, tcpRecord}, []string{"127.0.0.99:88"}, false},
	} {
		t.Run(what, func(t *testing.T) {
			files := map[string]string{"etc/nsswitch.conf": "hosts: files dns\n", "etc/krb5.conf": tt.conf}
			p := withRecords(t, files, append(tt.records, atDC1, atDC9)...)
			got, err := p.KDCs(t.Context(), "CORP.TEST")
			var said []string
			for _, a := range got {
				said = append(said, a.String())
			}
			if err != nil || !slices.Equal(said, tt.want) {
				t.Errorf("%v, %v; want %v", said, err, tt.want)
			}
			if trail := p.Trail("", heard(got[0], got[0], "CORP.TEST")); (trail.NoTCP["CORP.TEST"] != nil) != tt.noTCP || trail.Lack != nil {
				t.Errorf("%+v", trail)
			}
		})
	}
}

// URI records that no answer comes for hold a login up for a second; a program they cost each name server's
// timeouts (measured: 10 s a look-up), which is said.
func TestASilenceAboutURIRecordsIsNotWaitedFor(t *testing.T) {
	files := map[string]string{"etc/nsswitch.conf": "hosts: files dns\n", "etc/resolv.conf": "nameserver 127.0.0.1\n"}
	p := withRecords(t, files, "drop _kerberos.corp.test. URI", udpRecord, tcpRecord, atDC1)
	began := time.Now()
	got, err := p.KDCs(t.Context(), "CORP.TEST")
	if took := time.Since(began); err != nil || len(got) != 1 || took > 4*time.Second {
		t.Errorf("%v, %v after %s", got, err, took)
	}
	if trail := p.Trail("", heard(got[0], got[0], "CORP.TEST")); trail.Lack != nil || trail.Routes[0].Find < 10*time.Second || len(trail.At) == 0 {
		t.Errorf("%+v", trail)
	}
}

// A KDC's name whose look-up fails for now (SERVFAIL, REFUSED: EAI_AGAIN) is none that does not exist: libkrb5 ends
// the exchange when it comes to it, and asks no other KDC. Measured with kinit and kvno 1.20.1 in the lab, with
// the same result for SERVFAIL and REFUSED at dc1 and dc2 in turn, where all KDCs answer and the replies are too large for UDP:
//
//	                    first name     second name
//	kdc = lines         kinit fails    both work
//	the same, TCP first kinit fails    both work
//	SRV records         kinit fails    kinit works, kvno fails
//	the same, TCP first kinit fails    kinit fails
//
// A request that is too large for UDP (as kvno's is) makes libkrb5 resolve the names of all _udp records before it
// asks anybody. With NXDOMAIN everything works. An address beside the SRV record changes nothing of it.
func TestANameThatFailsForNowEndsALogin(t *testing.T) {
	const lines = "[realms]\n CORP.TEST = {\n kdc = dc7.corp.test\n kdc = dc8.corp.test\n }\n"
	const tcpFirst = "[libdefaults]\n udp_preference_limit = 1\n"
	records := []string{"dc7.corp.test. 60 IN A 127.0.0.97", "dc8.corp.test. 60 IN A 127.0.0.98"}
	for _, proto := range []string{"_udp", "_tcp"} {
		for _, kdc := range []string{"dc7", "dc8"} {
			records = append(records, "_kerberos."+proto+".corp.test. 60 IN SRV 0 100 88 "+kdc+".corp.test.")
		}
	}
	for _, tt := range []struct {
		conf, how, name string
		at              string // where programs end
	}{
		{lines, "servfail", "dc7", probe.AtAS}, {lines, "servfail", "dc8", ""}, {lines, "nxdomain", "dc7", ""},
		{tcpFirst + lines, "refuse", "dc7", probe.AtAS}, {tcpFirst + lines, "servfail", "dc8", ""},
		{"", "servfail", "dc7", probe.AtAS}, {"", "refuse", "dc8", probe.AtTGS}, {"", "nxdomain", "dc7", ""},
		{tcpFirst, "servfail", "dc7", probe.AtAS}, {tcpFirst, "servfail", "dc8", probe.AtAS}, {tcpFirst, "nxdomain", "dc8", ""},
	} {
		t.Run(fmt.Sprintf("%s %s %q", tt.how, tt.name, tt.conf), func(t *testing.T) {
			files := map[string]string{"etc/nsswitch.conf": "hosts: files dns\n", "etc/krb5.conf": tt.conf}
			p := withRecords(t, files, append(records, tt.how+" "+tt.name+".corp.test.")...)
			if _, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil {
				t.Fatal(err)
			}
			answers := netip.MustParseAddrPort("127.0.0.97:88") // it answers, unless nobody knows its address
			if tt.name == "dc7" {
				answers = netip.MustParseAddrPort("127.0.0.98:88")
			}
			trail := p.Trail("", heard(answers, answers, "CORP.TEST"))
			if (trail.Lack != nil) != (tt.at != "") || trail.LackAt != tt.at {
				t.Fatalf("programs end at %q, and by this %q: %v", tt.at, trail.LackAt, trail.Lack)
			}
			if tt.at != "" && !strings.Contains(trail.Lack.Error(), tt.name+".corp.test") {
				t.Errorf("the name is not told: %v", trail.Lack)
			}
		})
	}
}
