package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

// The beat of a daemon under test: it is real time, against real sockets.
const (
	runInterval = time.Second
	runTimeout  = 400 * time.Millisecond
)

// running is a daemon that runs in a rehearsed world.
type running struct {
	t     *testing.T
	d     *Daemon
	world *rehearsal.World
	path  *path
	log   *lines
	stop  func()

	mu     sync.Mutex
	cfg    *config.Config
	cfgErr error
	says   []string // to its manager
}

// path is the network, with faults that come and go.
type path struct {
	probe.Dialer
	mu    sync.Mutex
	fault func(network string, to netip.AddrPort) error
}

func (p *path) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	fault := p.fault
	p.mu.Unlock()
	if fault != nil {
		if err := fault(network, netip.MustParseAddrPort(address)); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
	}
	return p.Dialer.DialContext(ctx, network, address)
}

func (p *path) breaks(fault func(network string, to netip.AddrPort) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// lines is a log that can be waited for.
type lines struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(b) {
		m := map[string]any{}
		if err := json.Unmarshal(line, &m); err != nil {
			return 0, err
		}
		l.all = append(l.all, m)
	}
	return len(b), nil
}

// with returns the lines that have this message.
func (l *lines) with(msg string) (out []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.all {
		if m["msg"] == msg {
			out = append(out, m)
		}
	}
	return out
}

// start runs a daemon in a world with a fault.
func start(t *testing.T, fault diagnose.Code, change func(*Options, *config.Config)) *running {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return startIn(t, w, filepath.Join(t.TempDir(), "state"), change)
}

func startIn(t *testing.T, w *rehearsal.World, state string, change func(*Options, *config.Config)) *running {
	t.Helper()
	r := &running{t: t, world: w, path: &path{Dialer: w.Dialer()}, log: &lines{}}
	cfg := *w.Config()
	cfg.Probes = config.Probes{Interval: runInterval, Timeout: runTimeout}
	cfg.Logins, cfg.Databases = slices.Clone(cfg.Logins), slices.Clone(cfg.Databases)
	cfg.Databases[0].Instances = config.InstancesNone // what is timed here is the endpoint; see clustered
	for i := range cfg.Logins {
		cfg.Logins[i].Interval = runInterval
	}
	o := Options{
		Load: func() (*config.Config, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.cfg, r.cfgErr
		},
		Resolver: func() ([]netip.AddrPort, error) { return []netip.AddrPort{w.Resolver()}, nil },
		Dialer:   r.path, Host: "web-1", Version: "test", StateDir: state,
		Log:     slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Manager: Manager{Notify: r.hear}, perHour: 100_000,
	}
	if change != nil {
		change(&o, &cfg)
	}
	r.cfg = &cfg
	var err error
	if r.d, err = newDaemon(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.d.run(ctx) }()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			begun := time.Now()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the daemon ended with %v", err)
			}
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("it took %v to stop", took)
			}
		})
	}
	t.Cleanup(r.stop)
	return r
}

func (r *running) hear(state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = append(r.says, state)
}

func (r *running) heard(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.says, func(s string) bool { return strings.Contains(s, part) })
}

// until waits for something to become so, and returns how long it took.
func (r *running) until(what string, so func() bool) time.Duration {
	r.t.Helper()
	begun := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Since(begun) > 20*time.Second {
			r.t.Fatalf("not so after 20 s: %s\nfindings %v\nnotes %q\n%s", what, r.codes(), r.d.State().Notes, r.results())
		}
		<-tick.C
	}
	return time.Since(begun)
}

func (r *running) untilReady() {
	r.t.Helper()
	r.until("ready", func() bool { return r.d.Ready() == nil && r.heard("READY=1") })
}

// codes are the findings of error and warning.
func (r *running) codes() (out []string) {
	for _, f := range r.d.State().Report.Findings {
		if f.Severity != diagnose.Info {
			out = append(out, string(f.Code))
		}
	}
	return out
}

func (r *running) has(code string) func() bool {
	return func() bool { return slices.Contains(r.codes(), code) }
}

func (r *running) healthy() bool { return len(r.codes()) == 0 }

// results shows what is not well.
func (r *running) results() string {
	var b strings.Builder
	for _, e := range r.d.State().Entries {
		if e.Result.Outcome != probe.OK {
			b.WriteString(strings.Join([]string{e.Result.ID.String(), string(e.Result.Outcome), string(e.Result.Reason), fmt.Sprint(e.Result.Err)}, " ") + "\n")
		}
	}
	return b.String()
}

// login returns the entry of a user's login.
func (r *running) login(user string) probe.Result {
	for _, e := range r.d.State().Entries {
		if e.Result.ID.Kind == probe.Login && strings.HasPrefix(e.Result.ID.Target, user) {
			return e.Result
		}
	}
	return probe.Result{}
}

// get asks the daemon's handler.
func (r *running) get(path string) string {
	r.t.Helper()
	w := httptest.NewRecorder()
	web.Handler(r.d, web.Options{Metrics: r.d.metrics.Handler()}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
	b, _ := io.ReadAll(w.Body)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: %d %s", path, w.Code, b)
	}
	return string(b)
}
