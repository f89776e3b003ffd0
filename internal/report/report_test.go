package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func samples() map[string]Input {
	hidden := wrongPassword()
	hidden.HideUsers = true
	return map[string]Input{
		"healthy": healthy(), "path-only": pathOnly(), "kdc-tcp-blocked": kdcTCPBlocked(), "password-wrong": wrongPassword(),
		"over-trust": overTrust(), "hostile": hostile(), "hidden-users": hidden,
	}
}

func human(t *testing.T, in Input, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Human(&b, in, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func jsonText(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func nagios(t *testing.T, in Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Nagios(&b, in); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, in := range samples() {
		for ext, got := range map[string]string{".txt": human(t, in, Options{}), ".json": jsonText(t, in), ".nagios": nagios(t, in)} {
			t.Run(name+ext, func(t *testing.T) {
				file := filepath.Join("testdata", name+ext)
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestHumanFitsAndObeysNothing(t *testing.T) {
	for name, in := range samples() {
		for _, width := range []int{0, 60, 80, 100} {
			most := width
			if width == 0 {
				most = 100
			}
			t.Run(name, func(t *testing.T) { checkLines(t, human(t, in, Options{Width: width}), most) })
		}
	}
}

// Colour adds its own sequences and changes nothing else.
func TestColour(t *testing.T) {
	own := regexp.MustCompile("\x1b\\[(1|2|32|33|1;31)m|\x1b\\[0m")
	for name, in := range samples() {
		plain, coloured := human(t, in, Options{}), human(t, in, Options{Color: true})
		if plain == coloured {
			t.Errorf("%s: no colour", name)
		}
		var lines []string // a painted line keeps the spaces before its last sequence
		for _, l := range strings.Split(own.ReplaceAllString(coloured, ""), "\n") {
			lines = append(lines, strings.TrimRight(l, " "))
		}
		if diff := cmp.Diff(plain, strings.Join(lines, "\n")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestHeadline(t *testing.T) {
	held := overTrust()
	held.Results = held.Results[len(held.Results)-1:]
	partly := kdcTCPBlocked()
	partly.Report.Verdict = diagnose.VerdictDegraded
	partly.Results = append(partly.Results, login("etl@ONPREM.LOCAL", "orders", ""))
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"one login":         {healthy(), "ok: alice@CORP.EXAMPLE.COM logs in to orders"},
		"no login asked":    {pathOnly(), "ok: path only, no login was tried"},
		"login held back":   {held, "ok: login not tried: carol@CORP.EXAMPLE.COM at orders"},
		"some held back":    {overTrust(), "ok: 2 logins work, 1 not tried"},
		"failed":            {wrongPassword(), "FAILED: password-wrong — the password of alice@CORP.EXAMPLE.COM is wrong; failing login: alice@CORP.EXAMPLE.COM at orders"},
		"degraded":          {partly, "DEGRADED: kdc-tcp-blocked — TCP to port 88 of both domain controllers is blocked; 1 more finding; 1 of 2 logins work"},
		"failed, no reason": {Input{Report: diagnose.Report{Verdict: diagnose.VerdictFailed}}, "FAILED: no finding explains it"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Headline(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHiddenUsers(t *testing.T) {
	in := wrongPassword()
	last := &in.Results[len(in.Results)-1]
	last.Err = errors.New(`Access denied for user 'ALICE'@'10.0.0.1', alice@corp.example.com, malice, alice_x`)
	last.Facts[probe.FactCurrentUser] = "alice@%"
	in.Results = append(in.Results, login("svc-a@CORP.EXAMPLE.COM", "orders", ""))
	in.Report.Findings[0].Evidence["salt"] = "CORP.EXAMPLE.COMalice"
	in.HideUsers = true
	before := jsonText(t, wrongPassword())
	out := human(t, in, Options{}) + jsonText(t, in) + nagios(t, in) + Headline(in)
	if found := regexp.MustCompile(`(?i)\balice|svc-a`).FindString(strings.ReplaceAll(strings.ReplaceAll(out, "malice", ""), "CORP.EXAMPLE.COMalice", "ALICE")); found != "" {
		t.Errorf("%q is in %s", found, out)
	}
	for _, want := range []string{"'user-1'@'10.0.0.1', user-1, malice", "login/user-2@orders", "user-1_x"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	if jsonText(t, wrongPassword()) != before {
		t.Error("hiding changed the input")
	}
}

func TestExitCode(t *testing.T) {
	for v, want := range map[diagnose.Verdict]int{diagnose.VerdictOK: 0, diagnose.VerdictDegraded: 1, diagnose.VerdictFailed: 2, diagnose.VerdictUnknown: 3, "": 2} {
		if got := ExitCode(v); got != want {
			t.Errorf("%q: %d", v, got)
		}
	}
}

func TestNagiosUnknown(t *testing.T) {
	var b bytes.Buffer
	if err := NagiosUnknown(&b, "--realm: is missing | x\ny"); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "KERBEROS UNKNOWN - --realm: is missing \\x7c x\\ny\n"; got != want {
		t.Errorf("%q", got)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestWriteErrorsAreReported(t *testing.T) {
	for name, err := range map[string]error{"human": Human(brokenPipe{}, healthy(), Options{}), "json": JSON(brokenPipe{}, healthy()), "nagios": Nagios(brokenPipe{}, healthy())} {
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lockedBuffer
		p := NewProgress(&b, 62, 3, false)
		slow, quick := healthy().Results[len(healthy().Results)-1].ID, healthy().Results[0].ID
		p.Started(slow)
		p.Started(quick)
		p.Started(pathOnly().Results[1].ID)
		p.Finished(quick)
		<-time.After(progressBeat + time.Millisecond) // by the clock of synctest
		want := "\r\x1b[K1 of 3 probes, 0.2 s, waiting for login/alice@CORP.EXAMPLE.CO"
		if got := b.String(); got != want {
			t.Errorf("drew %q, want %q", got, want)
		}
		p.Close()
		if got := b.String(); got != want+"\r\x1b[K" {
			t.Errorf("ended with %q", got)
		}
	})
}

func TestProgressHidesUsersAndGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lockedBuffer
		p := NewProgress(&b, 100, 0, true)
		p.Started(probe.ID{Kind: probe.Login, Target: "alice@R@orders"})
		p.Started(probe.ID{Kind: probe.KDC, Target: "dc\x1b[2J"})
		<-time.After(progressBeat + time.Millisecond)
		p.Close()
		if got, want := b.String(), "\r\x1b[K0 of 2 probes, 0.2 s, waiting for login and 1 more\r\x1b[K"; got != want {
			t.Errorf("drew %q, want %q", got, want)
		}
	})
}

func TestProgressOfAQuickRunDrawsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lockedBuffer
		NewProgress(&b, 100, 1, false).Close()
		if b.String() != "" {
			t.Errorf("drew %q", b.String())
		}
	})
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Three hundred realms that all fail are a summary, and nagios gets what NRPE
// hands over, the first finding first.
func TestManyRealmsAreASummary(t *testing.T) {
	in := Input{Report: diagnose.Report{Verdict: diagnose.VerdictFailed}}
	for i := range 300 {
		realm := fmt.Sprintf("R%d.EXAMPLE.COM", i)
		for j := range 20 {
			in.Results = append(in.Results, probe.Result{ID: probe.ID{Kind: probe.KDC, Target: fmt.Sprintf("dc%d.%s", j, realm)}, Outcome: probe.Failed,
				Reason: probe.ReasonUnresolvable, Facts: probe.Facts{probe.FactRealm: realm}})
		}
		in.Report.Findings = append(in.Report.Findings, diagnose.Finding{Code: "realm-unreachable", Severity: diagnose.Error, Title: "no KDC of " + realm,
			Cause: strings.Repeat("Nothing answers. ", 40), Remedy: "Look.\n  nc " + realm})
	}
	var human, nagios bytes.Buffer
	if err := Human(&human, in, Options{}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(human.String(), "\n"); lines > 1000 || !strings.Contains(human.String(), "280 more findings: realm-unreachable (280)") {
		t.Errorf("%d lines", lines)
	}
	if err := Nagios(&nagios, in); err != nil {
		t.Fatal(err)
	}
	if out := nagios.String(); len(out) > 4<<10 || !strings.Contains(out, "\nerror realm-unreachable: Nothing answers.") || !strings.Contains(out, " more findings: kerbagent check") {
		t.Errorf("%d bytes:\n%s", len(out), out)
	}
}

// A login at a reader is shown with how far the reader is behind; at the writer there is nothing to show.
func TestTheLagOfAReaderIsInItsRow(t *testing.T) {
	in := healthy()
	there := login("alice@CORP.EXAMPLE.COM", "orders", "10.77.0.31:3306")
	there.ID.Variant, there.Facts[probe.FactInstance], there.Facts[probe.FactDBRole] = "orders-2", "orders-2", probe.RoleReader
	there.Samples[probe.SampleReplicaLag] = 0.018
	in.Results = append(in.Results, there)
	text := human(t, in, Options{Width: 100})
	if !strings.Contains(text, "orders, reader orders-2") || strings.Count(text, "replica lag 18 ms") != 1 {
		t.Error(text)
	}
}
