package metrics

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What scrapes may cost. Prometheus gives up after 10 s by default.
const (
	pageLife   = time.Second      // how long a rendered page serves everybody who asks alike
	maxPages   = 16               // of formats and encodings: what one may ask for is endless
	maxReaders = 1024             // at once; one that reads slowly holds on to a page, which others share
	readTime   = 10 * time.Second // how long a reader may take
)

// page is one rendered scrape.
type page struct {
	done   time.Time
	status int
	header http.Header
	body   bytes.Buffer
}

func (p *page) Header() http.Header         { return p.header }
func (p *page) WriteHeader(status int)      { p.status = status }
func (p *page) Write(b []byte) (int, error) { return p.body.Write(b) }

// pages renders one scrape at a time and keeps it for a moment, so that a
// thousand at once cost one; and it writes with nothing locked, so that a slow
// reader keeps nobody waiting.
type pages struct {
	render   http.Handler
	readers  chan struct{}
	readTime time.Duration

	mu   sync.Mutex
	kept map[string]*page
}

// Handler serves the exposition: text, OpenMetrics or, with native histograms,
// protobuf; gzip where it is asked for.
func (m *Metrics) Handler() http.Handler {
	return &pages{
		render:   promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, DisableCompression: true}),
		readers:  make(chan struct{}, maxReaders),
		readTime: readTime,
		kept:     map[string]*page{},
	}
}

func (s *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.readers <- struct{}{}:
		defer func() { <-s.readers }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many scrapes at once", http.StatusServiceUnavailable)
		return
	}
	p := s.page(r)
	for k, v := range p.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", strconv.Itoa(p.body.Len()))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.readTime)) // a writer that has none has its own
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body.Bytes()) // whoever has gone misses it
}

// page returns the scrape that r asks for. Nobody changes it any more.
func (s *pages) page(r *http.Request) *page {
	asked := fmt.Sprintf("%q %q %q", r.Header["Accept"], r.Header["Accept-Encoding"], r.URL.RawQuery)
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, p := range s.kept {
		if time.Since(p.done) >= pageLife {
			delete(s.kept, k)
		}
	}
	if p := s.kept[asked]; p != nil {
		return p
	}
	p := &page{status: http.StatusOK, header: http.Header{"Vary": {"Accept-Encoding"}}}
	s.render.ServeHTTP(p, r)
	if takesGzip(r.Header["Accept-Encoding"]) {
		p.body = compressed(p.body.Bytes())
		p.header.Set("Content-Encoding", "gzip")
	}
	p.done = time.Now()
	if len(s.kept) < maxPages {
		s.kept[asked] = p
	}
	return p
}

// takesGzip reports whether a client takes gzip (RFC 9110 §12.5.3).
func takesGzip(accept []string) bool {
	for _, coding := range strings.Split(strings.Join(accept, ","), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(coding), ";")
		_, q, _ := strings.Cut(strings.ReplaceAll(weight, " ", ""), "q=")
		none, err := strconv.ParseFloat(q, 64)
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return err != nil || none > 0
		}
	}
	return false
}
