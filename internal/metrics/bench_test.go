package metrics

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// cpu is what this process has used so far, user and system.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScrape is one rendered scrape of 10,000 series: at most 50 ms of
// CPU, packed by gzip as Prometheus asks for, garbage collection included.
func BenchmarkScrape(b *testing.B) {
	for _, accept := range []string{"text/plain", "application/openmetrics-text;version=1.0.0", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"} {
		b.Run(accept[:strings.IndexAny(accept+";", ";")], func(b *testing.B) {
			m := New(Options{})
			m.Track(large(300))
			for _, t := range large(300) {
				m.Observe(ran(t, probe.OK, "", probe.Samples{probe.SampleSkew: 0.1}, probe.Stage{Name: "as", Duration: time.Millisecond}))
			}
			handler := m.Handler()
			n := strings.Count(scrapeAll(m), "\n")
			before := cpu(b)
			for b.Loop() {
				r := httptest.NewRequest("GET", fmt.Sprintf("/metrics?%d", b.Elapsed()), nil) // a page that was not kept
				r.Header.Set("Accept", accept)
				r.Header.Set("Accept-Encoding", "gzip")
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
			b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "CPU-ms/scrape")
			b.ReportMetric(float64(n), "series")
		})
	}
}

// scrapeAll returns the samples of a plain scrape.
func scrapeAll(m *Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var out strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// BenchmarkScrapeLean is a scrape of the usual set-up by a Prometheus that takes native
// histograms.
func BenchmarkScrapeLean(b *testing.B) {
	m := New(Options{Version: "test", Lean: true})
	inUse(m)
	handler := m.Handler()
	before := cpu(b)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("GET", fmt.Sprintf("/metrics?%d", b.Elapsed()), nil) // a page that was not kept
		r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
		r.Header.Set("Accept-Encoding", "gzip")
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "CPU-ms/scrape")
}

func BenchmarkObserve(b *testing.B) {
	m := New(Options{})
	m.Track([]probe.Target{kdcTCP})
	r := ran(kdcTCP, probe.OK, "", probe.Samples{probe.SampleSkew: 0.1}, probe.Stage{Name: "connect", Duration: time.Millisecond}, probe.Stage{Name: "as", Duration: time.Millisecond})
	b.ReportAllocs()
	for b.Loop() {
		m.Observe(r)
	}
}

// BenchmarkPlan is a plan of 10,000 probes and another: how long a change
// takes, and what a probe costs in live heap, having run once.
func BenchmarkPlan(b *testing.B) {
	one, other := large(5000), large(5001)[2:]
	m := New(Options{})
	for b.Loop() {
		m.Track(one)
		m.Track(other)
	}
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m = New(Options{})
	before := heap()
	m.Track(one)
	for _, t := range one {
		m.Observe(ran(t, probe.OK, "", nil, probe.Stage{Name: "connect"}, probe.Stage{Name: "as"}))
	}
	b.ReportMetric(float64(heap()-before)/float64(len(one)), "B/probe")
	runtime.KeepAlive(m)
}

// What the docs say a host has must be about so.
func TestTypicalHost(t *testing.T) {
	var targets []probe.Target
	at := func(last byte, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, last}), port)
	}
	for realm, dcs := range map[string][]byte{"corp.example.com": {10, 11}, "onprem.local": {20, 21}} {
		questions := []string{"SOA:", "A:", "AAAA:", "SRV:_kerberos._udp.", "SRV:_kerberos._tcp.", "SRV:_kpasswd._udp.", "SRV:_kpasswd._tcp.", "SRV:_ldap._tcp."}
		for _, dc := range append(dcs, 2) { // and this host's resolver
			for i, q := range questions {
				targets = append(targets, probe.Target{ID: probe.ID{Kind: probe.DNS, Target: q + realm, Address: at(dc, 53), Transport: probe.UDP}})
				if i == 0 || i == 4 {
					targets = append(targets, probe.Target{ID: probe.ID{Kind: probe.DNS, Target: q + realm, Address: at(dc, 53), Transport: probe.TCP}})
				}
			}
		}
		for _, dc := range dcs {
			for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
				host := fmt.Sprintf("dc%d.%s", dc, realm)
				targets = append(targets,
					probe.Target{ID: probe.ID{Kind: probe.KDC, Target: host, Address: at(dc, 88), Transport: transport}},
					probe.Target{ID: probe.ID{Kind: probe.KDC, Target: host, Address: at(dc, 88), Transport: transport, Variant: "large"}},
					probe.Target{ID: probe.ID{Kind: probe.Kpasswd, Target: host, Address: at(dc, 464), Transport: transport}})
			}
		}
	}
	for _, q := range []string{"A:orders.example.com", "AAAA:orders.example.com"} {
		targets = append(targets, probe.Target{ID: probe.ID{Kind: probe.DNS, Target: q, Address: at(2, 53), Transport: probe.UDP}})
	}
	targets = append(targets, writer, alice, etl, file)
	m := New(Options{})
	m.Track(targets)
	stages := map[probe.Kind][]string{
		probe.DNS: {"query"}, probe.KDC: {"as"}, probe.Kpasswd: {"kpasswd"}, probe.Database: {"db-connect", "db-greeting", "db-tls", "db-switch"},
		probe.Login:    {"locate", "kdc-connect", "as", "as-preauth", "tgs", "db-connect", "db-greeting", "db-tls", "db-switch", "db-token", "query"},
		probe.Krb5Conf: {"read", "lint"},
	}
	for _, target := range targets {
		r := ran(target, probe.OK, "", probe.Samples{probe.SampleSkew: 0.1, probe.SamplePasswordExpiry: 2e9, probe.SampleCertExpiry: 2e9})
		for _, s := range stages[target.ID.Kind] {
			r.Stages = append(r.Stages, probe.Stage{Name: s, Duration: time.Millisecond})
		}
		if target.ID.Transport == probe.TCP && target.ID.Kind != probe.Database {
			r.Stages = append(r.Stages, probe.Stage{Name: "connect", Duration: time.Millisecond})
		}
		m.Observe(r)
	}
	got := strings.Count(scrapeAll(m), "\n")
	t.Logf("%d probes, %d series", len(targets), got)
	if got < typicalSeries-100 || got > typicalSeries+100 {
		t.Errorf("%d series, the docs say about %d", got, typicalSeries)
	}
}
