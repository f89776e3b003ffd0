package kdc

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
)

func probeOf(address netip.AddrPort, transport probe.Transport) Probe {
	return Probe{Host: "dc1.corp.example.com", Address: address, Transport: transport,
		User: client.Principal{Name: "alice", Realm: "CORP.EXAMPLE.COM"}, Dialer: new(net.Dialer), Timeout: 10 * time.Second}
}

func run(p Probe) probe.Result { return p.Run(context.Background()) }

func both(t *testing.T, f func(t *testing.T, transport probe.Transport)) {
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		t.Run(string(transport), func(t *testing.T) { f(t, transport) })
	}
}

func TestAnswers(t *testing.T) {
	const preauthText = "Need to use PA-ENC-TIMESTAMP/PA-PK-AS-REQ"
	for _, tt := range []struct {
		name   string
		reply  []byte
		facts  probe.Facts
		reason probe.Reason
	}{
		{"Samba wants preauthentication", recorded(t, "samba-25"), probe.Facts{
			probe.FactKRBCode: "25", probe.FactKRBText: preauthText, probe.FactServedBy: "CORP.EXAMPLE.COM",
			probe.FactPreauth: "required", probe.FactETypes: "18", probe.FactSalt: "CORP.EXAMPLE.COMalice"}, ""},
		{"MIT wants preauthentication", recorded(t, "mit-25"), probe.Facts{
			probe.FactKRBCode: "25", probe.FactKRBText: "NEEDED_PREAUTH", probe.FactServedBy: "MIT.TEST",
			probe.FactPreauth: "required", probe.FactETypes: "18", probe.FactSalt: "MIT.TESTalice"}, ""},
		{"Heimdal wants preauthentication", recorded(t, "heimdal-25"), probe.Facts{
			probe.FactKRBCode: "25", probe.FactKRBText: preauthText, probe.FactServedBy: "HEIM.TEST",
			probe.FactPreauth: "required", probe.FactETypes: "18", probe.FactSalt: "HEIM.TESTalice"}, ""},
		{"Samba does not know the user", recorded(t, "samba-6"), probe.Facts{
			probe.FactKRBCode: "6", probe.FactServedBy: "CORP.EXAMPLE.COM"}, ""},
		{"MIT's user is disabled", recorded(t, "mit-18"), probe.Facts{
			probe.FactKRBCode: "18", probe.FactKRBText: "CLIENT LOCKED OUT", probe.FactServedBy: "MIT.TEST"}, ""},
		{"Windows' user is locked out", withStatus(t, "mit-18", 0xc0000234), probe.Facts{
			probe.FactKRBCode: "18", probe.FactKRBText: "CLIENT LOCKED OUT", probe.FactServedBy: "MIT.TEST", probe.FactNTStatus: "c0000234"}, ""},
		{"MIT gives a ticket without preauthentication", recorded(t, "mit-asrep"), probe.Facts{
			probe.FactServedBy: "MIT.TEST", probe.FactPreauth: "none", probe.FactETypes: "18", probe.FactSalt: "MIT.TESTprobes.open"}, ""},
		{"too big for UDP", recode(t, "samba-6", 52), probe.Facts{
			probe.FactKRBCode: "52", probe.FactServedBy: "CORP.EXAMPLE.COM"}, ""},
		{"unavailable", recode(t, "samba-6", 29), probe.Facts{
			probe.FactKRBCode: "29", probe.FactServedBy: "CORP.EXAMPLE.COM"}, probe.ReasonKRBServiceUnavailable},
		{"another realm's KDC", recode(t, "samba-6", 68), probe.Facts{
			probe.FactKRBCode: "68", probe.FactServedBy: "CORP.EXAMPLE.COM"}, probe.ReasonKRBWrongRealm},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				p := probeOf(serve(t, transport, func([]byte) []byte { return tt.reply }), transport)
				p.Facts = probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM"}
				res := run(p)
				if res.Reason != tt.reason || (res.Outcome == probe.OK) != (tt.reason == "") {
					t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
				}
				want := probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM"}
				for k, v := range tt.facts {
					want[k] = v
				}
				if diff := cmp.Diff(want, res.Facts); diff != "" {
					t.Error(diff)
				}
				if got := res.Samples[probe.SampleBytes]; got != float64(len(tt.reply)) {
					t.Errorf("%g bytes", got)
				}
				if _, timed := res.Samples[probe.SampleSkew]; timed != (tt.facts[probe.FactKRBCode] != "") {
					t.Error("a clock's time comes with errors, and only with them:", res.Samples)
				}
			})
		})
	}
}

func TestSkewIsCountedFromTheMiddleOfTheExchange(t *testing.T) {
	theirs := time.Date(2026, 11, 22, 15, 6, 19, 752_928_000, time.UTC) // in samba-25
	var waited atomic.Int64
	reply := recorded(t, "samba-25")
	both(t, func(t *testing.T, transport probe.Transport) {
		address := serve(t, transport, func([]byte) []byte {
			waited.Add(int64(4 * time.Second))
			return reply
		})
		waited.Store(0)
		p := probeOf(address, transport)
		p.Now = func() time.Time { return theirs.Add(-100*time.Second + time.Duration(waited.Load())) }
		if got := run(p).Samples[probe.SampleSkew]; got != 98 {
			t.Errorf("skew is %g", got)
		}
	})
}

