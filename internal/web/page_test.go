package web_test

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/results"
	"github.com/kerbagent/kerbagent/internal/web"
	"github.com/kerbagent/kerbagent/probe"
)

func pageOf(t testing.TB, s web.State) string {
	t.Helper()
	code, body := get(t, web.Handler(&source{state: s}, web.Options{}), "/")
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, body)
	}
	return body
}

// texts is what a reader sees of HTML, without the tags.
func texts(page string) string {
	page = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, " ")
	return html.UnescapeString(strings.Join(strings.Fields(page), " "))
}

// part is one section of the page.
func part(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, `<section data-part="`+name+`"`)
	if !found {
		t.Fatalf("the page has no part %q", name)
	}
	in, _, _ := strings.Cut(rest, "</section>")
	return in
}

// stations returns the state of each stop of the path, with a star where the cause is.
func stations(t *testing.T, page string) string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?s)<li class="station (\w+)( root)?">.*?<h3>(.*?)</h3>`).FindAllStringSubmatch(part(t, page, "path"), -1) {
		star := ""
		if m[2] != "" {
			star = "*"
		}
		out = append(out, strings.Fields(texts(m[3]))[0]+"="+m[1]+star)
	}
	return strings.Join(out, " ")
}

// The picture says where it is broken, whatever rung that is, and the top of
// the page says what, why and what to type.
func TestEachBrokenRung(t *testing.T) {
	for _, c := range []struct {
		fault diagnose.Code
		want  string
	}{
		{"", "This=ok DNS=ok Kerberos=ok Password=ok Database=ok Login=ok"},
		{"host-offline", "This=failed* DNS=failed Kerberos=failed Database=failed Login=failed"},
		{"dns-server-silent", "This=ok DNS=partly* Kerberos=ok Password=ok Database=ok Login=ok"},
		{"kdc-tcp-blocked", "This=ok DNS=ok Kerberos=failed* Password=ok Database=ok Login=failed"},
		{"kpasswd-blocked", "This=ok DNS=ok Kerberos=ok Password=partly* Database=ok Login=ok"},
		{"clock-skew", "This=ok DNS=ok Kerberos=failed* Password=ok Database=ok Login=failed"},
		{"db-refused", "This=ok DNS=ok Kerberos=ok Password=ok Database=failed* Login=failed"},
		{"password-wrong", "This=ok DNS=ok Kerberos=ok Password=ok Database=ok Login=failed*"},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			s := rehearse(t, c.fault)
			page := pageOf(t, s)
			if got := stations(t, page); got != c.want {
				t.Errorf("the path is\n%s, want\n%s", got, c.want)
			}
			top := part(t, page, "verdict")
			if c.fault == "" {
				if got := texts(top); !strings.Contains(got, "OK all 3 logins work") {
					t.Errorf("the top says %q", got)
				}
				return
			}
			f := s.Report.Findings[0]
			if f.Code != c.fault {
				t.Fatalf("the ladder found %s", f.Code)
			}
			seen := texts(top)
			for _, want := range []string{f.Title, f.Cause, "since ", "min", "kerbagent explain " + string(c.fault)} {
				if !strings.Contains(seen, strings.Join(strings.Fields(want), " ")) {
					t.Errorf("the top does not say %q:\n%s", want, seen)
				}
			}
			for _, l := range strings.Split(f.Remedy, "\n") {
				if command := strings.TrimPrefix(l, "  "); command != l && !strings.Contains(html.UnescapeString(top), command) {
					t.Errorf("the top does not say to type %q", command)
				}
			}
		})
	}
}

// What a peer says can neither become markup nor hide or turn text.
func TestHostileText(t *testing.T) {
	const evil = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\" onfocus=\"alert(1)\x1b[2J\x00\u202egnp.exe\u200b\r\nOK all logins work \xff'{{.}}"
	s := fleet(40, 3)
	for i := range 5 {
		s.Entries[i].Result.ID.Kind, s.Entries[i].Result.ID.Variant = probe.Application, ""
	}
	for i := range s.Entries {
		r := &s.Entries[i].Result
		r.Facts = probe.Facts{probe.FactUser: evil, probe.FactDatabase: evil, probe.FactRealm: evil, probe.FactSPN: evil, probe.FactCurrentUser: evil,
			probe.FactApplication: evil, probe.FactCache: evil, probe.FactUnread: evil}
		r.ID.Target, r.Err = evil, errors.New(evil)
		r.Stages = []probe.Stage{{Name: evil, Duration: time.Millisecond, Err: errors.New(evil)}}
	}
	s.Report = diagnose.Report{Verdict: diagnose.VerdictFailed}
	for range 3 {
		s.Report.Findings = append(s.Report.Findings, diagnose.Finding{Code: "db-access-denied", Severity: diagnose.Error, Title: evil, Cause: evil,
			Remedy: evil + "\n  " + evil, Evidence: map[string]string{evil: evil}, Affects: []probe.ID{{Kind: probe.Login, Target: evil}}})
	}
	s.Notes, s.Host, s.Version = []string{evil}, evil, evil
	records := []recorder.Record{{Findings: []string{evil}, Result: []byte(fmt.Sprintf(`{"id":%q,"reason":%q,"error":%q}`, "<b>", "<i>", "<u>"))}}
	for _, hide := range []bool{false, true} {
		s.HideUsers = hide
		_, page := get(t, web.Handler(&source{state: s, failures: records}, web.Options{}), "/")
		for _, bad := range []string{"<script>alert", "<img", "\" onfocus", "\x1b", "\x00", "\u202e", "\u200b", "\r", "<b>", "<i>", "<u>", "ZgotmplZ"} {
			if strings.Contains(page, bad) {
				i := strings.Index(page, bad)
				t.Errorf("hide %v: %q came through: …%q", hide, bad, page[max(0, i-80):i+40])
			}
		}
		if !hide && !strings.Contains(page, `\u202e`) {
			t.Error("what hides is not made visible")
		}
	}
}

func TestHiddenUsers(t *testing.T) {
	s := rehearse(t, "password-wrong")
	s.Notes = []string{"logins of alice@CORP.EXAMPLE.COM wait"}
	if page := pageOf(t, s); !strings.Contains(page, "alice") {
		t.Fatal("the page shows no user")
	}
	s.HideUsers = true
	page := pageOf(t, s)
	if i := strings.Index(strings.ToLower(page), "alice"); i >= 0 {
		t.Errorf("a user's name is shown: …%s", page[max(0, i-100):i+50])
	}
	if !strings.Contains(page, "logins of user-1 wait") {
		t.Error("no token stands in its place")
	}
}

// A result that nobody renews is shown as old, not as good news.
func TestStale(t *testing.T) {
	s := fleet(9, 0)
	if strings.Contains(pageOf(t, s), "old:") {
		t.Error("fresh results are shown as old")
	}
	s.Now = s.Now.Add(time.Hour)
	page := pageOf(t, s)
	if !strings.Contains(texts(part(t, page, "verdict")), "16 of 16 results are old") || !strings.Contains(part(t, page, "kdc"), "old: 60 min ago") {
		t.Errorf("the page does not say that nothing runs: %s", texts(part(t, page, "verdict")))
	}
}

func TestStarting(t *testing.T) {
	s := web.State{Host: "h", Now: time.Now(), Report: diagnose.Report{Verdict: diagnose.VerdictOK}}
	if got := texts(part(t, pageOf(t, s), "verdict")); !strings.Contains(got, "STARTING") || strings.Contains(got, "OK") {
		t.Errorf("before the first round the page says %q", got)
	}
}

// A login at a reader is shown with how far the reader is behind; at the writer there is nothing to show.
func TestTheLagOfAReaderIsInItsRow(t *testing.T) {
	login := func(instance, role string) probe.Result {
		return probe.Result{ID: probe.ID{Kind: probe.Login, Target: "alice@CORP.EXAMPLE.COM@orders", Variant: instance}, Outcome: probe.OK, Samples: probe.Samples{},
			Stages: []probe.Stage{{Name: "query", Duration: time.Millisecond}},
			Facts:  probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders", probe.FactInstance: instance, probe.FactDBRole: role}}
	}
	reader := login("orders-2", probe.RoleReader)
	reader.Samples[probe.SampleReplicaLag] = 0.018
	_, page := get(t, web.Handler(&source{state: after([]probe.Result{login("orders-1", probe.RoleWriter), reader})}, web.Options{}), "/")
	got := texts(part(t, page, "login"))
	if _, row, _ := strings.Cut(got, "reader orders-2"); !strings.Contains(row, "replica lag 18 ms") || strings.Count(got, "replica lag") != 1 {
		t.Error(got)
	}
}

func TestOtherParts(t *testing.T) {
	s := rehearse(t, "server-down")
	s.Notes = []string{"KDC 10.0.0.10:88 says that it is busy: asked every 2 min"}
	first := s.Report.Findings[0]
	first.Silences = []diagnose.Code{"kdc-silent"}
	s.Report.Findings = append([]diagnose.Finding{first}, slices.Repeat([]diagnose.Finding{{Code: "dns-srv-stale", Severity: diagnose.Warning, Title: "an SRV record is stale", Cause: "because"}}, 60)...)
	records := []recorder.Record{{At: s.Now.Add(-time.Hour), Last: s.Now.Add(-time.Minute), Count: 7, Findings: []string{"kdc-silent"}, Result: []byte(`{"id":"kdc/dc2","reason":"udp-silent","error":"no answer"}`)}}
	_, page := get(t, web.Handler(&source{state: s, failures: records}, web.Options{}), "/")
	for name, want := range map[string]string{
		"verdict": "leads to kdc-silent", "notes": "Paused for safety KDC 10.0.0.10:88 says", "others": "and 21 more",
		"failures": "60 s ago udp-silent kdc/dc2 7 times since", "kdc": "CORP.EXAMPLE.COM", "login": "SPN mysql/orders",
	} {
		if got := texts(part(t, page, name)); !strings.Contains(got, want) {
			t.Errorf("%s does not say %q:\n%s", name, want, got)
		}
	}
	if n := strings.Count(part(t, page, "others"), `class="other partly"`); n != 39 {
		t.Errorf("%d findings below the first", n)
	}
	if n := strings.Count(part(t, page, "kdc"), `class="skew"`); n < 2 {
		t.Errorf("%d clocks are drawn", n)
	}
	if !strings.Contains(part(t, page, "kdc"), "of the last 60 runs failed") {
		t.Error("no chart says how many runs failed")
	}
}

// Each id stands once: anchors, labels and what is unfolded depend on it.
func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(pageOf(t, fleet(2000, 7)), -1) {
		if seen[m[1]] || strings.ContainsAny(m[1], " \t\n") || m[1] == "" {
			t.Errorf("id %q twice, or no id", m[1])
		}
		seen[m[1]] = true
	}
}

// However much there is to show, the page stays one that a phone can load.
func TestPageIsBounded(t *testing.T) {
	for _, n := range []int{2000, 10000} {
		for _, broken := range []int{0, 1, 9} {
			s := fleet(n, broken)
			page := pageOf(t, s)
			if len(page) > 1<<20 {
				t.Errorf("%d results, one in %d broken: %d KiB", n, broken, len(page)>>10)
			}
			if !strings.Contains(part(t, page, "kdc"), " more") {
				t.Error("the page does not say that there is more")
			}
		}
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		skew       float64
		state, say string
	}{{0.01, "ok", "same"}, {-3.2, "ok", "-3.2 s"}, {75, "partly", "+75.0 s"}, {-400, "failed", "-6.7 min"}, {1e9, "failed", "min"}} {
		s := web.State{Host: "h", Now: time.Now(), Ready: true, Report: diagnose.Report{Verdict: diagnose.VerdictOK}, Entries: []results.Entry{{Result: probe.Result{
			ID:      probe.ID{Kind: probe.KDC, Target: "dc1", Address: netip.MustParseAddrPort("10.0.0.1:88"), Transport: probe.UDP},
			Outcome: probe.OK, Started: time.Now(), Samples: probe.Samples{probe.SampleSkew: c.skew},
		}}}}
		kdc := part(t, pageOf(t, s), "kdc")
		if !strings.Contains(kdc, `class="clock `+c.state+`"`) || !strings.Contains(texts(kdc), c.say) {
			t.Errorf("%v s: want %s %q in %s", c.skew, c.state, c.say, kdc)
		}
	}
}

func BenchmarkPage(b *testing.B) {
	s := fleet(2000, 9)
	size := 0
	before := cpu(b)
	for b.Loop() {
		size = len(pageOf(b, s))
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/page")
	b.ReportMetric(float64(size)/1024, "KiB/page")
}

// cpu is what this process has used, whatever else the machine does.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
