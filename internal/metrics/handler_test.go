package metrics

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/kerbagent/kerbagent/probe"
)

// get scrapes as Prometheus does.
func get(t *testing.T, url, accept string) (*http.Response, io.Reader) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	body, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func TestFormats(t *testing.T) {
	server := httptest.NewServer(full(Options{}).Handler())
	defer server.Close()
	resp, body := get(t, server.URL, "application/openmetrics-text;version=1.0.0")
	text, err := io.ReadAll(body)
	if err != nil || resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(string(text), "# EOF\n") {
		t.Errorf("OpenMetrics: status %d, %s, %d bytes, %v", resp.StatusCode, resp.Header.Get("Content-Type"), len(text), err)
	}

	resp, body = get(t, server.URL, "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	histograms, limits := 0, bounds()
	classic := func(b *dto.Bucket, limit float64) bool { return b.GetUpperBound() == limit }
	for d := expfmt.NewDecoder(body, expfmt.ResponseFormat(resp.Header)); ; {
		var f dto.MetricFamily
		if err := d.Decode(&f); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, one := range f.Metric {
			if h := one.Histogram; h != nil && h.GetSampleCount() > 0 {
				histograms++
				if h.Schema == nil || len(h.PositiveSpan) == 0 || !slices.EqualFunc(h.Bucket, limits[:], classic) {
					t.Errorf("%s: not a native and a classic histogram in one: %v", f.GetName(), h)
				}
			}
		}
	}
	if histograms == 0 {
		t.Error("no histogram in the protobuf")
	}
}

// Prometheus that takes native histograms gets them of the lean level too, beside one that
// does not: a page that was made for one is not served to the other. The headers are what
// Prometheus 2.42 and 3.5 sent.
func TestNativeHistogramsBesideText(t *testing.T) {
	m := New(Options{Version: "test", Lean: true})
	inUse(m)
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	const text = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
	for name, native := range map[string]string{
		"2.42": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited," + text,
		"3.5": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6," +
			"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
			"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	} {
		for range 2 { // the second page is a kept one
			if resp, _ := get(t, server.URL, text); !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/openmetrics-text") {
				t.Errorf("%s: text is %s", name, resp.Header.Get("Content-Type"))
			}
			resp, body := get(t, server.URL, native)
			if n := nativeOf(t, probeDuration, expfmt.NewDecoder(body, expfmt.ResponseFormat(resp.Header))); n == 0 {
				t.Errorf("%s: no native histogram in %s", name, resp.Header.Get("Content-Type"))
			}
		}
	}
}

// nativeOf counts the native histograms of a name.
func nativeOf(t *testing.T, name string, d expfmt.Decoder) (n int) {
	t.Helper()
	for {
		var f dto.MetricFamily
		if err := d.Decode(&f); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		for _, one := range f.Metric {
			if f.GetName() == name && one.Histogram.GetSampleCount() > 0 && len(one.Histogram.GetPositiveSpan()) > 0 {
				n++
			}
		}
	}
}

// large is a plan of n hosts, as if each were asked over two transports.
func large(n int) []probe.Target {
	var targets []probe.Target
	for i := range n {
		for _, transport := range []probe.Transport{probe.UDP, probe.TCP} {
			targets = append(targets, probe.Target{ID: probe.ID{Kind: probe.KDC, Target: fmt.Sprintf("dc%d.corp.example.com", i), Transport: transport,
				Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 88)}})
		}
	}
	return targets
}

// counting counts how often a page is rendered.
type counting struct {
	http.Handler
	n atomic.Int32
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.n.Add(1)
	c.Handler.ServeHTTP(w, r)
}

// slowly has the socket buffers of a connection so small that a page does not
// fit into them.
func slowly(ctx context.Context, c net.Conn) context.Context {
	_ = c.(*net.TCPConn).SetWriteBuffer(4096)
	return ctx
}

// nowhere is a ResponseWriter that only counts.
type nowhere struct {
	header http.Header
	status int
	bytes  int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(b []byte) (int, error) { n.bytes += len(b); return len(b), nil }

// A thousand scrapes while others have asked and do not read: all are answered,
// by a handful of renderings.
func TestManyAtOnceBesideSlowReaders(t *testing.T) {
	m := New(Options{})
	m.Track(large(500))
	h := m.Handler().(*pages)
	h.readTime = time.Hour
	rendered := &counting{Handler: h.render}
	h.render = rendered
	server := httptest.NewUnstartedServer(h)
	server.Config.ConnContext = slowly
	server.Start()
	defer server.Close()

	const slow = maxReaders - 1000
	for range slow {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun to answer
			t.Fatal(err)
		}
	}

	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			w := &nowhere{header: http.Header{}}
			h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			if w.status != http.StatusOK || w.bytes < 100_000 {
				t.Errorf("status %d, %d bytes", w.status, w.bytes)
			}
		})
	}
	wg.Wait()
	if got := len(h.readers); got != slow {
		t.Errorf("%d readers hold a place, want the %d slow ones", got, slow)
	}
	if n := rendered.n.Load(); n > slow { // each slow one may have come more than a second after the last
		t.Errorf("%d renderings", n)
	}

	for range 1000 { // and no more than there are places for
		h.readers <- struct{}{}
	}
	w := &nowhere{header: http.Header{}}
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.status != http.StatusServiceUnavailable || w.header.Get("Retry-After") == "" {
		t.Errorf("the one too many got status %d", w.status)
	}
}

// A reader that has had its time loses its connection, and its place.
func TestSlowReaderIsCutOff(t *testing.T) {
	m := New(Options{})
	m.Track(large(1000))
	h := m.Handler().(*pages)
	h.readTime = 1 // a nanosecond
	server := httptest.NewServer(h)
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the whole page came")
	}
}

func TestFormatsAreNotHoarded(t *testing.T) {
	h := New(Options{}).Handler().(*pages)
	for i := range 100 {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", fmt.Sprintf("text/plain;q=0.%d", i))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatalf("status %d", w.Code)
		}
	}
	if len(h.kept) > maxPages {
		t.Errorf("%d pages are kept", len(h.kept))
	}
}
