//go:build prometheus

package dashboards_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/probe"
)

// The fleet of TestPrometheusFleet; make bench-prometheus has 500 hosts, every 15 s, for 4 minutes.
var (
	fleetHosts = flag.Int("fleet-hosts", 20, "number of hosts that Prometheus scrapes")
	fleetEvery = flag.Duration("fleet-every", time.Second, "time between two scrapes of a host")
	fleetFor   = flag.Duration("fleet-for", 20*time.Second, "how long Prometheus runs")
)

const (
	slowestQuery = 2 * time.Second
	slowestRules = time.Second

	cpuSeconds = "process_cpu_seconds_total"
)

// TestPrometheusFleet has Debian's Prometheus scrape many hosts, most of them healthy, with
// the rules, and asks it each query of each dashboard. It prints what that costs.
func TestPrometheusFleet(t *testing.T) {
	began, stop := time.Now(), make(chan struct{})
	address := "http://" + scraping(t, simulated(t, stop))
	rules := map[string][]float64{} // how long the evaluations of each group took, in seconds
	first := figuresOf(t, address)
	settled := began.Add(*fleetFor / 4)
	for again := time.Tick(*fleetEvery); time.Since(began) < *fleetFor; <-again {
		now := figuresOf(t, address)
		if time.Now().Before(settled) {
			first = now
		}
		for name, v := range now.of {
			if strings.HasPrefix(name, "prometheus_rule_group_last_duration_seconds") && v > 0 {
				rules[name] = append(rules[name], v)
			}
		}
	}
	last := figuresOf(t, address)
	per := func(name string) float64 { return (last.of[name] - first.of[name]) / last.at.Sub(first.at).Seconds() }
	load, _ := os.ReadFile("/proc/loadavg")
	t.Logf("%d hosts, each every %s, for %s; %.0f series in memory; load %s", *fleetHosts, *fleetEvery, *fleetFor,
		last.of["prometheus_tsdb_head_series"], strings.Fields(string(load))[0])
	t.Logf("%.0f samples a second; %.1f %% of a core; %.0f MiB resident, %.0f MiB of heap in use", per(`prometheus_tsdb_head_samples_appended_total{type="float"}`)+per(`prometheus_tsdb_head_samples_appended_total{type="histogram"}`),
		100*per(cpuSeconds), last.of["process_resident_memory_bytes"]/(1<<20), last.of["go_memstats_heap_inuse_bytes"]/(1<<20))
	if len(rules) == 0 {
		t.Error("no rule was evaluated")
	}
	waited := map[string]string{}
	for name, took := range rules {
		group := strings.TrimRight(name[strings.LastIndex(name, ";")+1:], `"}`)
		slices.Sort(took)
		median, most := took[len(took)/2], took[len(took)-1]
		waited[group] = fmt.Sprintf("%.0f ms (median), %.0f ms at most", 1000*median, 1000*most)
	}
	close(stop) // what is measured now is Prometheus
	for _, file := range groups(t) {
		for _, g := range file {
			var cpu time.Duration
			for _, r := range g.Rules {
				_, one := asked(t, address, "/api/v1/query?", url.Values{"query": {r.Expr}})
				cpu += one
			}
			t.Logf("rules of %s: %d ms of CPU; in that run an evaluation took %s", g.Name, cpu.Milliseconds(), waited[g.Name])
			if cpu > slowestRules { // the CPU: on a busy machine the time is the others'
				t.Errorf("rules of %s: an evaluation takes %s, more than %s", g.Name, cpu, slowestRules)
			}
		}
	}
	for name, d := range dashboardstest.All(t) {
		what, took, cpu := slowestOf(t, address, d, began)
		t.Logf("%s: %d ms for the slowest query, %d ms of CPU: %s", name, took.Milliseconds(), cpu.Milliseconds(), what)
		if cpu > slowestQuery { // the CPU: on a busy machine the time is the others'
			t.Errorf("%s: %s takes %s, more than %s", name, what, cpu, slowestQuery)
		}
	}
}

