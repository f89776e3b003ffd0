package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// Every finding has its page here, and nothing else is served.
func TestPagesOfFindings(t *testing.T) {
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		Handler(nil, Options{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		return w
	}
	for _, r := range diagnose.Catalogue() {
		w := get("/codes/" + string(r.Code))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), string(r.Code)) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d", r.Code, w.Code)
		}
	}
	if w := get("/codes/alerts"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "### KerbagentFleetStale") {
		t.Errorf("alerts: %d", w.Code)
	}
	for _, path := range []string{"/codes/", "/codes/none", "/codes/..%2fdashboards", "/codes/README.md", "/codes/%2e%2e"} {
		if w := get(path); w.Code == http.StatusOK {
			t.Errorf("%s is served", path)
		}
	}
}
