package metrics

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

var (
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	corp     = probe.Facts{probe.FactRealm: "CORP.EXAMPLE.COM"}
	question = probe.Target{ID: probe.ID{Kind: probe.DNS, Target: "SRV:_kerberos._tcp.corp.example.com", Address: netip.MustParseAddrPort("10.0.1.10:53"), Transport: probe.UDP}, Facts: corp}
	kdcUDP   = probe.Target{ID: probe.ID{Kind: probe.KDC, Target: "dc1.corp.example.com", Address: netip.MustParseAddrPort("10.0.1.10:88"), Transport: probe.UDP}, Facts: corp}
	kdcTCP   = probe.Target{ID: probe.ID{Kind: probe.KDC, Target: "dc1.corp.example.com", Address: netip.MustParseAddrPort("[fd00::10]:88"), Transport: probe.TCP}, Facts: corp}
	kdcLarge = probe.Target{ID: probe.ID{Kind: probe.KDC, Target: "dc1.corp.example.com", Address: netip.MustParseAddrPort("10.0.1.10:88"), Transport: probe.UDP, Variant: "large"}, Facts: corp}
	writer   = database("10.0.3.20:3306")
	reader   = database("10.0.3.21:3306")
	alice    = login("alice@CORP.EXAMPLE.COM", "orders")
	etl      = login("etl@ONPREM.LOCAL", "orders")
	// aliceThere is alice's login at one instance.
	aliceThere = probe.Target{ID: probe.ID{Kind: probe.Login, Target: "alice@CORP.EXAMPLE.COM@orders", Variant: "orders-3"},
		Facts: probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders", probe.FactInstance: "orders-3", probe.FactDBRole: probe.RoleReader}}
	file = probe.Target{ID: probe.ID{Kind: probe.Krb5Conf, Target: "/etc/krb5.conf"}}
)

func database(at string) probe.Target {
	return probe.Target{ID: probe.ID{Kind: probe.Database, Target: "orders.example.com", Address: netip.MustParseAddrPort(at), Transport: probe.TCP},
		Facts: probe.Facts{probe.FactDatabase: "orders"}}
}

func login(user, db string) probe.Target {
	return probe.Target{ID: probe.ID{Kind: probe.Login, Target: user + "@" + db}, Facts: probe.Facts{probe.FactUser: user, probe.FactDatabase: db}}
}

// ran is a run that took 30 ms.
func ran(t probe.Target, o probe.Outcome, r probe.Reason, samples probe.Samples, stages ...probe.Stage) probe.Result {
	facts := probe.Facts{}
	for k, v := range t.Facts {
		facts[k] = v
	}
	return probe.Result{ID: t.ID, Outcome: o, Reason: r, Started: noon, Duration: 30 * time.Millisecond, Facts: facts, Samples: samples, Stages: stages}
}

func good(t probe.Target) probe.Result { return ran(t, probe.OK, "", nil) }

func bad(t probe.Target, r probe.Reason) probe.Result { return ran(t, probe.Failed, r, nil) }

func held(t probe.Target, r probe.Reason) probe.Result { return ran(t, probe.Skipped, r, nil) }

// scrape returns the text that a plain HTTP client sees, without what Go and
// process say of themselves, and without waiting for a page to grow old.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := p.TextToMetricFamilies(strings.NewReader(w.Body.String())); err != nil {
		t.Fatalf("the exposition does not parse: %v", err)
	}
	var out strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if name := strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "); !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// series are the lines of a scrape that begin with one of these.
func series(t *testing.T, m *Metrics, prefixes ...string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(scrape(t, m)) {
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); diff != "" {
		t.Errorf("(- want, + got):\n%s", diff)
	}
}

