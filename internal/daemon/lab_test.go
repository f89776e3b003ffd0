//go:build lab

package daemon

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// The beat of a daemon in the lab.
const (
	labInterval = 1500 * time.Millisecond
	labTimeout  = time.Second
	labPatience = 15 * time.Second // for what takes one or two beats, on a busy machine
)

// labDaemon is a daemon on the client host.
type labDaemon struct {
	*Daemon
	t *testing.T

	mu  sync.Mutex
	cfg *config.Config
}

// startInLab runs one until the test ends; change is nil or changes its world.
func startInLab(t *testing.T, cfg *config.Config, change func(*Options)) *labDaemon {
	t.Helper()
	l := &labDaemon{t: t, cfg: cfg}
	o := Options{
		Load: func() (*config.Config, error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.cfg, nil
		},
		Resolver: func() ([]netip.AddrPort, error) {
			return []netip.AddrPort{netip.MustParseAddrPort(labtest.Resolver + ":53")}, nil
		},
		Dialer: exchange.HostDialer(), Host: "app1", StateDir: filepath.Join(t.TempDir(), "state"), Log: slog.New(slog.NewTextHandler(io.Discard, nil)), perHour: 100_000,
	}
	if change != nil {
		change(&o)
	}
	var err error
	if l.Daemon, err = newDaemon(o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return l
}

// labConfig is what the flags of check would be in a file, with a quick beat.
// What shows on the way to a login must not need one to be found: then logins
// have their usual beat.
func labConfig(t *testing.T, code string, flags []string) *config.Config {
	t.Helper()
	var f config.Flags
	for _, flag := range flags {
		name, value, _ := strings.Cut(flag, "=")
		one := map[string]*string{"--database": &f.Database, "--user": &f.User, "--password-file": &f.PasswordFile, "--keytab": &f.Keytab, "--ccache": &f.CCache,
			"--database-ca": &f.DatabaseCA, "--database-tls": &f.DatabaseTLS}
		many := map[string]*[]string{"--realm": &f.Realms, "--dns-server": &f.DNSServers, "--kdc": &f.KDCs}
		switch {
		case name == "--timeout": // of a whole check
		case name == "--instances": // the daemon logs in at each anyway
		case name == "--probe-timeout":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			f.ProbeTimeout = d
		case one[name] != nil:
			*one[name] = value
		case many[name] != nil:
			*many[name] = append(*many[name], value)
		default:
			t.Fatalf("the lab gives a flag that this test does not know: %s", flag)
		}
	}
	cfg, err := config.FromFlags(f)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Probes = config.Probes{Interval: labInterval, Timeout: labTimeout}
	if f.ProbeTimeout > 0 { // a fault that takes its time
		cfg.Probes = config.Probes{Interval: f.ProbeTimeout + labInterval, Timeout: f.ProbeTimeout}
	}
	onTheWay := regexp.MustCompile("^(host|server|dns|ipv6|kdc|kpasswd|clock|realm-unreachable|realm-not|endpoint)")
	for i := range cfg.Logins {
		if !onTheWay.MatchString(code) {
			cfg.Logins[i].Interval = cfg.Probes.Interval
		}
	}
	return cfg
}

func (l *labDaemon) until(what string, most time.Duration, so func() bool) time.Duration {
	l.t.Helper()
	begun := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Since(begun) > most {
			l.t.Fatalf("not %s after %v: findings %v\n%q", what, most, l.codes(), l.State().Notes)
		}
		<-tick.C
	}
	return time.Since(begun)
}

func (l *labDaemon) codes() (out []string) {
	for _, f := range l.State().Report.Findings {
		out = append(out, string(f.Code)+" "+string(f.Severity))
	}
	return out
}

// shows reports whether /metrics has a finding of this code.
func (l *labDaemon) shows(code string) bool {
	w := httptest.NewRecorder()
	l.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return regexp.MustCompile(`(?m)^kerbagent_finding\{code="` + code + `",severity="\w+"\} [1-9]`).MatchString(w.Body.String())
}

// A fault shows in /metrics, and then it is the first finding. Here is one fault
// of each sort; TestSoakRunFaults has all of the lab's, and looks at the time.
func TestLabRunFaults(t *testing.T) {
	labtest.Up(t)
	for _, fault := range []string{"host-offline", "server-down", "dns-tcp-blocked", "dns-srv-stale", "kdc-tcp-blocked", "kpasswd-blocked",
		"clock-skew-one-kdc", "password-wrong", "service-unknown", "db-refused", "db-tls-untrusted", "db-access-denied"} {
		t.Run(fault, func(t *testing.T) { runFault(t, fault) })
	}
}

// runFault makes a fault under a running daemon. It gives the time until the
// finding was in /metrics, and the daemon's beat.
func runFault(t *testing.T, fault string) (took time.Duration, beat config.Probes) {
	t.Helper()
	code, _, _ := strings.Cut(fault, ":")
	healthy := labtest.Break(t, "none")
	l := startInLab(t, labConfig(t, code, healthy), nil)
	l.until("ready and well", labPatience, func() bool { return l.Ready() == nil && l.State().Report.Verdict == diagnose.VerdictOK })
	flags := labtest.Break(t, fault)
	begun := time.Now()
	broken := labConfig(t, code, flags)
	beat = broken.Probes
	if strings.Join(flags, " ") != strings.Join(healthy, " ") { // the fault is in what it is told
		l.mu.Lock()
		l.cfg = broken
		l.mu.Unlock()
		if err := l.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	l.until("in /metrics", labPatience+2*beat.Timeout, func() bool { return l.shows(code) })
	took = time.Since(begun)
	l.until("first", labPatience, func() bool {
		fs := l.State().Report.Findings
		return len(fs) > 0 && string(fs[0].Code) == code
	})
	return took, beat
}

// fast is a clock that was right when it began.
func fast(began time.Time, faster time.Duration) func() time.Time {
	return func() time.Time { return began.Add(faster * time.Since(began)) }
}
