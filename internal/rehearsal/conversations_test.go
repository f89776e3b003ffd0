//go:build conversations

package rehearsal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/daemon"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/liar"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

var (
	lieFor  = flag.Duration("lie-for", time.Minute, "how long")
	lieSeed = flag.Uint64("lie-seed", uint64(time.Now().UnixNano()), "of the first conversation")
)

// TestCheckAmongLiars climbs the ladder among peers that lie, again and again: no
// crash, no hang, no leak, no account tried twice, and no login called good that the
// database did not see.
func TestCheckAmongLiars(t *testing.T) {
	runs, lies := 0, 0
	for end := time.Now().Add(*lieFor); time.Now().Before(end); runs++ {
		seed := *lieSeed + uint64(runs)
		before := runtime.NumGoroutine()
		w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(w.StateDir(), ledger.Options{Now: w.Now()})
		if err != nil {
			t.Fatal(err)
		}
		net := liar.New(w.Dialer(), seed)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		began := time.Now()
		results := check.Run(ctx, w.Config(), check.Env{Dialer: net, Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
		cancel()
		if time.Since(began) > 50*time.Second {
			t.Errorf("seed %d: check took %s", seed, time.Since(began))
		}
		check.Explain(w.Config(), results, w.Now()())
		good := 0
		for _, r := range results {
			if r.Reason == probe.ReasonInternal {
				t.Errorf("seed %d: %s: %v", seed, r.ID, r.Err)
			}
			if r.ID.Kind == probe.Login && r.Outcome == probe.OK {
				good++
			}
		}
		wrong, _ := w.Harm()
		if logins := w.Logins(); good > logins || wrong > 3 {
			t.Errorf("seed %d: %d logins are called good, the database saw %d; %d wrong passwords\n%s", seed, good, logins, wrong, strings.Join(net.Lies(), "\n"))
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		lies += len(net.Lies())
		for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
			if time.Now().After(wait) {
				buf := make([]byte, 1<<20)
				t.Fatalf("seed %d: %d goroutines before, %d after\n%s", seed, before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	}
	t.Logf("%d checks, %d lies, from seed %d; %s", runs, lies, *lieSeed, liar.Cost())
}

// TestRunAmongLiars keeps the daemon among peers that lie, a few beats at a time: no
// crash, no panic, no hang at its end, no leak, no account tried too often, and no
// more logins called good than the database saw.
func TestRunAmongLiars(t *testing.T) {
	runs, lies, good := 0, 0, 0
	for end := time.Now().Add(*lieFor); time.Now().Before(end); runs++ {
		seed := *lieSeed + uint64(runs)
		before := runtime.NumGoroutine()
		w, err := rehearsal.Start(t.Context(), rehearsal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		net := liar.New(w.Dialer(), seed)
		cfg := *w.Config()
		cfg.Probes = config.Probes{Interval: time.Second, Timeout: 300 * time.Millisecond}
		cfg.Logins = slices.Clone(cfg.Logins)
		for i := range cfg.Logins {
			cfg.Logins[i].Interval = time.Second
		}
		seen := &watched{good: map[string]bool{}}
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(4*time.Second, cancel)
		state := t.TempDir()
		err = daemon.Run(ctx, daemon.Options{
			Load:     func() (*config.Config, error) { return &cfg, nil },
			Resolver: func() ([]netip.AddrPort, error) { return []netip.AddrPort{w.Resolver()}, nil },
			Dialer:   net, Now: w.Now(), Host: "web-1", Version: "test", StateDir: state, OrderFile: filepath.Join(state, "order"),
			Log: slog.New(slog.NewTextHandler(seen, nil)), Serve: seen.watch,
		})
		if took := time.Since(began); err != nil || took > 14*time.Second {
			t.Errorf("seed %d: %v after %s", seed, err, took)
		}
		wrong, _ := w.Harm()
		if logins := w.Logins(); len(seen.good) > logins || wrong > 6 || len(seen.bugs) > 0 {
			t.Errorf("seed %d: %d logins are called good, the database saw %d; %d wrong passwords; bugs %q\n%s", seed, len(seen.good), logins, wrong, seen.bugs, strings.Join(net.Lies(), "\n"))
		}
		good, lies = good+len(seen.good), lies+len(net.Lies())
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		for wait := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before+2; runtime.Gosched() {
			if time.Now().After(wait) {
				buf := make([]byte, 1<<20)
				t.Fatalf("seed %d: %d goroutines before, %d after\n%s", seed, before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	}
	t.Logf("%d daemons, %d good logins, %d lies, from seed %d; %s", runs, good, lies, *lieSeed, liar.Cost())
}

// watched is what a daemon shows: its log, and its report several times a beat.
type watched struct {
	mu   sync.Mutex
	good map[string]bool // logins, by user and time
	bugs []string
}

// Write is the log's.
func (w *watched) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Contains(line, []byte("panicked")) {
		w.bugs = append(w.bugs, string(line))
	}
	return len(line), nil
}

// watch takes the place of the daemon's port.
func (w *watched) watch(ctx context.Context, h http.Handler) error {
	for tick := time.NewTicker(200 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
		for _, path := range []string{"/", "/metrics", "/api/v1/report"} {
			a := httptest.NewRecorder()
			h.ServeHTTP(a, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
			w.learn(path, a)
		}
	}
}

func (w *watched) learn(path string, a *httptest.ResponseRecorder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Code != http.StatusOK {
		w.bugs = append(w.bugs, fmt.Sprintf("%s: %d %s", path, a.Code, a.Body))
	}
	if path != "/api/v1/report" {
		return
	}
	var report struct {
		Results []struct {
			ID, Probe, Outcome, Reason, Error string
			Seconds                           float64
		}
	}
	if err := json.Unmarshal(a.Body.Bytes(), &report); err != nil {
		w.bugs = append(w.bugs, err.Error())
	}
	for _, r := range report.Results {
		switch {
		case r.Reason == string(probe.ReasonInternal):
			w.bugs = append(w.bugs, r.ID+": "+r.Error)
		case r.Probe == string(probe.Login) && r.Outcome == string(probe.OK):
			w.good[fmt.Sprint(r.ID, r.Seconds)] = true
		}
	}
}
