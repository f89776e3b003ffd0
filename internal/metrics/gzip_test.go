package metrics

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
)

// opened is what compress/gzip, which checks length and sum, makes of a page that was squeezed twice by one squeezer.
func opened(t *testing.T, page []byte) (size int) {
	t.Helper()
	var s squeezer
	s.gzip(nil, append([]byte("another page before it: "), page...))
	packed := s.gzip(nil, page)
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, page) {
		t.Fatalf("%d bytes became %d, %v", len(page), len(got), err)
	}
	return len(packed)
}

// Lengths and distances around each power of two, where codes change.
func TestSqueezedPagesAreGzip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3*window)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	for _, length := range []int{0, 1, 3, 4, 10, 11, 12, 18, 19, 34, 35, 66, 67, 130, 131, 226, 227, 256, 257, 258, 259, 260, 262, 600} {
		opened(t, noise[:length])
		for _, distance := range []int{1, 2, 3, 4, 5, 8, 9, 16, 17, 64, 65, 1024, 1025, window - 1, window, window + 1, 2 * window} {
			page := bytes.Clone(noise[:max(distance, length)])
			page = append(page, page[len(page)-distance:][:min(length, distance)]...)
			opened(t, append(page, bytes.Repeat(page[len(page)-min(distance, len(page)):], 1+length/max(distance, 1))...))
		}
	}
}

// A page is at most a quarter larger than what compress/gzip makes of it at its fastest.
func TestSqueezedPageIsSmall(t *testing.T) {
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
	if size := opened(t, page); size > usual.Len()*5/4 {
		t.Errorf("a page of %d bytes became %d, with compress/gzip %d", len(page), size, usual.Len())
	}
}

func FuzzSqueezer(f *testing.F) {
	f.Add([]byte(strings.Repeat("kerbagent_probe_success{probe=\"kdc\"} 1\n", 20)))
	f.Fuzz(func(t *testing.T, page []byte) { opened(t, page) })
}
