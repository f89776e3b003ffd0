//go:build prometheus

package dashboards_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/dashboards"
	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

func TestPrometheusPromtool(t *testing.T) {
	dir := t.TempDir()
	if _, err := dashboards.Export(dir, false, ""); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  string
		args []string
	}{
		{here, []string{"check", "rules", "--lint-fatal", "rules/recording.yaml", "rules/alerts.yaml"}},
		{filepath.Join(here, "testdata"), []string{"test", "rules", "alerts_test.yaml"}},
		{filepath.Join(dir, "examples"), []string{"check", "config", "prometheus.yaml"}}, // where the export puts it
		{here, []string{"check", "config", filepath.Join(dir, "examples", "prometheus.yaml")}},
		{filepath.Join(dir, "examples"), []string{"check", "config", "prometheus-ec2.yaml"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), tool(t, "prometheus", "promtool"), c.args...)
			cmd.Dir = c.dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// host is one that Prometheus scrapes: a rehearsal whose rounds go to metrics.
type host struct {
	name    string
	world   *rehearsal.World
	env     check.Env
	metrics *metrics.Metrics
	server  *httptest.Server
}

func newHost(t *testing.T, name string, fault diagnose.Code, level metrics.Options) *host {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	h := &host{name: name, world: w, metrics: metrics.New(level)}
	h.env = check.Env{Instances: true, Dialer: w.Dialer(), Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}}
	h.env.Ledger, h.env.LedgerErr = ledger.Open(w.StateDir(), ledger.Options{})
	h.server = httptest.NewServer(h.metrics.Handler())
	t.Cleanup(h.server.Close)
	return h
}

// round climbs the ladder once, as the daemon does all the time.
func (h *host) round(t *testing.T) {
	t.Helper()
	h.show(h.metrics, h.look(t))
}

// look asks everything once.
func (h *host) look(t *testing.T) []probe.Result {
	t.Helper()
	results := check.Run(t.Context(), h.world.Config(), h.env)
	return append(results, probe.Begin(probe.ID{Kind: probe.Krb5Conf, Target: "/etc/krb5.conf"}, h.env.Now).OK())
}

// show hands to metrics what the daemon of a host with these results hands them.
func (h *host) show(m *metrics.Metrics, results []probe.Result) {
	var targets []probe.Target
	for _, r := range results {
		targets = append(targets, probe.Target{ID: r.ID, Facts: r.Facts})
	}
	m.Track(targets)
	for _, r := range results {
		m.Observe(r)
	}
	m.Findings(check.Explain(h.world.Config(), results, h.env.Now()).Findings)
	for _, l := range h.world.Config().Logins {
		m.Breaker(l.User+"@"+l.Realm, false)
	}
	for _, d := range h.world.Config().Databases {
		m.Unfinished(d.Name, 0)
	}
	m.Krb5Conf(true)
	m.Reloaded(true, h.env.Now())
}

// server is a running Prometheus.
type server struct{ address string }

