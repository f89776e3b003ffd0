//go:build lab && prometheus

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/dashboards"
	"github.com/kerbagent/kerbagent/internal/audit"
	"github.com/kerbagent/kerbagent/lab/labtest"
)

// watched is a daemon in the lab, and a Prometheus that scrapes it with our rules loaded
// and takes native histograms; classic is one that does not.
type watched struct {
	*prometheus
	classic *prometheus

	d     *daemonProcess
	dir   string
	spans map[string]span
	begun time.Time
}

// span is the time of one state of the lab.
type span struct{ from, to time.Time }

// labConfig has what the dashboards show: two realms with a trust, two databases, a cluster, logins with and without a cache.
// A password is tried every three minutes at most, a ticket that is there already as often as one likes.
const labConfig = `realms:
  CORP.EXAMPLE.COM: {dns_servers: [%[1]s, %[2]s], kdcs: [dc1.corp.example.com, dc2.corp.example.com]}
  ONPREM.LOCAL: {dns_servers: [%[3]s], kdcs: [%[3]s], trusted_by: [CORP.EXAMPLE.COM]}
databases:
  orders: {endpoint: %[4]s, realm: CORP.EXAMPLE.COM, tls: {ca_file: %[5]s}}
  cluster: {endpoint: "%[4]s:3310", realm: CORP.EXAMPLE.COM, tls: {ca_file: %[5]s}}
  reporting: {endpoint: db1.corp.example.com, realm: CORP.EXAMPLE.COM, tls: {ca_file: %[5]s}, max_connect_errors: 8, spn_hosts: [%[4]s]}
krb5_conf: {mode: maintain, path: krb5.conf}
probes: {interval: 2s, timeout: 1s}
applications:
  - {unit: batch.service, database: orders}
logins:
  - {user: alice@CORP.EXAMPLE.COM, database: orders, ccache: alice.cc, interval: 3s}
  - {user: alice@CORP.EXAMPLE.COM, database: cluster, ccache: alice.cc, interval: 3s}
  - {user: carol@ONPREM.LOCAL, database: orders, ccache: carol.cc, interval: 3s}
  - {user: alice@CORP.EXAMPLE.COM, database: reporting, password_file: %[6]s}
`

// inSeconds makes rules that count in minutes count in seconds, and half an
// hour ten: else the test would take hours.
func inSeconds(rules string) string {
	rules = strings.NewReplacer("[30m]) >= 28", "[10m]) >= 8", "for: 30m", "for: 10m").Replace(rules)
	return regexp.MustCompile(`(interval: |for: |\[)\d+[mh]`).ReplaceAllStringFunc(rules, func(s string) string {
		return s[:len(s)-1] + map[string]string{"m": "s", "h": "m"}[s[len(s)-1:]]
	})
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{dir: t.TempDir(), spans: map[string]span{}, begun: time.Now()}
	var rules []string
	for _, name := range []string{"recording.yaml", "alerts.yaml"} {
		b, err := fs.ReadFile(dashboards.Files(), "rules/"+name)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, filepath.Join(w.dir, name))
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(inSeconds(string(b))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.prometheus = &prometheus{t: t} // for what is made before it runs
	w.ticket("alice", "alice@CORP.EXAMPLE.COM", "10h")
	w.ticket("carol", "carol@ONPREM.LOCAL", "10h")
	w.application(10 * time.Hour)
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(audit.DefaultReport)) })
	w.configure("")
	w.krb5conf("apply")
	w.d = startDaemon(t, filepath.Join(w.dir, "kerbagent.yaml"), filepath.Join(w.dir, "state"), "--metrics-classic")
	w.classic = startPrometheus(t, w.d, rules)
	w.prometheus = startPrometheus(t, w.d, rules, "--enable-feature=native-histograms")
	t.Cleanup(func() {
		if t.Failed() { // what it waited for in vain
			for _, query := range []string{"kerbagent_finding > 0", "kerbagent_probe_success == 0", "kerbagent_login_success == 0", "ALERTS"} {
				t.Logf("%s: %v", query, w.series(query, time.Now()))
			}
		}
	})
	return w
}

// ticket fills a user's cache, as an application's owner does.
func (w *watched) ticket(name, principal, lifetime string) {
	w.t.Helper()
	cmd := exec.Command("kinit", "-l", lifetime, "-c", "FILE:"+filepath.Join(w.dir, name+".cc"), "-k", "-t", labtest.Keytab(name), principal)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v\n%s", err, out)
	}
}