// full is a small plan with good and bad results.
func full(o Options) *Metrics {
	m := New(o)
	behind := aliceThere
	behind.ID.Variant, behind.Facts = "orders-2", aliceThere.Facts.With(probe.FactInstance, "orders-2")
	m.Track([]probe.Target{question, kdcUDP, kdcTCP, kdcLarge, writer, reader, alice, etl, aliceThere, behind, file})
	m.Observe(good(question))
	m.Observe(ran(kdcUDP, probe.OK, "", probe.Samples{probe.SampleSkew: -1.5}, probe.Stage{Name: "as", Duration: 29 * time.Millisecond}))
	m.Observe(bad(kdcTCP, probe.ReasonConnectTimeout))
	m.Observe(held(kdcLarge, probe.ReasonNotAsked))
	m.Observe(ran(writer, probe.OK, "", probe.Samples{probe.SampleCertExpiry: 2e9}))
	m.Observe(ran(reader, probe.OK, "", probe.Samples{probe.SampleCertExpiry: 1.9e9}))
	m.Observe(ran(alice, probe.OK, "", probe.Samples{probe.SampleTicketEnd: 1.8e9, probe.SamplePasswordExpiry: 1.85e9},
		probe.Stage{Name: "as-preauth", Duration: 4 * time.Millisecond}, probe.Stage{Name: "tgs", Duration: time.Millisecond}))
	m.Observe(bad(etl, probe.ReasonKRBPreauthFailed))
	m.Observe(bad(aliceThere, probe.ReasonDBPluginMissing))
	m.Observe(ran(behind, probe.OK, "", probe.Samples{probe.SampleReplicaLag: 0.018}))
	m.Observe(bad(file, "krb5conf-rdns"))
	issue := file
	issue.ID.Variant = "krb5conf-rdns:12"
	m.Observe(bad(issue, "krb5conf-rdns"))
	issue.ID.Variant = "ticket-expiring"
	m.Observe(ran(issue, probe.OK, "", probe.Samples{probe.SampleTicketEnd: 1.8e9}))
	m.Applications([]string{"orders.service"}, seen("orders.service", "orders.service", 1.8e9, diagnose.Warning))
	m.AWS([]probe.Result{{ID: probe.ID{Kind: probe.AWS, Target: "us-east-1"}, Outcome: probe.OK, Started: noon},
		{ID: probe.ID{Kind: probe.AWS, Target: "orders", Variant: probe.AWSCluster}, Outcome: probe.OK, Started: noon}})
	m.Breaker("etl@ONPREM.LOCAL", true)
	m.Unfinished("orders", 3)
	m.Krb5Conf(false)
	m.Krb5ConfChanged()
	m.Reloaded(true, noon)
	m.Reloaded(false, noon.Add(time.Minute))
	m.Findings([]diagnose.Finding{{Code: "kdc-tcp-blocked", Severity: diagnose.Error}, {Code: "krb5conf-rdns", Severity: diagnose.Warning}, {Code: "password-wrong", Severity: diagnose.Error}})
	return m
}

func TestExposition(t *testing.T) {
	text := scrape(t, full(Options{Version: "1.2.3"}))
	golden(t, "testdata/metrics.txt", withoutGo(text))
	for _, r := range Table() {
		if !strings.Contains(text, "# TYPE "+r.Name+" "+r.Type+"\n") {
			t.Errorf("%s is in the table and not in the exposition", r.Name)
		}
	}
}

