package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// Each question is asked once a second.
const (
	beat    = time.Second
	timeout = 900 * time.Millisecond
)

// kerbagentConfig is the daemon's configuration for the comparison: two realms,
// their DNS servers, KDCs and password servers over IPv4 and IPv6. The logins
// have the KDCs asked about a user; they themselves come once.
func (b bench) kerbagentConfig() string {
	return fmt.Sprintf(`realms:
  CORP.EXAMPLE.COM: {dns_servers: [10.77.0.10, 10.77.1.11, "fd77::10", "fd77:0:0:1::11"]}
  ONPREM.LOCAL: {dns_servers: [10.77.2.10, "fd77:0:0:2::10"], trusted_by: [CORP.EXAMPLE.COM]}
databases:
  orders: {endpoint: %s, realm: CORP.EXAMPLE.COM, tls: {ca_file: %s}}
logins:
  - {user: alice@CORP.EXAMPLE.COM, database: orders, password_file: "file:%s", interval: 24h}
  - {user: carol@ONPREM.LOCAL, database: orders, password_file: "file:%s", interval: 24h}
probes: {interval: %v, timeout: %v}
`, endpoint, filepath.Join(b.state, "db", "tls", "ca.pem"), filepath.Join(b.state, "secrets", "user"), filepath.Join(b.state, "secrets", "carol"), beat, timeout)
}

// question is one that the daemon asks each beat, and the exporter likewise: of
// DNS the same, of a KDC or password server no more than whether its port takes
// a TCP connection. It can do that for UDP, too, which it has no prober for.
type question struct {
	dns       string // type:name; empty: not DNS
	server    string // address and port
	transport string
}

// askedBy returns the questions of a daemon's last round.
func askedBy(daemon string) ([]question, error) {
	resp, err := http.Get("http://" + daemon + "/api/v1/report")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var report struct {
		Verdict string
		Results []struct{ Probe, Target, Address, Transport string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("reading the daemon's report: %w", err)
	}
	if report.Verdict != "ok" {
		return nil, fmt.Errorf("the daemon's verdict is %s: is the lab healthy?", report.Verdict)
	}
	var all []question
	for _, r := range report.Results {
		switch r.Probe {
		case "dns":
			all = append(all, question{r.Target, r.Address, r.Transport})
		case "kdc", "kpasswd":
			all = append(all, question{"", r.Address, "tcp"})
		}
	}
	return all, nil
}

// module is the name of the blackbox exporter's module for a question, and
// what stands in its configuration.
func (q question) module() (name, text string) {
	if q.dns == "" {
		return "tcp_connect", "    prober: tcp\n"
	}
	kind, zone, _ := strings.Cut(q.dns, ":")
	protocol := "ip4"
	if host, _, err := net.SplitHostPort(q.server); err == nil && strings.Contains(host, ":") {
		protocol = "ip6"
	}
	name = strings.NewReplacer(".", "_").Replace(fmt.Sprintf("%s_%s_%s_%s", kind, zone, q.transport, protocol))
	return name, fmt.Sprintf("    prober: dns\n    dns: {query_name: %q, query_type: %q, transport_protocol: %q, preferred_ip_protocol: %q}\n", zone, kind, q.transport, protocol)
}

// blackboxConfig is the exporter's configuration for all questions.
func blackboxConfig(all []question) string {
	var b strings.Builder
	b.WriteString("modules:\n")
	seen := map[string]bool{}
	for _, q := range all {
		if name, text := q.module(); !seen[name] {
			seen[name] = true
			fmt.Fprintf(&b, "  %s:\n    timeout: %v\n%s", name, timeout, text)
		}
	}
	return b.String()
}
