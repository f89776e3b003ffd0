package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/web"
)

// ask sends one request with headers given as "Name: value".
func ask(t testing.TB, h http.Handler, method, url string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	for _, l := range header {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get asks as a local browser would.
func get(t testing.TB, h http.Handler, path string) (int, string) {
	t.Helper()
	w := ask(t, h, http.MethodGet, "http://localhost:10088"+path)
	return w.Code, w.Body.String()
}

func TestPaths(t *testing.T) {
	busy := &source{state: fleet(20, 3), failures: []recorder.Record{{Count: 1, Result: []byte(`{"id":"x"}`)}}}
	broken := &source{unhealthy: errors.New("the scheduler stands still"), unready: errors.New("12 of 40 probes have run\x1b[2J"), reload: errors.New("kerbagent.yaml:3: realms: \x1b[2J\n> 3 | x")}
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "kerbagent_up 1\n") })
	all := web.Options{Lifecycle: true, Metrics: metrics}
	for _, c := range []struct {
		name         string
		s            *source
		o            web.Options
		method, path string
		code         int
		contentType  string
		body         string
	}{
		{"page", busy, all, "GET", "/", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"page, with a query", busy, all, "GET", "/?x", 200, "text/html; charset=utf-8", "<!doctype html>"},
		{"style", busy, all, "GET", "/static/page.css", 200, "text/css; charset=utf-8", ":root"},
		{"script", busy, all, "GET", "/static/page.js", 200, "text/javascript; charset=utf-8", "fetch"},
		{"icon", busy, all, "GET", "/static/failed.svg", 200, "image/svg+xml", "<svg"},
		{"no list of files", busy, all, "GET", "/static/", 404, "", ""},
		{"no file of ours", busy, all, "GET", "/static/web.go", 404, "", ""},
		{"not out of the folder", busy, all, "GET", "/static/..%2fpage.html", 404, "", ""},
		{"report", busy, all, "GET", "/api/v1/report", 200, "application/json", `"schema": 1`},
		{"failures", busy, all, "GET", "/api/v1/failures", 200, "application/json", `{"schema":1,"failures":[{`},
		{"no failures", broken, all, "GET", "/api/v1/failures", 200, "application/json", `{"schema":1,"failures":[]}`},
		{"metrics", busy, all, "GET", "/metrics", 200, "", "kerbagent_up 1"},
		{"no metrics", busy, web.Options{}, "GET", "/metrics", 404, "", ""},
		{"healthy", busy, all, "GET", "/-/healthy", 200, "text/plain; charset=utf-8", "healthy"},
		{"not healthy", broken, all, "GET", "/-/healthy", 503, "text/plain; charset=utf-8", "not healthy: the scheduler stands still"},
		{"ready", busy, all, "GET", "/-/ready", 200, "text/plain; charset=utf-8", "ready"},
		{"not ready", broken, all, "GET", "/-/ready", 503, "text/plain; charset=utf-8", `not ready: 12 of 40 probes have run\x1b[2J`},
		{"reload", busy, all, "POST", "/-/reload", 200, "text/plain; charset=utf-8", "reloaded"},
		{"reload a bad file", broken, all, "POST", "/-/reload", 500, "text/plain; charset=utf-8", "the old configuration stays:\nkerbagent.yaml:3: realms: \\x1b[2J\n> 3 | x"},
		{"reload without the flag", busy, web.Options{}, "POST", "/-/reload", 403, "text/plain; charset=utf-8", "--web.enable-lifecycle"},
		{"reload by a link", busy, all, "GET", "/-/reload", 405, "", ""},
		{"the page is not to be written", busy, all, "POST", "/", 405, "", ""},
		{"unknown", busy, all, "GET", "/debug/pprof/", 404, "", ""},
		{"unknown API", busy, all, "GET", "/api/v1/results", 404, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(t, web.Handler(c.s, c.o), c.method, "http://127.0.0.1:10088"+c.path)
			if w.Code != c.code || !strings.Contains(w.Body.String(), c.body) {
				t.Errorf("%d %q, want %d %q", w.Code, w.Body.String()[:min(300, w.Body.Len())], c.code, c.body)
			}
			if got := w.Header().Get("Content-Type"); c.contentType != "" && got != c.contentType {
				t.Errorf("type %q, want %q", got, c.contentType)
			}
			if strings.ContainsRune(w.Body.String(), 0x1b) {
				t.Error("a terminal would obey this answer")
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "default-src 'none'",
			} {
				if got := w.Header().Get(name); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %q", name, got)
				}
			}
			if p := w.Header().Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") {
				t.Errorf("policy %q", p)
			}
		})
	}
}

// A HEAD has the headers of a GET and no body.
func TestHead(t *testing.T) {
	server := httptest.NewServer(web.Handler(&source{state: fleet(20, 0)}, web.Options{}))
	defer server.Close()
	for _, path := range []string{"/", "/api/v1/report", "/-/healthy", "/static/page.css"} {
		r, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK || r.ContentLength == 0 {
			t.Errorf("%s: %s, length %d", path, r.Status, r.ContentLength)
		}
	}
}

