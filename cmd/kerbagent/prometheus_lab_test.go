//go:build lab

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/lab/labtest"
)

// scrapes is how many of a daemon must go well in a row.
const scrapes = 12

// TestRunScraped has Debian's Prometheus scrape `kerbagent run` in the lab: its
// target is up each time, nothing about it is in Prometheus' log or counters,
// and what matters has arrived.
func TestRunScraped(t *testing.T) {
	labtest.Up(t)
	labtest.Break(t, "none")
	dir := t.TempDir()
	config := filepath.Join(dir, "kerbagent.yaml")
	yaml := fmt.Sprintf(`realms:
  CORP.EXAMPLE.COM: {dns_servers: [%s, %s]}
databases:
  orders: {endpoint: %s, tls: {ca_file: %s}}
logins:
  - {user: alice@CORP.EXAMPLE.COM, database: orders, password_file: "file:%s"}
probes: {interval: 2s, timeout: 1s}
`, labtest.DC1, labtest.DC2, labtest.Endpoint, labtest.CA(), labtest.Secret("user"))
	if err := os.WriteFile(config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, config, filepath.Join(dir, "state"), "--metrics", "full")
	// Prometheus itself does not mind a series that comes twice in a scrape.
	lint := exec.Command("promtool", "check", "metrics")
	lint.Stdin = strings.NewReader(d.get("/metrics"))
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	for name, flags := range map[string][]string{"text": nil, "native histograms": {"--enable-feature=native-histograms"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPrometheus(t, d, nil, flags...)
			p.until(fmt.Sprintf("count_over_time(up[5m]) >= %d", scrapes))
			for _, query := range []string{
				"min_over_time(up[5m]) == 1",
				"scrape_samples_scraped == scrape_samples_post_metric_relabeling",
				"max_over_time(scrape_duration_seconds[5m]) < 0.5",
				`kerbagent_login_success{user="alice@CORP.EXAMPLE.COM",database="orders"} == 1`,
				`kerbagent_login_breaker_open == 0`,
				`min(kerbagent_probe_success) == 1`,
				`count(count by (probe) (kerbagent_probe_success)) == 5`,
				`sum(kerbagent_finding) == 0 and count(kerbagent_finding) > 50`,
				`max(rate(kerbagent_probe_failures_total[1m])) == 0`,
				`min(increase(kerbagent_probe_duration_seconds_count{probe="kdc"}[1m])) > 0 or min(histogram_count(increase(kerbagent_probe_duration_seconds{probe="kdc"}[1m]))) > 0`,
				`abs(kerbagent_kdc_clock_skew_seconds) < 5`,
				`kerbagent_certificate_expiry_timestamp_seconds > time()`,
				`kerbagent_database_unfinished_handshakes == 0`,
				`kerbagent_config_last_reload_successful == 1`,
				`kerbagent_build_info == 1`,
				`process_open_fds > 0`,
			} {
				if p.count(query) == 0 {
					t.Errorf("nothing from %s", query)
				}
			}
			p.wellScraped()
		})
	}
}

// prometheus is Debian's.
type prometheus struct {
	t  *testing.T
	at string

	mu      sync.Mutex
	trouble []string // lines of its log
}

// startPrometheus has it scrape a daemon each second, and evaluate rules, at a port on loopback of its own choice.
func startPrometheus(t *testing.T, d *daemonProcess, rules []string, flags ...string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs:\n  - {job_name: kerbagent, static_configs: [{targets: [%q]}]}\n",
		strings.Join(rules, ", "), strings.TrimPrefix(d.at, "http://"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0", "--log.level=debug", "--log.format=json"}, flags)
	cmd := exec.Command("prometheus", args...) // of lab/packages.txt
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &prometheus{t: t}
	address, logged := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(logged)
		for lines := bufio.NewScanner(log); lines.Scan(); {
			p.read(lines.Bytes(), address)
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		<-logged
		cmd.Wait()
	})
	select {
	case at := <-address:
		p.at = "http://" + at
	case <-logged:
		t.Fatalf("prometheus ended: %q", p.trouble)
	}
	return p
}

// read takes in a line of the log: where it listens, and what it warns of.
func (p *prometheus) read(line []byte, address chan<- string) {
	var l struct{ Level, Msg, Address, Component, Err string }
	if err := json.Unmarshal(line, &l); err != nil {
		l.Level = "not JSON"
	}
	if l.Msg == "Listening on" {
		address <- l.Address
	}
	// What a scrape is at odds with is told at debug level in part.
	if l.Level != "info" && l.Level != "debug" || l.Component == "scrape manager" && l.Level == "debug" && l.Err != "" {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.trouble = append(p.trouble, string(line))
	}
}

func (p *prometheus) get(path string, into any) (ok bool) {
	p.t.Helper()
	res, err := http.Get(p.at + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusServiceUnavailable {
		return false // it is still coming up
	}
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil || res.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %d %v %s", path, res.StatusCode, err, body)
	}
	return true
}

// count is how many series a query returns.
func (p *prometheus) count(query string) int {
	p.t.Helper()
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	p.get("/api/v1/query?query="+url.QueryEscape(query), &answer)
	return len(answer.Data.Result)
}

func (p *prometheus) until(query string) {
	p.t.Helper()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(40 * time.Second); p.count(query) == 0; <-again.C {
		if time.Now().After(end) {
			p.t.Fatalf("nothing from %s", query)
		}
	}
}

// wellScraped fails the test unless Prometheus has nothing to say about its scrapes.
func (p *prometheus) wellScraped() {
	p.t.Helper()
	var targets struct {
		Data struct {
			ActiveTargets []struct{ Health, LastError string }
		}
	}
	p.get("/api/v1/targets", &targets)
	if all := targets.Data.ActiveTargets; len(all) != 1 || all[0].Health != "up" || all[0].LastError != "" {
		p.t.Errorf("targets %+v", all)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.trouble) > 0 {
		p.t.Errorf("in its log:\n%s", strings.Join(p.trouble, "\n"))
	}
	res, err := http.Get(p.at + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	about := regexp.MustCompile(`^prometheus_target_scrape\w*_(duplicate_timestamp|out_of_order|out_of_bounds|exceeded|failed|missed|dropped)\w*(\{.*\})? (\S+)$`)
	seen := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if m := about.FindStringSubmatch(lines.Text()); m != nil {
			if seen++; m[3] != "0" {
				p.t.Errorf("its own metrics: %s", lines.Text())
			}
		}
	}
	if seen < 5 {
		p.t.Errorf("only %d counters of trouble with scrapes among its own metrics", seen)
	}
}
