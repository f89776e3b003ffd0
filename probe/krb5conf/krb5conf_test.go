package krb5conf_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/lint"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

const path = "/etc/krb5.conf"

const good = `[libdefaults]
 default_realm = R.TEST
 rdns = false
 dns_canonicalize_hostname = false
 dns_lookup_kdc = true
 dns_lookup_realm = false
 udp_preference_limit = 1
`

// look runs the probe on files that are not on disk.
func look(in lint.Input, files map[string]string) (whole probe.Result, issues []probe.Result) {
	return lookWith(in, files, nil)
}

func lookWith(in lint.Input, files map[string]string, ticket *krb5conf.Ticket) (whole probe.Result, issues []probe.Result) {
	p := krb5conf.Probe{Path: path, Source: conf.Texts{Files: files}, OnIssue: func(r probe.Result) { issues = append(issues, r) }}
	p.Judge = func(set *conf.Set) ([]krb5conf.Issue, *krb5conf.Ticket) {
		in.Set, in.Path = set, path
		return lint.Issues(in), ticket
	}
	return p.Run(context.Background()), issues
}

func TestOneResultAnIssue(t *testing.T) {
	for _, c := range []struct {
		name, text string
		p          lint.Input
		reason     probe.Reason // of the file
		want       string       // the issues' variants
	}{
		{"good", good, lint.Input{}, "", ""},
		{"a note leaves the file good", strings.Replace(good, " udp_preference_limit = 1\n", "", 1), lint.Input{}, "", "krb5conf-udp-limit"},
		{"a warning with its line", strings.Replace(good, "rdns = false", "tickt_lifetime = 1h\n rdns = false", 1), lint.Input{}, "krb5conf-unknown-key", "krb5conf-unknown-key:3"},
		{"unparsable, to all libraries by one mistake", "[libdefaults\n", lint.Input{}, "krb5conf-unparsable", "krb5conf-unparsable:1"},
		{"another realm case has a word of its own", strings.Replace(good, "R.TEST", "r.test", 1), lint.Input{Site: site.Site{Realms: []site.Realm{{Name: "R.TEST"}}}},
			"krb5conf-realm-case", "krb5conf-realm-case:2 krb5conf-default-realm:2"},
		{"drift", good, lint.Input{Want: good + "# more\n", Style: site.WholeFile}, "krb5conf-drift", "krb5conf-drift:8"},
		{"snippet not included", good, lint.Input{Want: "x", Style: site.Snippet, Snippet: "/etc/krb5.conf.d/kerbagent"}, "krb5conf-drift", "krb5conf-drift"},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole, issues := look(c.p, map[string]string{path: c.text})
			if whole.Reason != c.reason || (whole.Outcome == probe.OK) != (c.reason == "") {
				t.Errorf("the file: %s %s, want %q", whole.Outcome, whole.Reason, c.reason)
			}
			var got []string
			for _, r := range issues {
				got = append(got, r.ID.Variant)
				if r.ID.Kind != probe.Krb5Conf || r.ID.Target != path || r.Facts[probe.FactCause] == "" || r.Facts[probe.FactFix] == "" || r.Facts[probe.FactPlace] == "" {
					t.Errorf("%+v", r)
				}
				if r.Facts[probe.FactIssue] != string(r.Reason) && r.Outcome == probe.Failed {
					t.Errorf("reason %s for %s", r.Reason, r.Facts[probe.FactIssue])
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("issues %q, want %q", got, c.want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	whole, issues := look(lint.Input{}, nil)
	if whole.Reason != lint.CodeMissing || len(issues) != 1 {
		t.Errorf("%+v %+v", whole, issues)
	}
}

func TestSnippetAsItShouldBe(t *testing.T) {
	const snippet = "/etc/krb5.conf.d/kerbagent"
	p := lint.Input{Want: good, Style: site.Snippet, Snippet: snippet}
	for text, drift := range map[string]bool{good: false, good + "# more\n": true} {
		_, issues := look(p, map[string]string{path: "includedir /etc/krb5.conf.d\n", snippet: text})
		got := false
		for _, r := range issues {
			got = got || r.Facts[probe.FactIssue] == lint.CodeDrift
		}
		if got != drift {
			t.Errorf("drift %v, want %v", got, drift)
		}
	}
}

// Two issues of one code on one line are two results, and two probes' worth of
// IDs are never one.
func TestIDsAreUnique(t *testing.T) {
	_, issues := look(lint.Input{}, map[string]string{path: good + "default_tkt_enctypes = rc4-hmac nonsense\ndefault_tgs_enctypes = des-cbc-crc\n[realms]\n R.TEST = {\n kdc = a # b\n kdc = :\n }\n"})
	seen := map[probe.ID]bool{}
	for _, r := range issues {
		if seen[r.ID] {
			t.Errorf("%s twice", r.ID)
		}
		seen[r.ID] = true
	}
	if len(issues) < 4 {
		t.Errorf("only %d issues", len(issues))
	}
}

func TestTicket(t *testing.T) {
	end := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ticket := krb5conf.Ticket{Cache: "/tmp/krb5cc_0", User: "alice@R.TEST", End: end, RenewTill: end.Add(time.Hour)}
	whole, issues := lookWith(lint.Input{}, map[string]string{path: good}, &ticket)
	if whole.Outcome != probe.OK || len(issues) != 1 {
		t.Fatalf("%+v %+v", whole, issues)
	}
	r := issues[0]
	if r.Outcome != probe.OK || r.Facts[probe.FactIssue] != krb5conf.IssueTicket || r.Samples[probe.SampleTicketEnd] != float64(end.Unix()) || r.Facts[probe.FactRenewTill] != "2026-11-22T13:00:00Z" {
		t.Errorf("%+v", r)
	}
}
