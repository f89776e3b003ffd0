package metrics

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"testing"
)

// A compressed page is, to Go's own reader, the page; it is at most a quarter larger than what compress/gzip
// makes of it at its fastest, and holds no tables once it is made.
func TestCompressedPage(t *testing.T) {
	server := httptest.NewServer(full(Options{Lean: true}).Handler())
	defer server.Close()
	_, body := get(t, server.URL, "application/openmetrics-text;version=1.0.0")
	page, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	var usual bytes.Buffer
	w, _ := gzip.NewWriterLevel(&usual, gzip.BestSpeed)
	w.Write(page)
	w.Close()
	ours := compressed(page)
	if ours.Len() > usual.Len()*5/4 {
		t.Errorf("a page of %d bytes became %d, with compress/gzip %d", len(page), ours.Len(), usual.Len())
	}
	r, err := gzip.NewReader(&ours)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, page) {
		t.Fatalf("%d bytes became %d, %v", len(page), len(got), err)
	}
}

func BenchmarkCompressed(b *testing.B) {
	page := bytes.Repeat([]byte("kerbagent_probe_success{probe=\"kdc\",server=\"dc1.corp.example.com\"} 1\n"), 400)
	b.ReportAllocs()
	for b.Loop() {
		compressed(page)
	}
}
