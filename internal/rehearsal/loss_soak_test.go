//go:build soak

package rehearsal

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/daemon"
)

var (
	rate  = flag.Float64("rate", 0.4, "share of the packets that are lost, of those to every server")
	lasts = flag.Duration("for", 8*time.Minute, "how long the daemon watches")
)

// told takes down which findings began and ended in the daemon's log.
type told struct {
	slog.Handler
	mu           sync.Mutex
	began, ended []string
}

func (l *told) Enabled(context.Context, slog.Level) bool { return true }

func (l *told) Handle(_ context.Context, r slog.Record) error {
	code := ""
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "code" {
			code = a.Value.String()
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Message {
	case "finding began":
		l.began = append(l.began, code)
	case "finding ended":
		l.ended = append(l.ended, code)
	}
	return nil
}

func (l *told) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *told) WithGroup(string) slog.Handler { return l }

// Packets that are lost now here, now there, are one finding that stays, and none where
// nothing is lost (-rate 0 -for 1h).
func TestTheDaemonUnderLoss(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), *lasts)
	defer cancel()
	var r *rough
	w, err := startWith(ctx, Windows, func(w *World) error {
		r = &rough{path: &w.path, rng: rand.New(rand.NewPCG(1, 1))}
		for _, all := range []string{"0.0.0.0/0", "::/0"} {
			r.rules = append(r.rules, roughRule{to: netip.MustParsePrefix(all), loss: *rate})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	log := &told{}
	err = daemon.Run(ctx, daemon.Options{Load: func() (*config.Config, error) { return w.config, nil }, Dialer: r, Now: time.Now, Host: "rehearsal",
		StateDir: w.StateDir(), OrderFile: filepath.Join(w.dir, "order"), Log: slog.New(log),
		Resolver: func() ([]netip.AddrPort, error) { return []netip.AddrPort{w.Resolver()}, nil }})
	if err != nil && !errors.Is(err, ctx.Err()) {
		t.Fatal(err)
	}
	t.Logf("in %s at a loss of %.0f %%: began %s; ended %s", *lasts, *rate*100, strings.Join(log.began, " "), strings.Join(log.ended, " "))
	most := 0
	if *rate > 0 {
		most = 1
	}
	if len(log.began) > most || len(log.ended) > 0 {
		t.Errorf("%d findings began and %d ended, want at most %d and none", len(log.began), len(log.ended), most)
	}
}
