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
}

// Handle implements [slog.Handler].
func (h hiding) Handle(ctx context.Context, r slog.Record) error {
	hider := h.users.hider.Load()
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
	return hiding{h.Handler.WithAttrs(attrs), h.users}
}

// WithGroup implements [slog.Handler].
func (h hiding) WithGroup(name string) slog.Handler {
	return hiding{h.Handler.WithGroup(name), h.users}
}
