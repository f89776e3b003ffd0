package kpasswd

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
)

// recorded is an answer that a real server gave over UDP in the lab; over TCP
// it was the same but for the length in front.
func recorded(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// serve lets handle answer what comes to a loopback port: one datagram, or
// what a client of TCP writes first. It writes what handle returns as it is,
// nothing for nil, and leaves connections open.
func serve(t testing.TB, transport probe.Transport, handle func(request []byte) []byte) netip.AddrPort {
	t.Helper()
	if transport == probe.UDP {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { pc.Close() })
		go func() {
			buf := make([]byte, 4096)
			for {
				n, from, err := pc.ReadFrom(buf)
				if err != nil {
					return
				}
				if reply := handle(bytes.Clone(buf[:n])); reply != nil {
					pc.WriteTo(reply, from)
				}
			}
		}()
		return netip.MustParseAddrPort(pc.LocalAddr().String())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		var kept []net.Conn // else the garbage collector closes what nobody refers to
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range kept {
					c.Close()
				}
				return
			}
			kept = append(kept, c)
			request := make([]byte, 4+len(client.KpasswdProbe()))
			if _, err := io.ReadFull(c, request); err == nil {
				c.Write(handle(request))
			}
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// framed is b as transport carries it (RFC 3244 §2: as RFC 4120 §7.2.2).
func framed(transport probe.Transport, b []byte) []byte {
	if transport == probe.UDP {
		return b
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func probeOf(address netip.AddrPort, transport probe.Transport) Probe {
	return Probe{Host: "dc1.corp.example.com", Address: address, Transport: transport, Dialer: new(net.Dialer), Timeout: 10 * time.Second}
}

func run(p Probe) probe.Result { return p.Run(context.Background()) }

func both(t *testing.T, f func(t *testing.T, transport probe.Transport)) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		t.Run(string(transport), func(t *testing.T) { f(t, transport) })
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		server string
		facts  probe.Facts
		theirs time.Time // in the answer
	}{
		{"samba", probe.Facts{probe.FactKRBCode: "2", probe.FactServedBy: "CORP.EXAMPLE.COM"},
			time.Date(2026, 11, 22, 15, 8, 39, 270_762_000, time.UTC)},
		// Whole seconds, so the middle of that second.
		{"mit", probe.Facts{probe.FactKRBCode: "60", probe.FactServedBy: "MIT.TEST"},
			time.Date(2026, 11, 22, 15, 8, 39, 500_000_000, time.UTC)},
		{"heimdal", probe.Facts{probe.FactKRBCode: "60", probe.FactServedBy: "<unspecified realm>", probe.FactKRBText: "ASN.1 identifier doesn't match expected value"},
			time.Date(2026, 11, 22, 15, 8, 39, 375_056_000, time.UTC)},
	} {
		t.Run(tt.server, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				reply := recorded(t, tt.server)
				var waited atomic.Int64
				p := probeOf(serve(t, transport, func(request []byte) []byte {
					if !bytes.Equal(request, framed(transport, client.KpasswdProbe())) {
						return nil
					}
					waited.Store(int64(4 * time.Second))
					return framed(transport, reply)
				}), transport)
				p.Facts = probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM"}
				p.Now = func() time.Time { return tt.theirs.Add(-100*time.Second + time.Duration(waited.Load())) }
				res := run(p)
				if res.Outcome != probe.OK {
					t.Fatalf("%s: %v", res.Reason, res.Err)
				}
				want := probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM"}
				for k, v := range tt.facts {
					want[k] = v
				}
				if diff := cmp.Diff(want, res.Facts); diff != "" {
					t.Error(diff)
				}
				// Counted from the middle of the four seconds that it took.
				if diff := cmp.Diff(probe.Samples{probe.SampleSkew: 98, probe.SampleBytes: float64(len(reply))}, res.Samples); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Active Directory answers an AP-REQ that it cannot read with a KRB-ERROR alone
// (RFC 3244 §2, and a comment in MIT's chpw.c): that is a sign of life too.
func TestRefusalWithoutItsHeader(t *testing.T) {
	both(t, func(t *testing.T, transport probe.Transport) {
		bare := recorded(t, "samba")[6:]
		res := run(probeOf(serve(t, transport, func([]byte) []byte { return framed(transport, bare) }), transport))
		if res.Outcome != probe.OK || res.Facts[probe.FactKRBCode] != "2" {
			t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
		}
		if _, ok := res.Samples[probe.SampleSkew]; !ok {
			t.Error("no clock")
		}
	})
}

// How the exchange itself can end is tested in probe/kdc, which it belongs to.
func TestReasons(t *testing.T) {
	good := recorded(t, "samba")
	for _, tt := range []struct {
		name      string
		transport probe.Transport
		says      []byte
		reason    probe.Reason
	}{
		{"silent", probe.UDP, nil, probe.ReasonUDPSilent},
		{"accepts and is silent", probe.TCP, nil, probe.ReasonTCPSilent},
		{"a web server", probe.TCP, []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), probe.ReasonMalformed},
		{"an echo", probe.UDP, client.KpasswdProbe(), probe.ReasonMalformed},
		{"half a bare refusal", probe.UDP, good[6:40], probe.ReasonMalformed},
		{"half a refusal", probe.UDP, good[:40], probe.ReasonMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probeOf(serve(t, tt.transport, func([]byte) []byte { return tt.says }), tt.transport)
			p.Timeout = 300 * time.Millisecond
			res := run(p)
			if res.Outcome != probe.Failed || res.Reason != tt.reason || res.Err == nil {
				t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
			}
		})
	}
}

func TestID(t *testing.T) {
	got := probeOf(netip.MustParseAddrPort("[fd77::10]:464"), probe.UDP).ID().String()
	if want := "kpasswd/dc1.corp.example.com/[fd77::10]:464/udp"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// BenchmarkProbe measures this end and the test's server, which are in one process.
func BenchmarkProbe(b *testing.B) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		b.Run(string(transport), func(b *testing.B) {
			reply := framed(transport, recorded(b, "samba"))
			p := probeOf(serve(b, transport, func([]byte) []byte { return reply }), transport)
			b.ReportAllocs()
			for b.Loop() {
				if res := run(p); res.Outcome != probe.OK {
					b.Fatal(res.Err)
				}
			}
		})
	}
}