// Under load a Samba lost one large datagram in 3,000, and check said that large
// messages are lost: a datagram is sent again. The skew is that of the answer to
// the second one, 2 s after us, though the first was sent 100 s earlier.
func TestOneLostDatagram(t *testing.T) {
	theirs := time.Date(2026, 11, 22, 15, 6, 19, 752_928_000, time.UTC) // in samba-25
	reply := recorded(t, "samba-25")
	var requests, before atomic.Int64
	before.Store(int64(102 * time.Second))
	var first []byte
	p := probeOf(serve(t, probe.UDP, func(request []byte) []byte {
		if requests.Add(1) == 1 {
			first = request
			before.Store(int64(2 * time.Second))
			return nil
		}
		if !bytes.Equal(request, first) {
			t.Error("asked something else")
		}
		return reply
	}), probe.UDP)
	p.Timeout = time.Second
	p.Now = func() time.Time { return theirs.Add(-time.Duration(before.Load())) }
	res := run(p)
	if res.Outcome != probe.OK || res.Samples[probe.SampleResends] != 1 || requests.Load() != 2 || res.Samples[probe.SampleSkew] != 2 {
		t.Errorf("%s: %v, %v, %d requests", res.Reason, res.Err, res.Samples, requests.Load())
	}
}

func TestLargeRequests(t *testing.T) {
	for _, kdc := range []string{"samba", "mit", "heimdal"} {
		t.Run(kdc, func(t *testing.T) {
			both(t, func(t *testing.T, transport probe.Transport) {
				sizes := make(chan int, 2)
				reply := recorded(t, kdc+"-7-large")
				address := serve(t, transport, func(request []byte) []byte {
					sizes <- len(request)
					return reply
				})
				small := probeOf(address, transport)
				large := small
				large.Large = true
				for _, p := range []Probe{small, large} {
					if res := run(p); res.Outcome != probe.OK || res.Facts[probe.FactKRBCode] != "7" || res.Samples[probe.SampleBytes] < 3000 {
						t.Errorf("%s: %v %v", res.Reason, res.Err, res.Samples)
					}
				}
				if a, b := <-sizes, <-sizes; a > 300 || b < 3000 || b > 3300 {
					t.Errorf("asked with %d and %d bytes", a, b)
				}
			})
		})
	}
}

func TestRequestIsAnASReqWithoutCredentials(t *testing.T) {
	seen := make(chan []byte, 1)
	run(probeOf(serve(t, probe.UDP, func(request []byte) []byte { seen <- request; return []byte{0} }), probe.UDP))
	request := cryptobyte.String(<-seen)
	var app, seq, version, kind cryptobyte.String
	if !request.ReadASN1(&app, asn1.Tag(10|0x40).Constructed()) || !request.Empty() || !app.ReadASN1(&seq, asn1.SEQUENCE) ||
		!seq.ReadASN1(&version, asn1.Tag(1).ContextSpecific().Constructed()) || !seq.ReadASN1(&kind, asn1.Tag(2).ContextSpecific().Constructed()) {
		t.Fatal("not an AS-REQ")
	}
	if !seq.PeekASN1Tag(asn1.Tag(4).ContextSpecific().Constructed()) {
		t.Error("there is padata before the body")
	}
}

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d(ctx, network, address)
}