// withoutGo hides the version that the test happens to run with.
func withoutGo(s string) string {
	i := strings.Index(s, `goversion="`) + len(`goversion="`)
	return s[:i] + "go1" + s[i+strings.IndexByte(s[i:], '"'):]
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(full(Options{}).registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestHiddenUsersAreNowhere(t *testing.T) {
	m := full(Options{HideUsers: true})
	text := scrape(t, m)
	for _, name := range []string{"alice", "etl", "ONPREM"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is in it", name)
		}
	}
	same(t, series(t, m, "kerbagent_login_", "kerbagent_password", `kerbagent_probe_success{address="",db_instance="",family="",probe="login"`), `
kerbagent_login_breaker_open{user="user-1"} 0
kerbagent_login_breaker_open{user="user-2"} 1
kerbagent_login_success{database="orders",user="user-1"} 1
kerbagent_login_success{database="orders",user="user-2"} 0
kerbagent_password_expiry_timestamp_seconds{user="user-1"} 1.85e+09
kerbagent_probe_success{address="",db_instance="",family="",probe="login",realm="",target="user-1@orders",transport="",variant=""} 1
kerbagent_probe_success{address="",db_instance="",family="",probe="login",realm="",target="user-2@orders",transport="",variant=""} 0`)

	m.Track([]probe.Target{etl}) // who was user-2 is user-1 now: nothing of the other's may be left to it
	same(t, series(t, m, "kerbagent_login_", "kerbagent_password", `kerbagent_probe_failures_total{probe="login",reason="krb-preauth-failed"`), `
kerbagent_login_breaker_open{user="user-1"} 1
kerbagent_probe_failures_total{probe="login",reason="krb-preauth-failed",target="user-1@orders"} 0`)
}

func TestSeriesGoWithTheirTargets(t *testing.T) {
	m := full(Options{})
	m.Track(nil)
	empty := New(Options{})
	targets := []string{"kerbagent_probe_", "kerbagent_kdc_", "kerbagent_login_", "kerbagent_password_", "kerbagent_certificate_", "kerbagent_database_", "kerbagent_ticket_"}
	same(t, series(t, m, targets...), series(t, empty, targets...))

	for _, r := range []probe.Result{good(kdcUDP), good(alice), bad(etl, probe.ReasonPaused), good(writer), good(file)} {
		m.Observe(r) // what ends after it was given up
	}
	same(t, series(t, m, targets...), "")
}

func TestWhatStaysKeepsItsCounts(t *testing.T) {
	m := New(Options{})
	m.Track([]probe.Target{kdcUDP, kdcTCP})
	m.Observe(bad(kdcTCP, probe.ReasonRefused))
	m.Track([]probe.Target{kdcTCP, alice})
	m.Observe(bad(kdcTCP, probe.ReasonRefused))
	same(t, series(t, m, `kerbagent_probe_failures_total{probe="kdc",reason="refused"`, `kerbagent_probe_duration_seconds_count{probe="kdc"`, "kerbagent_probe_success"), `
kerbagent_probe_duration_seconds_count{probe="kdc",target="dc1.corp.example.com"} 2
kerbagent_probe_failures_total{probe="kdc",reason="refused",target="dc1.corp.example.com"} 2
kerbagent_probe_success{address="[fd00::10]:88",db_instance="",family="ipv6",probe="kdc",realm="CORP.EXAMPLE.COM",target="dc1.corp.example.com",transport="tcp",variant=""} 0`)
}

// A question that is not asked is neither good nor bad; a login that is held
// back is as broken as the try that broke it.
func TestSkipped(t *testing.T) {
	m := New(Options{})
	m.Track([]probe.Target{kdcLarge, alice})
	shown := []string{"kerbagent_probe_success", "kerbagent_login_success", "kerbagent_probe_last_success", `kerbagent_probe_skips_total{probe="login",reason="paused"`}
	m.Observe(good(kdcLarge))
	m.Observe(bad(alice, probe.ReasonKRBPreauthFailed))
	m.Observe(held(kdcLarge, probe.ReasonNotAsked))
	m.Observe(held(alice, probe.ReasonPaused))
	same(t, series(t, m, shown...), `
kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 0
kerbagent_probe_last_success_timestamp_seconds{address="10.0.1.10:88",db_instance="",family="ipv4",probe="kdc",realm="CORP.EXAMPLE.COM",target="dc1.corp.example.com",transport="udp",variant="large"} 1.79534880003e+09
kerbagent_probe_skips_total{probe="login",reason="paused",target="alice@CORP.EXAMPLE.COM@orders"} 1`)
	m.Observe(good(alice))
	same(t, series(t, m, "kerbagent_login_success", "kerbagent_probe_success"), `
kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 1
kerbagent_probe_success{address="",db_instance="",family="",probe="login",realm="",target="alice@CORP.EXAMPLE.COM@orders",transport="",variant=""} 1`)
	m.Observe(held(alice, probe.ReasonNoRecord))
	same(t, series(t, m, "kerbagent_login_success", "kerbagent_probe_success"), `
kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 1`)
}

func TestExpiries(t *testing.T) {
	m := New(Options{})
	m.Track([]probe.Target{writer, reader, alice, file})
	m.Observe(ran(writer, probe.OK, "", probe.Samples{probe.SampleCertExpiry: 2e9}))
	m.Observe(ran(reader, probe.OK, "", probe.Samples{probe.SampleCertExpiry: 1.9e9}))
	m.Observe(ran(alice, probe.OK, "", probe.Samples{probe.SamplePasswordExpiry: 1.85e9, probe.SampleTicketEnd: 1.8e9}))
	ticket := file
	ticket.ID.Variant = "ticket-expiring"
	m.Observe(ran(ticket, probe.OK, "", probe.Samples{probe.SampleTicketEnd: 1.7e9}))
	shown := []string{"kerbagent_certificate", "kerbagent_password", "kerbagent_ticket"}
	same(t, series(t, m, shown...), `
kerbagent_certificate_expiry_timestamp_seconds{database="orders"} 1.9e+09
kerbagent_password_expiry_timestamp_seconds{user="alice@CORP.EXAMPLE.COM"} 1.85e+09
kerbagent_ticket_expiry_timestamp_seconds{probe="krb5conf",target="/etc/krb5.conf"} 1.7e+09`)

	m.Track([]probe.Target{writer, alice, aliceThere}) // the address with the older certificate is gone
	m.Observe(good(aliceThere))                        // with the ticket of the endpoint's login: nothing is said of the password
	cached := ran(alice, probe.OK, "", probe.Samples{probe.SampleTicketEnd: 1.75e9})
	cached.Facts[probe.FactSecretType] = "ccache" // no KDC was asked about the password
	m.Observe(cached)
	same(t, series(t, m, shown...), `
kerbagent_certificate_expiry_timestamp_seconds{database="orders"} 2e+09
kerbagent_password_expiry_timestamp_seconds{user="alice@CORP.EXAMPLE.COM"} 1.85e+09
kerbagent_ticket_expiry_timestamp_seconds{probe="login",target="alice@CORP.EXAMPLE.COM@orders"} 1.75e+09`)

	m.Observe(good(alice)) // a password that ends no more
	same(t, series(t, m, "kerbagent_password"), "")
}

func TestFindings(t *testing.T) {
	m := New(Options{})
	if got := strings.Count(series(t, m, "kerbagent_finding{"), "} 0\n"); got != len(diagnose.Catalogue()) {
		t.Errorf("%d codes at 0 from the start, the catalogue has %d", got, len(diagnose.Catalogue()))
	}
	m.Findings([]diagnose.Finding{{Code: "kdc-tcp-blocked", Severity: diagnose.Warning}, {Code: "kdc-tcp-blocked", Severity: diagnose.Warning}})
	same(t, series(t, m, `kerbagent_finding{code="kdc-tcp-blocked"`), `
kerbagent_finding{code="kdc-tcp-blocked",severity="error"} 0
kerbagent_finding{code="kdc-tcp-blocked",severity="warning"} 2`)
	m.Findings(nil)
	same(t, series(t, m, `kerbagent_finding{code="kdc-tcp-blocked"`), `
kerbagent_finding{code="kdc-tcp-blocked",severity="error"} 0
kerbagent_finding{code="kdc-tcp-blocked",severity="warning"} 0`)
}

// What a peer says is in facts and errors, never in a label; and a path that is
// no UTF-8 is no reason to fall over.
func TestHostileWords(t *testing.T) {
	m := New(Options{})
	path := probe.Target{ID: probe.ID{Kind: probe.Krb5Conf, Target: "/tmp/\xff\"\n"}}
	m.Track([]probe.Target{alice, path})
	m.Observe(good(path))
	r := bad(alice, probe.ReasonDBAccessDenied)
	r.Err = errors.New("evil")
	for _, f := range []probe.Fact{probe.FactUser, probe.FactDatabase, probe.FactErrText, probe.FactSPN} {
		r.Facts[f] = "evil\xff"
	}
	m.Observe(r)
	if text := scrape(t, m); strings.Contains(text, "evil") {
		t.Error("a peer's word is a label")
	}
	same(t, series(t, m, "kerbagent_probe_success", "kerbagent_login_success"), `
kerbagent_login_success{database="orders",user="alice@CORP.EXAMPLE.COM"} 0
kerbagent_probe_success{address="",db_instance="",family="",probe="krb5conf",realm="",target="/tmp/`+"\uFFFD"+`\"\n",transport="",variant=""} 1
kerbagent_probe_success{address="",db_instance="",family="",probe="login",realm="",target="alice@CORP.EXAMPLE.COM@orders",transport="",variant=""} 0`)
}

func TestConcurrentUse(t *testing.T) {
	m := New(Options{HideUsers: true})
	h := m.Handler()
	plans := [][]probe.Target{{kdcUDP, alice, etl, writer}, {etl, alice}, {kdcUDP, kdcTCP, reader, file}}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 100 {
				switch i {
				case 0:
					m.Track(plans[n%len(plans)])
				case 1:
					for _, target := range plans[0] {
						m.Observe(bad(target, probe.ReasonRefused))
					}
				case 2:
					m.Findings([]diagnose.Finding{{Code: "clock-skew", Severity: diagnose.Error}})
					m.Breaker("etl@ONPREM.LOCAL", n%2 == 0)
					m.Unfinished("orders", n)
					m.Krb5Conf(true)
					m.Reloaded(true, noon)
				case 3:
					if n%10 == 0 {
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
					}
				}
			}
		})
	}
	wg.Wait()
	m.Track(plans[0])
	scrape(t, m)
}

