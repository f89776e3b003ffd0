package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/report"
)

// users is whose names are hidden, where they are.
type users struct {
	hide  bool                         // from the start to the end: what was shown once cannot be taken back
	hider atomic.Pointer[report.Hider] // hides user names in the log; nil: nobody is hidden

	mu    sync.Mutex
	names []string
}

func newUsers(cfg *config.Config) *users {
	u := &users{hide: cfg.HideUsers}
	u.learn(cfg)
	return u
}

// learn takes in the users of a configuration, and returns all that are known.
// Those of earlier ones, of whom there may be a word to say yet, come after them.
func (u *users) learn(cfg *config.Config) []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := cfg.Users()
	for _, name := range u.names {
		if !slices.Contains(now, name) {
			now = append(now, name)
		}
	}
	u.names = now
	if u.hide {
		u.hider.Store(report.NewHider(now))
	}
	return now
}

// all returns all users that are known.
func (u *users) all() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.names
}

// hiding is a log without names of users, in whatever is logged.
type hiding struct {
	slog.Handler
	users *users
	with  []func(slog.Handler, *report.Hider) slog.Handler // attributes and groups to be added: who is hidden may change
}

// Handle implements [slog.Handler].
func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	to, hider := h.Handler, h.users.hider.Load()
	for _, add := range h.with {
		to = add(to, hider)
	}
	if hider == nil {
		return to.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, hider.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(hidden(a, hider))
		return true
	})
	return to.Handle(ctx, out)
}

// hidden returns an attribute without names, in its groups too.
func hidden(a slog.Attr, hider *report.Hider) slog.Attr {
	if hider == nil {
		return a
	}
	a.Key = hider.Text(a.Key)
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString, slog.KindAny:
		a.Value = slog.StringValue(hider.Text(v.String()))
	case slog.KindGroup:
		a.Value = slog.GroupValue(hiddenAll(v.Group(), hider)...)
	}
	return a
}

func hiddenAll(attrs []slog.Attr, hider *report.Hider) []slog.Attr {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = hidden(a, hider)
	}
	return out
}

// WithAttrs implements [slog.Handler].
func (h hiding) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.and(func(to slog.Handler, hider *report.Hider) slog.Handler { return to.WithAttrs(hiddenAll(attrs, hider)) })
}

// WithGroup implements [slog.Handler].
func (h hiding) WithGroup(name string) slog.Handler {
	return h.and(func(to slog.Handler, hider *report.Hider) slog.Handler {
		return to.WithGroup(hidden(slog.Attr{Key: name}, hider).Key)
	})
}

func (h hiding) and(add func(slog.Handler, *report.Hider) slog.Handler) slog.Handler {
	h.with = append(slices.Clone(h.with), add)
	return h
}
