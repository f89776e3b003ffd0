//go:build prometheus

package dashboards_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// tool finds a program of a Debian package.
func tool(t *testing.T, debian, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v; apt-get install --no-install-recommends %s", err, debian)
	}
	return path
}

// serve runs a server until the test ends, and returns the address that
// listening finds in its log: the port is one that the server chose itself.
func serve(t *testing.T, listening, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was interrupted
	})
	find := regexp.MustCompile(listening)
	var seen strings.Builder
	for lines := bufio.NewScanner(logs); lines.Scan(); {
		fmt.Fprintln(&seen, lines.Text())
		if m := find.FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, logs)
			return m[1]
		}
	}
	t.Fatalf("%s did not come up:\n%s", program, seen.String())
	return ""
}

// The example's inhibition, in a real Alertmanager: what is silenced, and what must not be.
func TestPrometheusInhibition(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yaml")
	if err := os.WriteFile(config, read(t, "examples/alertmanager.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := serve(t, `msg="Listening on" address=(\S+)`, tool(t, "prometheus-alertmanager", "prometheus-alertmanager"),
		"--config.file="+config, "--storage.path="+dir, "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	type labels map[string]string
	cases := []struct {
		name      string
		labels    labels
		inhibited bool
	}{
		{"the cause", labels{"alertname": "KerbagentFinding", "job": "kerbagent", "code": "clock-skew", "severity": "critical"}, false},
		{"logins that it does not explain, on another host", labels{"alertname": "KerbagentLoginFailing", "job": "kerbagent", "user": "alice", "database": "orders", "severity": "critical"}, false},
		{"logins of another fleet", labels{"alertname": "KerbagentLoginFailing", "job": "kerbagent-test", "user": "alice", "database": "orders", "severity": "critical"}, false},
		{"the same code, where logins still work", labels{"alertname": "KerbagentFindingWarning", "job": "kerbagent", "code": "clock-skew", "severity": "warning"}, true},
		{"another code", labels{"alertname": "KerbagentFindingWarning", "job": "kerbagent", "code": "kdc-silent", "severity": "warning"}, false},
		{"a secret that was refused", labels{"alertname": "KerbagentLoginBreakerOpen", "job": "kerbagent-dev", "user": "etl", "severity": "critical"}, false},
		{"that user's logins on hosts where it was not", labels{"alertname": "KerbagentLoginFailing", "job": "kerbagent-dev", "user": "etl", "database": "orders", "severity": "critical"}, false},
		{"a tenth of the fleet is stale", labels{"alertname": "KerbagentFleetStale", "job": "kerbagent", "severity": "critical"}, false},
		{"one host of it", labels{"alertname": "KerbagentProbesStale", "job": "kerbagent", "instance": "h1", "severity": "warning"}, true},
		{"a host of another fleet", labels{"alertname": "KerbagentProbesStale", "job": "kerbagent-dev", "instance": "h1", "severity": "warning"}, false},
		{"a certificate's last days", labels{"alertname": "KerbagentCertificateExpiringNow", "job": "kerbagent", "database": "orders", "severity": "critical"}, false},
		{"its last weeks", labels{"alertname": "KerbagentCertificateExpiring", "job": "kerbagent", "database": "orders", "severity": "warning"}, true},
		{"another's last weeks", labels{"alertname": "KerbagentCertificateExpiring", "job": "kerbagent", "database": "billing", "severity": "warning"}, false},
	}
	var alerts []map[string]labels
	for _, c := range cases {
		alerts = append(alerts, map[string]labels{"labels": c.labels})
	}
	body, err := json.Marshal(alerts)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+address+"/api/v2/alerts", "application/json", bytes.NewReader(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal("sending alerts:", resp, err)
	}
	resp.Body.Close()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := inhibited(address, c.labels, c.inhibited); err != nil {
				t.Error(err)
			}
		})
	}
}

// inhibited waits until an Alertmanager says of an alert whether it is inhibited as it should be.
func inhibited(address string, labels map[string]string, want bool) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-again.C {
		resp, err := http.Get("http://" + address + "/api/v2/alerts")
		if err != nil {
			return err
		}
		var alerts []struct {
			Labels map[string]string
			Status struct {
				State       string
				InhibitedBy []string
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&alerts)
		resp.Body.Close()
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if a.Status.State != "unprocessed" && maps.Equal(a.Labels, labels) && (len(a.Status.InhibitedBy) > 0) == want {
				return nil
			}
		}
	}
	return fmt.Errorf("is not inhibited: %t", want)
}
