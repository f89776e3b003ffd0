package daemon

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/web"
)

// A panic in a job costs that job, is logged, and comes to an end with its cause.
func TestAPanicInAJobCostsThatJob(t *testing.T) {
	var broken atomic.Bool
	r := start(t, "", func(o *Options, cfg *config.Config) {
		resolver := o.Resolver
		cfg.Resolver = nil
		o.Resolver = func() ([]netip.AddrPort, error) { // looking at this host is a job that no probe's guard is around
			if broken.Load() {
				panic("a bug in a job")
			}
			return resolver()
		}
	})
	r.untilReady()
	broken.Store(true)
	r.until("the panic in the log", func() bool {
		lines := r.log.with("a job panicked")
		return len(lines) > 1 && lines[0]["job"] == hostKey && lines[0]["panic"] == "a bug in a job" && lines[0]["stack"] != ""
	})
	if !r.healthy() {
		t.Errorf("findings %v", r.codes())
	}
	broken.Store(false)
	n := len(r.log.with("a job panicked"))
	before := r.login("alice").Started
	r.until("logins go on", func() bool { return r.login("alice").Started.After(before) })
	if more := len(r.log.with("a job panicked")); more > n+1 {
		t.Errorf("%d panics, and then %d", n, more)
	}
}

// A panic while a request is answered costs that request; the next one is
// answered.
func TestAPanicInAHandlerCostsThatRequest(t *testing.T) {
	r := start(t, "", nil)
	r.untilReady()
	var broken atomic.Bool
	var log lines
	d := panicking{r.d, &broken}
	server := httptest.NewServer(web.Handler(d, web.Options{Metrics: r.d.metrics.Handler(), Panicked: panicked(slog.New(slog.NewJSONHandler(&log, nil)))}))
	defer server.Close()
	get := func(path string) (int, error) {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	for _, path := range []string{"/", "/api/v1/report"} {
		broken.Store(true)
		if code, err := get(path); err != nil || code != http.StatusInternalServerError {
			t.Errorf("%s: %d %v although it panics", path, code, err)
		}
		if said := log.with("answering a request panicked"); len(said) == 0 || said[len(said)-1]["path"] != path || said[0]["level"] != "ERROR" {
			t.Errorf("%s: the log has %v", path, said)
		}
		broken.Store(false)
		if code, err := get(path); err != nil || code != http.StatusOK {
			t.Errorf("%s after a panic: %d %v", path, code, err)
		}
	}
	r.until("the daemon goes on", r.healthy)
}

// panicking is a daemon with a bug in what it shows.
type panicking struct {
	*Daemon
	broken *atomic.Bool
}

func (p panicking) State() web.State {
	if p.broken.Load() {
		panic("a bug in what is shown")
	}
	return p.Daemon.State()
}