// A web page whose name was made to resolve to this host reads nothing.
func TestHosts(t *testing.T) {
	h := web.Handler(&source{state: fleet(8, 0)}, web.Options{Hosts: []string{"App1.corp.example.com"}})
	for host, want := range map[string]int{
		"localhost": 200, "LOCALHOST:10088": 200, "kerbagent.localhost:1": 200, "127.0.0.1:10088": 200, "10.0.0.7": 200, "[::1]:10088": 200, "[fd00::1]": 200,
		"app1.corp.example.com:10088": 200, "app1.corp.example.com.": 200, "": 200,
		"evil.example": 421, "evil.example:10088": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "corp.example.com": 421, "app2.corp.example.com": 421,
		"[::1": 421, "127.0.0.1:1:2": 421,
	} {
		for _, path := range []string{"/", "/api/v1/report", "/-/ready"} {
			r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("Host %q: %d, want %d", host, w.Code, want)
			}
			if want == 421 && !strings.Contains(w.Body.String(), "--"+web.HostsFlag) {
				t.Errorf("Host %q: the refusal does not say what to do: %s", host, w.Body)
			}
		}
	}
	if w := ask(t, h, "GET", "https://evil.example/"); w.Code != 200 {
		t.Errorf("over TLS, where the certificate names the host: %d", w.Code)
	}
}

// Any page can make a browser send a POST here.
func TestReloadFromAfar(t *testing.T) {
	for _, c := range []struct {
		name   string
		header []string
		code   int
	}{
		{"curl", nil, 200},
		{"the page itself", []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:10088"}, 200},
		{"another site", []string{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"}, 403},
		{"another port of this host", []string{"Sec-Fetch-Site: same-site", "Origin: http://localhost:3000"}, 403},
		{"another site, an old browser", []string{"Origin: https://evil.example"}, 403},
		{"a sandboxed frame", []string{"Origin: null"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &source{}
			w := ask(t, web.Handler(s, web.Options{Lifecycle: true}), "POST", "http://localhost:10088/-/reload", c.header...)
			if w.Code != c.code || (s.reloads == 1) != (c.code == 200) {
				t.Errorf("%d after %d reloads, want %d: %s", w.Code, s.reloads, c.code, w.Body)
			}
		})
	}
}

// The API's report is the one of `kerbagent check -o json`.
func TestReport(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(report.Schema())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("report.json")
	s := rehearse(t, "kdc-tcp-blocked")
	s.HideUsers = true
	_, body := get(t, web.Handler(&source{state: s}, web.Options{}), "/api/v1/report")
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Error(err)
	}
	var got struct {
		Verdict  string
		Findings []struct{ Code string }
		Results  []any
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Verdict != "failed" || got.Findings[0].Code != "kdc-tcp-blocked" || len(got.Results) != len(s.Entries) {
		t.Errorf("%v: %+v", err, got)
	}
	if strings.Contains(body, "carol") {
		t.Error("a user's name is shown")
	}
}

// A thousand readers at once cost one page.
func TestManyReaders(t *testing.T) {
	s := &source{state: fleet(2000, 9)}
	h := web.Handler(s, web.Options{})
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if code, _ := get(t, h, "/"); code != http.StatusOK {
				t.Error(code)
			}
		})
	}
	wg.Wait()
	if s.states > 10 { // one a second
		t.Errorf("the page was made %d times", s.states)
	}
}

// Readers that stop reading share one page, too.
func TestSlowReaders(t *testing.T) {
	server := httptest.NewUnstartedServer(web.Handler(&source{state: fleet(2000, 9)}, web.Options{}))
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if err := c.(*net.TCPConn).SetWriteBuffer(4 << 10); err != nil { // else the kernel takes the whole page
			t.Error(err)
		}
		return ctx
	}
	server.Start()
	defer server.Close()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const readers = 500
	before := heap()
	for range readers {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // it has begun to answer
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > readers*64<<10 {
		t.Errorf("%d slow readers hold %d KiB each", readers, grown/readers>>10)
	}
}

// The page is not kept for longer than that.
func TestFresh(t *testing.T) {
	state := fleet(8, 0)
	synctest.Test(t, func(t *testing.T) {
		s := &source{state: state}
		h := web.Handler(s, web.Options{})
		get(t, h, "/")
		state.Host = "renamed"
		s.set(state)
		time.Sleep(1100 * time.Millisecond) // of the bubble's clock
		if _, page := get(t, h, "/"); !strings.Contains(page, "renamed") {
			t.Error("a second later the page is the old one")
		}
	})
}

// Scrapes wait for their turn, and a turn that never comes is said.
func TestScrapesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most := 0, 0
		took := time.Second
		h := web.Handler(&source{}, web.Options{Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(took) // of the bubble's clock
			mu.Lock()
			now--
			mu.Unlock()
		})})
		codes := func(n int) map[int]int {
			out := map[int]int{}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					code, _ := get(t, h, "/metrics")
					mu.Lock()
					out[code]++
					mu.Unlock()
				})
			}
			wg.Wait()
			return out
		}
		if got := fmt.Sprint(codes(64)); got != "map[200:64]" {
			t.Errorf("64 scrapes of a second each: %s", got)
		}
		took = time.Minute
		if got := fmt.Sprint(codes(64)); got != "map[200:16 503:48]" {
			t.Errorf("64 scrapes of a minute each: %s", got)
		}
		if most > 16 {
			t.Errorf("%d at once", most)
		}
		if code, _ := get(t, h, "/metrics"); code != 200 {
			t.Errorf("afterwards: %d", code)
		}
	})
}

// A browser asks whether the files have changed, and gets them only if so.
func TestStaticFilesAreRevalidated(t *testing.T) {
	h := web.Handler(&source{}, web.Options{})
	first := ask(t, h, "GET", "http://localhost/static/page.js")
	if got := first.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
	if w := ask(t, h, "GET", "http://localhost/static/page.js", "If-None-Match: "+first.Header().Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("asked again: %d, %d bytes", w.Code, w.Body.Len())
	}
}
