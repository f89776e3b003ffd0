package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/latest"
	"github.com/kerbagent/kerbagent/internal/metrics"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
)

// What is asked of both: a hundred questions to CORP's domain controllers, each
// once a second.
const (
	questions = 100 // of asked
	beat      = time.Second
	timeout   = 900 * time.Millisecond
)

// question is one that both can ask: of DNS, or of a TCP port. The exporter
// connects to the port; ours asks the KDC for a ticket there (a large one, too),
// or the password server for a change of password.
type question struct {
	dns       *dns.Question // nil: not DNS
	server    netip.AddrPort
	transport probe.Transport
	large     bool
}

const (
	portDNS     = 53
	portKDC     = 88
	portKpasswd = 464
)

func asked() []question {
	const zone = "corp.example.com"
	about := []dns.Question{{Name: zone, Type: dns.SOA}, {Name: zone, Type: dns.A}, {Name: "dc1." + zone, Type: dns.A}, {Name: "dc2." + zone, Type: dns.A}}
	for _, service := range []string{"_kerberos._udp.", "_kerberos._tcp.", "_kpasswd._udp.", "_kpasswd._tcp.", "_ldap._tcp.", "_gc._tcp.", "_kerberos._tcp.dc._msdcs."} {
		about = append(about, dns.Question{Name: service + zone, Type: dns.SRV})
	}
	var all []question
	for _, controller := range []string{"10.77.0.10", "10.77.1.11", "fd77::10", "fd77:0:0:1::11"} {
		at := netip.MustParseAddr(controller)
		for _, q := range about {
			all = append(all, question{dns: &q, server: netip.AddrPortFrom(at, portDNS), transport: probe.UDP},
				question{dns: &q, server: netip.AddrPortFrom(at, portDNS), transport: probe.TCP})
		}
		kdc := netip.AddrPortFrom(at, portKDC)
		all = append(all, question{server: kdc, transport: probe.TCP}, question{server: kdc, transport: probe.TCP, large: true},
			question{server: netip.AddrPortFrom(at, portKpasswd), transport: probe.TCP})
	}
	return all
}

// module is the name of the blackbox exporter's module for a question, and
// what stands in its configuration.
func (q question) module() (name, text string) {
	if q.dns == nil {
		return "tcp_connect", "    prober: tcp\n"
	}
	kind, zone, _ := strings.Cut(q.dns.String(), " ")
	protocol := "ip4"
	if q.server.Addr().Is6() {
		protocol = "ip6"
	}
	name = strings.NewReplacer(".", "_", " ", "_").Replace(fmt.Sprintf("%s_%s_%s_%s", kind, zone, q.transport, protocol))
	return name, fmt.Sprintf("    prober: dns\n    dns: {query_name: %q, query_type: %q, transport_protocol: %q, preferred_ip_protocol: %q}\n", zone, kind, q.transport, protocol)
}

// blackboxConfig is the exporter's configuration for all questions.
func blackboxConfig() string {
	var b strings.Builder
	b.WriteString("modules:\n")
	seen := map[string]bool{}
	for _, q := range asked() {
		if name, text := q.module(); !seen[name] {
			seen[name] = true
			fmt.Fprintf(&b, "  %s:\n    timeout: %v\n%s", name, timeout, text)
		}
	}
	return b.String()
}

func (q question) probe() probe.Probe {
	const realm = "CORP.EXAMPLE.COM"
	facts := probe.Facts{probe.FactRealm: realm, probe.FactRole: probe.RoleRealm}
	host := "dc-" + q.server.Addr().String()
	switch {
	case q.dns != nil:
		return dns.Probe{Question: *q.dns, Server: q.server, Transport: q.transport, Dialer: &net.Dialer{}, Timeout: timeout, Facts: facts}
	case q.server.Port() == portKpasswd:
		return kpasswd.Probe{Host: host, Address: q.server, Transport: q.transport, Dialer: &net.Dialer{}, Timeout: timeout, Facts: facts}
	}
	return kdc.Probe{Host: host, Address: q.server, Transport: q.transport, User: client.Principal{Name: "kerbagent-probe", Realm: realm},
		Large: q.large, Dialer: &net.Dialer{}, Timeout: timeout, Facts: facts}
}

// serveOurs asks all questions as the daemon does, each on its beat, keeps the
// results, explains them once a beat, and serves metrics, until it is killed.
func serveOurs(listen string) error {
	m, table := metrics.New(metrics.Options{}), latest.New(time.Now)
	var targets []metrics.Target
	var jobs []schedule.Job
	for _, q := range asked() {
		p := q.probe()
		targets = append(targets, metrics.Target{ID: p.ID()})
		jobs = append(jobs, schedule.Job{Key: p.ID().String(), Interval: beat, Timeout: timeout, Run: func(ctx context.Context) {
			res := probe.Safely(ctx, p)
			table.Put(res, beat)
			m.Observe(res)
		}})
	}
	jobs = append(jobs, schedule.Job{Key: "explain", Interval: beat, Timeout: timeout, Run: func(context.Context) {
		m.Findings(diagnose.Explain(table.Snapshot(diagnose.Limits{})).Findings)
	}})
	m.Plan(targets)
	s := schedule.New(schedule.Options{})
	s.Set(jobs)
	go s.Run(context.Background())
	http.Handle("/metrics", m.Handler())
	return http.ListenAndServe(listen, nil)
}