// How far a reader is behind goes with the instance, and with a login there that says nothing of it.
func TestTheLagOfInstances(t *testing.T) {
	for _, m := range []*Metrics{New(Options{}), New(Options{Lean: true})} {
		etlThere := aliceThere
		etlThere.ID.Target, etlThere.Facts = etl.ID.Target, aliceThere.Facts.With(probe.FactUser, etl.Facts[probe.FactUser])
		m.Track([]probe.Target{alice, aliceThere, etlThere})
		const (
			name = "kerbagent_instance_replica_lag_seconds"
			at   = `kerbagent_instance_replica_lag_seconds{database="orders",db_instance="orders-3"} `
		)
		behind := func(s float64) probe.Samples { return probe.Samples{probe.SampleReplicaLag: s} }
		m.Observe(ran(alice, probe.OK, "", behind(9))) // by the endpoint, which leads to any
		same(t, series(t, m, name), "")
		m.Observe(ran(aliceThere, probe.OK, "", behind(0.018)))
		same(t, series(t, m, name), at+"0.018")
		m.Observe(ran(aliceThere, probe.Skipped, probe.ReasonPaused, nil))
		same(t, series(t, m, name), at+"0.018")
		m.Observe(ran(aliceThere, probe.OK, "", nil)) // it is the writer now
		same(t, series(t, m, name), "")
		m.Observe(ran(etlThere, probe.OK, "", behind(2)))
		m.Observe(ran(aliceThere, probe.Failed, probe.ReasonRefused, nil))
		same(t, series(t, m, name), "")
		m.Observe(ran(etlThere, probe.OK, "", behind(2)))
		m.Track([]probe.Target{alice, etlThere})
		same(t, series(t, m, name), at+"2")
		m.Track([]probe.Target{alice})
		same(t, series(t, m, name), "")
	}
}

// Which instance is the writer follows the cluster, and goes with the instance.
func TestTheRolesOfInstances(t *testing.T) {
	for _, m := range []*Metrics{New(Options{}), New(Options{Lean: true})} {
		at := func(role string) probe.Target {
			there := aliceThere
			there.Facts = there.Facts.With(probe.FactDBRole, role)
			return there
		}
		const name = "kerbagent_instance_writer"
		m.Track([]probe.Target{alice, at(probe.RoleReader)})
		same(t, series(t, m, name), `kerbagent_instance_writer{database="orders",db_instance="orders-3"} 0`)
		m.Track([]probe.Target{alice, at(probe.RoleWriter)})
		same(t, series(t, m, name), `kerbagent_instance_writer{database="orders",db_instance="orders-3"} 1`)
		m.Track([]probe.Target{alice, at("")})
		same(t, series(t, m, name), "")
		m.Track([]probe.Target{alice})
		same(t, series(t, m, name), "")
	}
}
