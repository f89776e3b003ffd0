package web

import (
	"net/http"
	"slices"
	"time"
)

// piece is what a reader has to take within limits.write: 64 KiB in 15 seconds is
// 35 kbit/s, less than any link that somebody works on.
const piece = 64 << 10

// steady lets an answer take longer than limits.write, limits.answer at most, as long
// as its reader takes a piece of it within each limits.write. The report of a few
// thousand servers is 3 MB, which a slow link does not take in 15 seconds.
func steady(l *limits, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&steadyWriter{ResponseWriter: w, each: l.write, end: time.Now().Add(l.answer)}, r)
	})
}

type steadyWriter struct {
	http.ResponseWriter
	each time.Duration
	end  time.Time
}

// Write writes b in pieces, each with its own deadline.
func (w *steadyWriter) Write(b []byte) (int, error) {
	written := 0
	for part := range slices.Chunk(b, piece) {
		deadline := time.Now().Add(w.each)
		if w.end.Before(deadline) {
			deadline = w.end
		}
		// Where a deadline cannot be set, the server's own limit stays.
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
		n, err := w.ResponseWriter.Write(part)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Unwrap is what http.ResponseController looks for.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush sends what was written so far.
func (w *steadyWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
