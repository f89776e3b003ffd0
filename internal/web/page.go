package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/recorder"
)

//go:embed page.html
var pageText string

//go:embed static
var files embed.FS

// page is parsed when it is first asked for, which no other command does; nothing changes it.
var page = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

func renderPage(s State, records []recorder.Record) ([]byte, error) {
	var b bytes.Buffer
	if err := page().Execute(&b, newView(s, records)); err != nil {
		return nil, fmt.Errorf("making page: %w", err)
	}
	return b.Bytes(), nil
}

// static serves the page's own files. A browser asks whether they have changed,
// so that page and script are never of two versions.
func static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, err := files.ReadFile("static/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}
