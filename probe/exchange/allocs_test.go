package exchange_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
)

// canned answers in memory, so that what is counted is the probe's alone.
type canned struct {
	net.Conn
	tcp   bool
	reply func(request []byte) []byte
	left  []byte
}

func (c *canned) DialContext(context.Context, string, string) (net.Conn, error) { return c, nil }
func (*canned) Close() error                                                    { return nil }
func (*canned) SetDeadline(time.Time) error                                     { return nil }
func (*canned) SetReadDeadline(time.Time) error                                 { return nil }

func (c *canned) Write(b []byte) (int, error) {
	c.left = c.reply(b)
	return len(b), nil
}

func (c *canned) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func kerberos(t *testing.T, file string) func(tcp bool) *canned {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return func(tcp bool) *canned { return &canned{tcp: tcp, reply: always(framed(tcp, 4, reply))} }
}

func always(b []byte) func([]byte) []byte { return func([]byte) []byte { return b } }

// framed puts the length before a message over TCP: 4 bytes in Kerberos (RFC 4120 §7.2.2), 2 in DNS (RFC 1035 §4.2.2).
func framed(tcp bool, size int, b []byte) []byte {
	if !tcp {
		return b
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b)))[4-size:], b...)
}

func nameServer(t *testing.T) func(tcp bool) *canned {
	m := new(mdns.Msg).SetQuestion("_kerberos._udp.corp.example.com.", mdns.TypeSRV)
	m.Response = true
	rr, err := mdns.NewRR("_kerberos._udp.corp.example.com. 60 SRV 0 100 88 dc1.corp.example.com.")
	if err != nil {
		t.Fatal(err)
	}
	m.Answer = []mdns.RR{rr}
	good, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return func(tcp bool) *canned {
		reply, before := framed(tcp, 2, good), len(framed(tcp, 2, nil))
		return &canned{tcp: tcp, reply: func(request []byte) []byte {
			copy(reply[before:before+2], request[before:]) // the question's number
			return reply
		}}
	}
}

// A daemon asks a dozen such questions a second for years. The limits are little more than what a probe
// allocates; when elements of DER, of which a KRB-ERROR has dozens, were read into variables of their own, a KDC's probe had 161.
func TestWhatAProbeAllocates(t *testing.T) {
	at, user := netip.MustParseAddrPort("192.0.2.1:88"), client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}
	for _, tt := range []struct {
		name     string
		answers  func(tcp bool) *canned
		probe    func(probe.Dialer, probe.Transport) probe.Probe
		udp, tcp float64
	}{
		{"kdc", kerberos(t, "../kdc/testdata/samba-25.hex"), func(d probe.Dialer, tr probe.Transport) probe.Probe {
			return kdc.Probe{Host: "dc1", Address: at, Transport: tr, User: user, Dialer: d, Timeout: time.Minute}
		}, 125, 125},
		{"kpasswd", kerberos(t, "../kpasswd/testdata/samba.hex"), func(d probe.Dialer, tr probe.Transport) probe.Probe {
			return kpasswd.Probe{Host: "dc1", Address: at, Transport: tr, Dialer: d, Timeout: time.Minute}
		}, 52, 52},
		{"dns", nameServer(t), func(d probe.Dialer, tr probe.Transport) probe.Probe {
			return dns.Probe{Question: dns.Question{Name: "_kerberos._udp.corp.example.com", Type: dns.SRV}, Server: at, Transport: tr, Dialer: d, Timeout: time.Minute}
		}, 62, 64},
	} {
		for transport, most := range map[probe.Transport]float64{probe.UDP: tt.udp, probe.TCP: tt.tcp} {
			p := tt.probe(tt.answers(transport == probe.TCP), transport)
			if got := testing.AllocsPerRun(200, func() {
				if res := p.Run(t.Context()); res.Outcome != probe.OK {
					t.Fatal(res.Err)
				}
			}); got > most {
				t.Errorf("%s over %s: %v allocations, at most %v", tt.name, transport, got, most)
			}
		}
	}
}
