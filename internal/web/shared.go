package web

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/report"
)

// fresh is how long an answer is given again. Results come every few seconds,
// so nobody sees the difference.
const fresh = time.Second

// shared is an answer that is made at most once a second, however many ask for
// it, and that all who read it at the same time share: a thousand readers, or
// slow ones, cost no more memory than a few.
type shared struct {
	render func() ([]byte, error)

	mu   sync.Mutex
	made time.Time
	body []byte
}

func (s *shared) get() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil && time.Since(s.made) < fresh {
		return s.body, nil
	}
	body, err := s.render()
	if err != nil {
		return nil, err
	}
	s.body, s.made = body, time.Now() // monotonic: no step of the clock keeps it
	return body, nil
}

func serve(contentType string, s *shared) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, err := s.get()
		if err != nil {
			http.Error(w, "this is a bug of kerbagent: "+report.Terminal(err.Error()), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // a reader that has gone needs no answer
	})
}

// Metrics differ by what a scraper accepts, so they are not shared. Each one
// in the making costs memory: the others wait for their turn, and not forever.
const (
	metricsAtOnce = 16
	metricsWait   = 5 * time.Second
)

func inTurn(next http.Handler) http.Handler {
	slots := make(chan struct{}, metricsAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		late := time.NewTimer(metricsWait)
		defer late.Stop()
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		case <-late.C:
			w.Header().Set("Retry-After", "10")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
		case <-r.Context().Done():
		}
	})
}
