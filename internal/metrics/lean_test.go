package metrics

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// usual are the targets of the usual set-up: a realm with two controllers and a trusted
// realm with one, all with IPv4 and IPv6, one database with both, three logins.
func usual() (out []probe.Target) {
	add := func(kind probe.Kind, target, at string, t probe.Transport, variant, realm string) {
		out = append(out, probe.Target{ID: probe.ID{Kind: kind, Target: target, Address: netip.MustParseAddrPort(at), Transport: t, Variant: variant},
			Facts: probe.Facts{probe.FactRealm: realm}})
	}
	for n, realm := range []string{"CORP.TEST", "CORP.TEST", "ONPREM.TEST"} {
		host := fmt.Sprintf("dc%d.test", n)
		for _, ip := range []string{fmt.Sprintf("10.0.0.%d", n+1), fmt.Sprintf("[fd00::%d]", n+1)} {
			for _, t := range []probe.Transport{probe.UDP, probe.TCP} {
				add(probe.KDC, host, ip+":88", t, "", realm)
				add(probe.KDC, host, ip+":88", t, "large", realm)
				add(probe.Kpasswd, host, ip+":464", t, "", realm)
				for q := range 9 {
					add(probe.DNS, fmt.Sprintf("SRV:q%d.%s", q, realm), ip+":53", t, "", realm)
				}
			}
		}
	}
	out = append(out, writer, database("[fd00::20]:3306"), alice, etl, login("bob@CORP.EXAMPLE.COM", "orders"), file)
	return out
}

func inUse(m *Metrics) {
	m.Track(usual())
	for _, t := range usual() {
		samples := probe.Samples{}
		switch t.ID.Kind {
		case probe.KDC:
			samples[probe.SampleSkew] = 0.1
		case probe.Login:
			samples[probe.SamplePasswordExpiry], samples[probe.SampleCertExpiry] = 1, 1
		}
		var stages []probe.Stage
		for _, name := range []string{"names", "connect", "greeting", "tls", "as", "preauth", "tgs", "switch", "token", "query", "goodbye"} {
			stages = append(stages, probe.Stage{Name: name, Duration: 1})
		}
		m.Observe(ran(t, probe.OK, "", samples, stages...))
	}
	m.Krb5Conf(true)
	m.Reloaded(true, noon)
	m.Findings(nil)
}

// kept counts what a Prometheus with native histograms keeps.
func kept(t *testing.T, m *Metrics) (n int, of map[string]int) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	of = map[string]int{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			add := 1
			if h := one.GetHistogram(); h != nil && len(h.GetBucket()) > 0 {
				add = len(h.GetBucket()) + 3
			}
			if s := one.GetSummary(); s != nil {
				add = len(s.GetQuantile()) + 2
			}
			n, of[f.GetName()] = n+add, of[f.GetName()]+add
		}
	}
	return n, of
}

func TestTheUsualSetUpHasAtMost200Series(t *testing.T) {
	m := New(Options{Version: "test", Lean: true})
	inUse(m)
	n, of := kept(t, m)
	t.Logf("lean: %d series", n)
	if n > 200 {
		t.Errorf("%d series: %v", n, of)
	}
	full := New(Options{Version: "test"})
	inUse(full)
	all, _ := kept(t, full)
	classic := New(Options{Version: "test", Lean: true, Classic: true})
	inUse(classic)
	some, _ := kept(t, classic)
	t.Logf("lean with classic buckets: %d, full: %d", some, all)
	if some > 350 || all < 5*n {
		t.Errorf("lean with classic buckets has %d series, full %d", some, all)
	}
	problems, err := prometheus.Gatherers{m.registry}.Gather()
	if err != nil || len(problems) == 0 {
		t.Error(err)
	}
}

// What fails shows, at the lean level too, and goes with its target.
func TestLeanShowsWhatFails(t *testing.T) {
	m := New(Options{Version: "test", Lean: true})
	inUse(m)
	has := func(want bool, line string) {
		t.Helper()
		if got := strings.Contains(scrape(t, m), line); got != want {
			t.Errorf("%v: %s", got, line)
		}
	}
	has(false, "kerbagent_finding{")
	has(false, "kerbagent_probe_failures_total{")
	has(true, `kerbagent_probe_kind_failures_total{probe="login"} 0`)
	var srv probe.Target
	for _, one := range usual() {
		if one.ID.Kind == probe.DNS {
			srv = one
		}
	}
	row := fmt.Sprintf(`kerbagent_probe_success{address=%q,db_instance="",family="ipv6",probe="dns",realm="",target="fd00::3",transport="tcp",variant=""} `, srv.ID.Address)
	has(true, row+"1")
	m.Observe(bad(srv, probe.ReasonTCPSilent))
	has(true, row+"0") // one question of nine
	m.Observe(bad(alice, probe.ReasonKRBPreauthFailed))
	has(true, `kerbagent_probe_failures_total{probe="login",reason="krb-preauth-failed",target="alice@CORP.EXAMPLE.COM@orders"} 1`)
	has(true, `kerbagent_probe_kind_failures_total{probe="login"} 1`)
	m.Findings([]diagnose.Finding{{Code: "password-wrong", Severity: diagnose.Error}})
	has(true, `kerbagent_finding{code="password-wrong",severity="error"} 1`)
	has(true, `kerbagent_first_finding{code="password-wrong",severity="error"} 1`)
	m.Findings(nil)
	has(false, "kerbagent_finding{")
	has(false, "kerbagent_first_finding{")
	m.Observe(held(etl, probe.ReasonPaused))
	has(true, `kerbagent_probe_skips_total{probe="login"} 1`)
	has(true, `kerbagent_probe_last_success_timestamp_seconds{address="",db_instance="",family="",probe="kdc",realm="ONPREM.TEST",target="ONPREM.TEST",transport="",variant=""}`)
	m.Track([]probe.Target{etl})
	has(false, "alice")
	has(false, `probe_success{address="10.0.0.1`)
}