// application writes the report that kerbagent-audit.service would: of one
// application, whose ticket lives for so long.
func (w *watched) application(life time.Duration) {
	w.t.Helper()
	end := time.Now().Add(life)
	r := audit.Report{Applications: []audit.Application{{Name: "batch.service", PIDs: []int{1}, Facts: audit.Facts{CacheEnds: end.Format(time.RFC3339)}}}}
	if err := errors.Join(os.MkdirAll(filepath.Dir(audit.DefaultReport), 0o755), audit.WriteReport(audit.DefaultReport, r, time.Now())); err != nil {
		w.t.Fatal(err)
	}
}

// configure writes kerbagent.yaml, with more at its end.
func (w *watched) configure(more string) {
	w.t.Helper()
	text := fmt.Sprintf(labConfig, labtest.DC1, labtest.DC2, labtest.OnPrem, labtest.Endpoint, labtest.CA(), labtest.Secret("user")) + more
	if err := os.WriteFile(filepath.Join(w.dir, "kerbagent.yaml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// reload has the daemon read a configuration with more at its end.
func (w *watched) reload(more string) {
	w.t.Helper()
	w.configure(more)
	if err := w.d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		w.t.Fatal(err)
	}
}

// krb5conf is the one-shot that may write the krb5.conf.
func (w *watched) krb5conf(verb string) {
	w.t.Helper()
	var out, errs bytes.Buffer
	if code := run(w.t.Context(), []string{"krb5conf", verb, "--config", filepath.Join(w.dir, "kerbagent.yaml")}, os.Stdin, &out, &errs); code != 0 {
		w.t.Fatalf("krb5conf %s: exit %d\n%s%s", verb, code, out.Bytes(), errs.Bytes())
	}
}

// during is one state of the lab: what makes it, by what it is known to have come, and what ends it.
func (w *watched) during(name string, begin func(), come []string, end func()) {
	w.t.Helper()
	from := time.Now()
	begin()
	for _, query := range come {
		w.until(query)
	}
	w.t.Logf("%-11s %4.1f s until all of it was there", name, time.Since(from).Seconds())
	// A recorded series of the last of it comes with the next evaluation.
	w.until(fmt.Sprintf("max(timestamp(up)) > %d", time.Now().Unix()+2))
	w.spans[name] = span{from, time.Now()}
	end()
}

// point is a value at a time.
type point struct {
	at    time.Time
	value float64
}

// byClassic is w with the Prometheus that does not take native histograms.
func (w *watched) byClassic() *watched {
	other := *w
	other.prometheus = w.classic
	return &other
}

// points are those of all series that a query returns over a time, second by second; NaN is none.
func (w *watched) points(query string, over span) []point {
	w.t.Helper()
	var answer struct {
		Data struct{ Result []struct{ Values []point } }
	}
	w.get(fmt.Sprintf("/api/v1/query_range?query=%s&start=%d&end=%d&step=1", url.QueryEscape(query), over.from.Unix(), over.to.Unix()+1), &answer)
	var all []point
	for _, s := range answer.Data.Result {
		all = append(all, s.Values...)
	}
	return slices.DeleteFunc(all, func(p point) bool { return math.IsNaN(p.value) })
}

// now are the values that a query returns at one moment, as a table or a stat asks for them, in its order.
func (w *watched) now(query string, at time.Time) []float64 {
	w.t.Helper()
	var out []float64
	for _, s := range w.series(query, at) {
		if !math.IsNaN(s.Value.value) {
			out = append(out, s.Value.value)
		}
	}
	return out
}

// UnmarshalJSON reads one as Prometheus writes it: [1795381333.2, "0.5"].
func (p *point) UnmarshalJSON(b []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(b, &[]any{&at, &value}); err != nil {
		return err
	}
	p.at = time.UnixMilli(int64(at * 1000))
	var err error
	p.value, err = strconv.ParseFloat(value, 64)
	return err
}

// in are the values of points within a time.
func in(points []point, s span) []float64 {
	var out []float64
	for _, p := range points {
		if !p.at.Before(s.from) && !p.at.After(s.to) {
			out = append(out, p.value)
		}
	}
	return out
}

// sample is a series at one moment.
type sample struct {
	Metric map[string]string
	Value  point
}

// series are those that a query returns at a moment.
func (w *watched) series(query string, at time.Time) []sample {
	w.t.Helper()
	var answer struct{ Data struct{ Result []sample } }
	w.get(fmt.Sprintf("/api/v1/query?query=%s&time=%.3f", url.QueryEscape(query), float64(at.UnixMilli())/1000), &answer)
	return answer.Data.Result
}