// start runs Prometheus on loopback, at a port that it chooses itself, until the test ends.
func start(t *testing.T, hosts []*host, silent string, more ...string) server {
	t.Helper()
	dir := t.TempDir()
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [recording.yaml, alerts.yaml]\nscrape_configs:\n  - job_name: kerbagent\n    static_configs:\n")
	for _, h := range hosts {
		fmt.Fprintf(&config, "      - {targets: [%q], labels: {instance: %s}}\n", strings.TrimPrefix(h.server.URL, "http://"), h.name)
	}
	fmt.Fprintf(&config, "      - {targets: [%q], labels: {instance: silent}}\n", silent)
	for name, text := range map[string]string{
		"prometheus.yaml": config.String(),
		"alerts.yaml":     string(read(t, "rules/alerts.yaml")),
		// At its own pace the test would take minutes.
		"recording.yaml": strings.ReplaceAll(string(read(t, "rules/recording.yaml")), "interval: 1m", "interval: 1s"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return server{serve(t, `msg="Listening on" address=(\S+)`, tool(t, "prometheus", "prometheus"), append(more, "--config.file="+filepath.Join(dir, "prometheus.yaml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")...)}
}

// count returns how many series a query returns.
func (s server) count(ctx context.Context, query string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusServiceUnavailable {
		return 0, nil // it is still coming up
	}
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Error != "" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}

// until asks again and again until a query returns something, at the deadline for the last time.
func (s server) until(ctx context.Context, deadline time.Time, query string) error {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		late := time.Now().After(deadline)
		if n, err := s.count(ctx, query); n > 0 || err != nil {
			return err
		}
		if late {
			return errors.New("gives nothing")
		}
		<-again.C
	}
}

// TestPrometheusDashboards: every query of every panel gives data from a
// Prometheus that has scraped healthy and broken hosts, those of a single host
// for one of them at least: at both levels of metrics, with classic histograms and
// with native ones, but for a panel that says that it needs classic buckets.
func TestPrometheusDashboards(t *testing.T) {
	t.Run("full", func(t *testing.T) { answered(t, metrics.Options{Version: "test"}) })
	t.Run("lean", func(t *testing.T) {
		answered(t, metrics.Options{Version: "test", Lean: true}, "--enable-feature=native-histograms")
	})
	t.Run("lean, classic", func(t *testing.T) { answered(t, metrics.Options{Version: "test", Lean: true, Classic: true}) })
}

// chosen fills a query as for one host, and at the full level for one login.
func chosen(q dashboardstest.Query, host string, level metrics.Options) string {
	if expr := q.Expr; !level.Lean {
		q.Expr = strings.ReplaceAll(expr, "$login", "alice@CORP.EXAMPLE.COM@orders")
	}
	return filled(q, host)
}

func answered(t *testing.T, level metrics.Options, prometheus ...string) {
	hosts := []*host{newHost(t, "healthy", "", level), newHost(t, "server-down", "server-down", level),
		newHost(t, "password-wrong", "password-wrong", level), newHost(t, "password-expiring", "password-expiring", level)}
	gone := httptest.NewServer(nil)
	silent := strings.TrimPrefix(gone.URL, "http://")
	gone.Close()
	for _, h := range hosts {
		h.round(t)
	}
	p := start(t, hosts, silent, prometheus...)
	ctx, deadline := t.Context(), time.Now().Add(90*time.Second)
	// A rate needs a scrape on each side of what it counts.
	if err := p.until(ctx, deadline, fmt.Sprintf("count(kerbagent_build_info) == %d", len(hosts))); err != nil {
		t.Fatal("scraping:", err)
	}
	for _, h := range hosts {
		h.round(t)
		// What only some states have.
		h.metrics.Breaker("alice@CORP.EXAMPLE.COM", h.name == "password-wrong")
		h.metrics.Unfinished("orders", 3)
	}
	for _, name := range []string{"grafana/auth-health.json", "grafana/host-ladder.json", "grafana/controllers-and-dns.json", "grafana/login-latency.json", "grafana/clusters.json"} {
		for _, query := range dashboardstest.All(t)[name].Queries(t) {
			if query.Panel == "Logins by how long they take" && len(prometheus) > 0 {
				continue // its description says so
			}
			if query.Panel == "annotation Failovers" {
				continue // of two moments a minute apart: TestPrometheusDashboardsInTheLab
			}
			var asked []string
			for _, h := range hosts {
				if q := chosen(query, h.name, level); !slices.Contains(asked, q) {
					asked = append(asked, q)
				}
			}
			// For any of the hosts; NaN is no data.
			if err := p.until(ctx, deadline, "count(("+strings.Join(asked, ") >= -Inf) or count((")+") >= -Inf)"); err != nil {
				t.Errorf("%s: %s: %v: %s", name, query.Panel, err, query.Expr)
			}
		}
	}
	// And the alerts that those states ask for are on their way.
	for _, alert := range []string{"KerbagentAgentSilent", "KerbagentFinding", "KerbagentSingleKDCLeft"} {
		if err := p.until(ctx, deadline, fmt.Sprintf("ALERTS{alertname=%q}", alert)); err != nil {
			t.Errorf("%s: %v", alert, err)
		}
	}
}
