// Package web is what kerbagent shows over HTTP: the status page, the report
// and the last failures as JSON, metrics, health, and the reload. It reads
// results and findings and decides nothing about them; no request makes it
// resolve a name or dial, and it imports neither configuration nor a protocol.
//
// What a peer said is hostile text: it goes through report.Terminal, which
// makes the invisible visible, and then through html/template.
package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/docs"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/probe"
)

// State is everything that the page and the report show.
type State struct {
	Host, Version string
	Now, Started  time.Time
	Ready         bool // the first full round is over
	Report        diagnose.Report
	Entries       []results.Entry // the results, in the ladder's order
	Notes         []string        // what is paused, slowed or not recorded, one line each
	HideUsers     bool            // "user-1" in place of each user name
	Users         []string        // the users to hide, as in report.Input
}

// Source is the agent. Its methods are called by several goroutines at once.
type Source interface {
	State() State
	Failures() []recorder.Record // newest first, with users hidden where that is asked for
	Healthy() error              // nil while the daemon does its work
	Ready() error                // nil once the first full round is over
	Reload() error               // reads the configuration again; a bad one changes nothing
}

// Options of Handler.
type Options struct {
	// Lifecycle allows POST /-/reload.
	Lifecycle bool
	// Hosts are Host headers, without port, that are answered beside loopback
	// names and IP addresses. This host's own name belongs into it.
	Hosts []string
	// Metrics answers /metrics; nil: it is not found.
	Metrics http.Handler
	// Panicked hears of a request whose answer was a bug; it may be nil.
	Panicked func(path string, value any, stack []byte)
}

// The names of the flags that messages tell people to use.
const (
	HostsFlag     = "web.allowed-host"
	LifecycleFlag = "web.enable-lifecycle"
)

// Handler serves everything under /. Only what is listed here exists.
func Handler(s Source, o Options) http.Handler {
	h := &handler{source: s, lifecycle: o.Lifecycle}
	page := &shared{render: func() ([]byte, error) { return renderPage(s.State(), s.Failures()) }}
	rep := &shared{render: func() ([]byte, error) { return renderReport(s.State()) }}
	failures := &shared{render: func() ([]byte, error) { return renderFailures(s.Failures()) }}

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", serve("text/html; charset=utf-8", page))
	mux.Handle("GET /static/{name}", http.HandlerFunc(static))
	mux.HandleFunc("GET /codes/{code}", codePage)
	mux.Handle("GET /api/v1/report", serve("application/json", rep))
	mux.Handle("GET /api/v1/failures", serve("application/json", failures))
	mux.HandleFunc("GET /-/healthy", h.healthy)
	mux.HandleFunc("GET /-/ready", h.ready)
	mux.HandleFunc("POST /-/reload", h.reload)
	if o.Metrics != nil {
		mux.Handle("GET /metrics", inTurn(o.Metrics))
	}
	return headers(knownHosts(o.Hosts, safely(o.Panicked, mux)))
}

type handler struct {
	source    Source
	lifecycle bool
}

func (h *handler) healthy(w http.ResponseWriter, _ *http.Request) {
	answer(w, h.source.Healthy(), "healthy")
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	answer(w, h.source.Ready(), "ready")
}

func answer(w http.ResponseWriter, err error, good string) {
	if err != nil {
		http.Error(w, "not "+good+": "+report.Terminal(err.Error()), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, good)
}

// reload is for the administrator's curl. A browser may be made to send a POST
// by any page, so one that says where it comes from has to come from here.
func (h *handler) reload(w http.ResponseWriter, r *http.Request) {
	if !h.lifecycle {
		http.Error(w, "reload by HTTP is off: start kerbagent with --"+LifecycleFlag+", or send SIGHUP", http.StatusForbidden)
		return
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "refused: this request comes from another web page", http.StatusForbidden)
		return
	}
	if err := h.source.Reload(); err != nil {
		http.Error(w, "not reloaded, the old configuration stays:\n"+lines(err.Error()), http.StatusInternalServerError)
		return
	}
	answer(w, nil, "reloaded")
}

// lines is report.Terminal for a text of several lines.
func lines(s string) string {
	out := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range out {
		out[i] = report.Terminal(l)
	}
	return strings.Join(out, "\n")
}

// renderReport makes the object that `kerbagent check -o json` writes. Started
// is the oldest result's, so that the span covers all of them.
func renderReport(s State) ([]byte, error) {
	in := report.Input{Report: s.Report, Started: s.Now, HideUsers: s.HideUsers, Users: s.Users, Results: make([]probe.Result, len(s.Entries))}
	for i, e := range s.Entries {
		in.Results[i] = e.Result
		if e.Result.Started.Before(in.Started) {
			in.Started = e.Result.Started
		}
	}
	in.Elapsed = s.Now.Sub(in.Started)
	var b bytes.Buffer
	err := report.JSON(&b, in)
	return b.Bytes(), err
}

func renderFailures(records []recorder.Record) ([]byte, error) {
	if records == nil {
		records = []recorder.Record{}
	}
	b, err := json.Marshal(struct {
		Schema   int               `json:"schema"`
		Failures []recorder.Record `json:"failures"`
	}{1, records})
	if err != nil {
		return nil, fmt.Errorf("encoding failures: %w", err)
	}
	return append(b, '\n'), nil
}

// codePage serves what a finding means, for sites without a way to the project's pages.
func codePage(w http.ResponseWriter, r *http.Request) {
	page, ok := docs.Page(r.PathValue("code"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(page) // whoever has gone misses it
}