// simulated returns where each host of a fleet is scraped: nine of ten are healthy, the
// others broken in three ways. Each has its own metrics, which move as those of a daemon
// do, until stop.
func simulated(t *testing.T, stop <-chan struct{}) (addresses []string) {
	t.Helper()
	level := metrics.Options{Version: "test", Lean: true}
	var worlds []*host
	for _, fault := range []diagnose.Code{"", "server-down", "password-wrong", "kdc-tcp-blocked"} {
		worlds = append(worlds, newHost(t, string(fault), fault, level))
	}
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	var looks [][]probe.Result
	for _, w := range worlds {
		looks = append(looks, w.look(t))
	}
	for n := range *fleetHosts {
		which := 0
		if n%10 == 9 {
			which = 1 + n/10%3
		}
		w, results, m, rnd := worlds[which], slices.Clone(looks[which]), metrics.New(level), rand.New(rand.NewPCG(uint64(n), 0))
		for i := range results {
			results[i].Stages = slices.Clone(results[i].Stages)
		}
		vary := func() {
			for i := range results {
				results[i].Duration = time.Duration((0.5 + rnd.ExpFloat64()) * float64(time.Millisecond))
				for s := range results[i].Stages {
					results[i].Stages[s].Duration = results[i].Duration / time.Duration(len(results[i].Stages))
				}
			}
			w.show(m, results)
		}
		vary()
		server := httptest.NewServer(m.Handler())
		t.Cleanup(server.Close)
		addresses = append(addresses, strings.TrimPrefix(server.URL, "http://"))
		running.Go(func() { // every few scrapes, as everything is asked every 50 s at most
			again := time.NewTicker(3**fleetEvery + time.Duration(rnd.Int64N(int64(*fleetEvery))))
			defer again.Stop()
			for {
				select {
				case <-again.C:
					vary()
				case <-stop:
					return
				}
			}
		})
	}
	return addresses
}

// scraping starts a Prometheus with the rules, each group at four scrapes as one a minute is at 15 s.
func scraping(t *testing.T, hosts []string) string {
	t.Helper()
	dir := t.TempDir()
	var config strings.Builder
	fmt.Fprintf(&config, "global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}\n", *fleetEvery)
	config.WriteString("rule_files: [recording.yaml, alerts.yaml]\nscrape_configs:\n  - job_name: kerbagent\n    static_configs:\n")
	for n, at := range hosts {
		fmt.Fprintf(&config, "      - {targets: [%q], labels: {instance: host-%d.fleet.test}}\n", at, n)
	}
	for name, text := range map[string]string{
		"prometheus.yaml": config.String(),
		"alerts.yaml":     string(read(t, "rules/alerts.yaml")),
		"recording.yaml":  strings.ReplaceAll(string(read(t, "rules/recording.yaml")), "interval: 1m", fmt.Sprintf("interval: %s", 4**fleetEvery)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return serve(t, `msg="Listening on" address=(\S+)`, tool(t, "prometheus", "prometheus"), "--enable-feature=native-histograms",
		"--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
}

// figures is what a Prometheus says of itself.
type figures struct {
	at time.Time
	of map[string]float64 // by the series as it is written
}

func figuresOf(t *testing.T, address string) figures {
	t.Helper()
	resp, err := http.Get(address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	f := figures{time.Now(), map[string]float64{}}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if at := strings.LastIndexByte(lines.Text(), ' '); at > 0 && lines.Text()[0] != '#' {
			f.of[lines.Text()[:at]], _ = strconv.ParseFloat(lines.Text()[at+1:], 64)
		}
	}
	return f
}

// slowestOf asks each query of a dashboard as Grafana does, over all the time that there is:
// at as many points as the panel has for the dashboard's own range, which are 1,800 for the
// whole width.
func slowestOf(t *testing.T, address string, d dashboardstest.Dashboard, began time.Time) (what string, most, mostCPU time.Duration) {
	t.Helper()
	width := map[string]int{}
	for _, p := range d.Panels {
		width[p.Title] = p.GridPos.W
	}
	for _, q := range d.Queries(t) {
		expr := q.Fill(map[string]string{"instance": "host-9.fleet.test", "__range": fmt.Sprintf("%.0fs", time.Since(began).Seconds()),
			"__rate_interval": (4 * *fleetEvery).String()})
		ask := url.Values{"query": {expr}}
		path := "/api/v1/query?"
		if points := 1800 * width[q.Panel] / 24; !q.Instant && points > 0 {
			path = "/api/v1/query_range?"
			ask.Set("start", fmt.Sprint(began.Unix()))
			ask.Set("end", fmt.Sprint(time.Now().Unix()))
			ask.Set("step", fmt.Sprintf("%.3f", time.Since(began).Seconds()/float64(points)))
		}
		took, cpu := asked(t, address, path, ask)
		if cpu > mostCPU {
			what, most, mostCPU = q.Panel, took, cpu
		}
	}
	return what, most, mostCPU
}

// asked returns how long a Prometheus takes to answer a query, and its CPU.
func asked(t *testing.T, address, path string, query url.Values) (took, cpu time.Duration) {
	t.Helper()
	before, at := figuresOf(t, address).of[cpuSeconds], time.Now()
	resp, err := http.Get(address + path + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	took = time.Since(at)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", resp.Status, query.Get("query"))
	}
	return took, time.Duration((figuresOf(t, address).of[cpuSeconds] - before) * float64(time.Second))
}