func TestReasons(t *testing.T) {
	says := func(transport probe.Transport, b []byte) netip.AddrPort {
		return serve(t, transport, func([]byte) []byte { return b })
	}
	// writes answers with these bytes and no frame; hang leaves the connection open.
	writes := func(b string, hang bool) netip.AddrPort {
		return listen(t, func(c net.Conn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, b)
			if !hang {
				c.Close()
			}
		})
	}
	fails := func(err error) dialer {
		return func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
	}
	deaf := dialer(func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
	good := recorded(t, "samba-25")
	asRep := recorded(t, "mit-asrep")
	for _, tt := range []struct {
		name      string
		transport probe.Transport
		address   netip.AddrPort
		dialer    probe.Dialer
		reason    probe.Reason
		stages    string
	}{
		{"silent", probe.UDP, says(probe.UDP, nil), nil, probe.ReasonUDPSilent, "as"},
		{"accepts and is silent", probe.TCP, says(probe.TCP, nil), nil, probe.ReasonTCPSilent, "connect as"},
		{"does not connect", probe.TCP, says(probe.TCP, nil), deaf, probe.ReasonConnectTimeout, "connect"},
		{"port unreachable", probe.UDP, closed(t), nil, probe.ReasonRefused, "as"},
		{"reset", probe.TCP, closed(t), nil, probe.ReasonRefused, "connect"},
		{"no route", probe.UDP, says(probe.UDP, nil), fails(syscall.ENETUNREACH), probe.ReasonUnreachable, "as"},
		{"no route for TCP", probe.TCP, says(probe.TCP, nil), fails(syscall.EHOSTUNREACH), probe.ReasonUnreachable, "connect"},
		{"not allowed to send", probe.UDP, says(probe.UDP, nil), fails(syscall.EPERM), probe.ReasonForbidden, "as"},
		{"closes", probe.TCP, writes("", false), nil, probe.ReasonClosed, "connect as"},
		{"half an answer, then closes", probe.TCP, writes("\x00\x00\x01\x00~", false), nil, probe.ReasonClosed, "connect as"},
		{"half an answer, then silent", probe.TCP, writes("\x00\x00\x01\x00~", true), nil, probe.ReasonTCPSilent, "connect as"},
		{"a web server", probe.TCP, writes("HTTP/1.1 400 Bad Request\r\n\r\n", true), nil, probe.ReasonMalformed, "connect as"},
		{"a TLS server", probe.TCP, writes("\x15\x03\x01\x00\x02\x02\x16", false), nil, probe.ReasonMalformed, "connect as"},
		{"an empty answer", probe.TCP, writes("\x00\x00\x00\x00", true), nil, probe.ReasonMalformed, "connect as"},
		{"an empty datagram", probe.UDP, says(probe.UDP, []byte{}), nil, probe.ReasonMalformed, "as"},
		{"a datagram of something else", probe.UDP, says(probe.UDP, []byte("hello")), nil, probe.ReasonMalformed, "as"},
		{"half a KRB-ERROR", probe.UDP, says(probe.UDP, good[:len(good)/2]), nil, probe.ReasonMalformed, "as"},
		{"more than a KRB-ERROR", probe.UDP, says(probe.UDP, append(bytes.Clone(good), 0)), nil, probe.ReasonMalformed, "as"},
		{"half an AS-REP", probe.TCP, says(probe.TCP, asRep[:len(asRep)-1]), nil, probe.ReasonMalformed, "connect as"},
		{"a TGS-REP", probe.TCP, says(probe.TCP, append([]byte{0x6d}, asRep[1:]...)), nil, probe.ReasonMalformed, "connect as"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := probeOf(tt.address, tt.transport)
			p.Timeout = 300 * time.Millisecond
			if tt.dialer != nil {
				p.Dialer = tt.dialer
			}
			res := run(p)
			if res.Outcome != probe.Failed || res.Reason != tt.reason || res.Err == nil {
				t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
			}
			var stages []string
			for _, s := range res.Stages {
				stages = append(stages, s.Name)
			}
			if got := strings.Join(stages, " "); got != tt.stages {
				t.Errorf("stages: %s", got)
			}
		})
	}
}

func TestEndOfTheWholeRun(t *testing.T) {
	both(t, func(t *testing.T, transport probe.Transport) {
		ctx, cancel := context.WithCancel(context.Background())
		res := probeOf(serve(t, transport, func([]byte) []byte { cancel(); return nil }), transport).Run(ctx)
		if res.Outcome != probe.Failed || res.Reason != probe.ReasonCanceled {
			t.Errorf("%s %s: %v", res.Outcome, res.Reason, res.Err)
		}
	})
}

func TestID(t *testing.T) {
	p := probeOf(netip.MustParseAddrPort("[fd77::10]:88"), probe.TCP)
	p.Large = true
	if got, want := p.ID().String(), "kdc/dc1.corp.example.com/[fd77::10]:88/tcp/large"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// FuzzAnswer: whatever comes back is learnt from or refused, and a refusal
// that is not the KDC's own is malformed.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"samba-25", "samba-6", "mit-25", "mit-18", "mit-asrep", "heimdal-25"} {
		f.Add(recorded(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		rec := probe.Begin(probe.ID{}, nil)
		reason, err := Probe{}.learn(rec, b, time.Now())
		if (reason == "") != (err == nil) {
			t.Errorf("reason %q with error %v", reason, err)
		}
		facts := rec.OK().Facts
		if reason == probe.ReasonMalformed && len(facts) != 0 {
			t.Errorf("malformed, yet %v", facts)
		}
		if strings.ContainsFunc(facts[probe.FactETypes], func(r rune) bool { return !strings.ContainsRune("0123456789- ", r) }) {
			t.Errorf("types %q", facts[probe.FactETypes])
		}
	})
}

// BenchmarkProbe measures this end and the test's server, which are in one process.
func BenchmarkProbe(b *testing.B) {
	reply := recorded(b, "samba-25")
	for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
		b.Run(string(transport), func(b *testing.B) {
			address := serve(b, transport, func([]byte) []byte { return reply })
			b.ReportAllocs()
			p := probeOf(address, transport)
			for b.Loop() {
				if res := run(p); res.Outcome != probe.OK {
					b.Fatal(res.Err)
				}
			}
		})
	}
}
