package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/report"
)

// Users lists the configured users (user@REALM), each once, in the order of
// their logins: where names are hidden, the first is user-1 in every output.
func Users(cfg *config.Config) []string {
	var out []string
	for _, l := range cfg.Logins {
		if !slices.Contains(out, l.Principal()) {
			out = append(out, l.Principal())
		}
	}
	return out
}

// know takes in the users of a configuration. Those of earlier ones, of whom
// there may be a word to say yet, come after them. Under d.mu.
func (d *daemon) know(cfg *config.Config) {
	now := Users(cfg)
	for _, u := range d.users {
		if !slices.Contains(now, u) {
			now = append(now, u)
		}
	}
	d.users = now
	if d.hideUsers {
		d.hider.Store(report.NewHider(now))
	}
}

// hiding is a log without names of users, in whatever is logged.
type hiding struct {
	slog.Handler
	hider *atomic.Pointer[report.Hider] // of nil: nobody is hidden
}

// Handle implements [slog.Handler].
func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	hider := h.hider.Load()
	if hider == nil {
		return h.Handler.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, hider.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if v := a.Value.Resolve(); v.Kind() == slog.KindString || v.Kind() == slog.KindAny {
			a.Value = slog.StringValue(hider.Text(v.String()))
		}
		out.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements [slog.Handler].
func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	return hiding{h.Handler.WithAttrs(attrs), h.hider}
}

// WithGroup implements [slog.Handler].
func (h hiding) WithGroup(name string) slog.Handler {
	return hiding{h.Handler.WithGroup(name), h.hider}
}
