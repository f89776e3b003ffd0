package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

//go:generate go test -run TestCodePages -update .

var update = flag.Bool("update", false, "write docs/codes anew")

const (
	codePages = "../../docs/codes"
	made      = "<!-- Made of the catalogue in internal/diagnose by \"go generate ./cmd/kerbagent\". Do not edit. -->\n\n"
)

// There is a page for each code, it says what the catalogue says, and there is none beside.
func TestCodePages(t *testing.T) {
	want := map[string]string{"README.md": codeIndex()}
	for _, r := range diagnose.Catalogue() {
		want[string(r.Code)+".md"] = codePage(r)
	}
	if *update {
		if err := os.RemoveAll(codePages); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(codePages, 0o777); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(codePages, name), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(codePages)
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(codePages, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		have[f.Name()] = string(text)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("docs/codes is not what is made (go generate ./cmd/kerbagent):\n%s", diff)
	}
}

// codePage is what docs/codes has of a rule.
func codePage(r diagnose.Rule) string {
	title, means, cause, remedy := r.Print()
	var b strings.Builder
	fmt.Fprintf(&b, "%s# %s\n\n**%s** (%s)\n", made, r.Code, markdown(title), severity(r.Severity))
	fmt.Fprintf(&b, "\n## What it means\n\n%s\n", markdown(means))
	fmt.Fprintf(&b, "\n## How it looks\n\n%s", looks(r, title))
	fmt.Fprintf(&b, "\n## What is seen\n\n%s\n", markdown(cause))
	fmt.Fprintf(&b, "\n## What to do\n\n%s", markdownLines(remedy))
	fmt.Fprintf(&b, "\n## How to rehearse it\n\n%s", howToRehearse(r.Code))
	fmt.Fprintf(&b, "\n## Related\n\n%s", related(r))
	return b.String()
}

// looks shows a finding in the terminal, as a metric and in the log.
func looks(r diagnose.Rule, title string) string {
	head := map[diagnose.Severity]string{diagnose.Error: "FAILED", diagnose.Warning: "DEGRADED", diagnose.Info: "info"}[r.Severity]
	level := map[diagnose.Severity]string{diagnose.Error: "ERROR", diagnose.Warning: "WARN", diagnose.Info: "INFO"}[r.Severity]
	var b strings.Builder
	fmt.Fprintf(&b, "`kerbagent check` says, where it is the first finding:\n\n    %s: %s — %s\n\n", head, r.Code, title)
	if strings.HasPrefix(string(r.Code), "app-") {
		return strings.Replace(b.String(), "kerbagent check", "kerbagent audit", 1)
	}
	if slices.Contains([]diagnose.Code{"ccache-unusable", "ticket-expiring"}, r.Code) {
		b.WriteString("The daemon does not: only the user whose cache it is can tell, by `kerbagent krb5conf lint` or `check`.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "`kerbagent run` has it on its page and as a metric:\n\n    kerbagent_finding{code=\"%s\",severity=\"%s\"} 1\n\n", r.Code, r.Severity)
	fmt.Fprintf(&b, "and in its log, when it begins and when it ends (`journalctl -u kerbagent -g %s`):\n\n    level=%s msg=\"finding began\" code=%s severity=%s title=%q …\n", r.Code, level, r.Code, r.Severity, title)
	return b.String()
}

// howToRehearse reports how a finding can be seen without breaking anything.
func howToRehearse(code diagnose.Code) string {
	for _, f := range rehearsal.Catalogue() {
		if f.Code == code {
			return fmt.Sprintf("    kerbagent rehearse --fault %s\n\nWhat is played: %s.\n", code, markdown(f.Summary))
		}
	}
	if strings.HasPrefix(string(code), "app-") {
		return "A rehearsal has no application, so it cannot play this fault. These commands show how audit reports another one, a credential cache that does not exist:\n\n    KRB5CCNAME=/nonexistent sleep 60 &\n    kerbagent audit --pid $!\n"
	}
	if how := unrehearsed()[code]; how != "" {
		return markdownLines(how)
	}
	return "The rehearsal has no krb5.conf. Make the mistake in a copy of the file, and look at that:\n\n    cp /etc/krb5.conf /tmp/krb5.conf\n    kerbagent krb5conf lint --path /tmp/krb5.conf\n"
}

// unrehearsed reports what to do in place of a rehearsal.
func unrehearsed() map[diagnose.Code]string {
	return map[diagnose.Code]string{
		"secret-malformed": "Give it a password with a line end, with the realm, database and user of a login of yours; nothing is tried with it.\n" +
			"  echo wrong > /tmp/password\n  kerbagent check --realm <realm> --database <host> --user <user> --password-file /tmp/password",
		"login-record-impossible": "Give it a state directory that cannot be written.\n  kerbagent check --state-dir /proc/none",
		"aws-membership":          "It needs an AWS account. Modify a cluster to join a directory, and look meanwhile.\n  kerbagent check --aws",
		"aws-directory":           "It needs an AWS account, and a directory that is being made or restored.\n  kerbagent check --aws",
		"aws-security-group":      "It needs an AWS account, and a host in the cluster's VPC that its security groups do not admit.\n  kerbagent check --aws",
		"aws-view-incomplete":     "Take the credentials away.\n  AWS_PROFILE=none AWS_EC2_METADATA_DISABLED=true kerbagent check --aws",
		"login-failed":            "It cannot be rehearsed: it is for what no other code describes.",
		"probe-failed":            "It cannot be rehearsed: it is for what no other code describes.",
		"krb5conf-missing":        "Name a file that is not there.\n  kerbagent krb5conf lint --path /nonexistent",
		"krb5conf-writable":       "Make it so with a copy of the file.\n  cp /etc/krb5.conf /tmp/krb5.conf\n  chmod o+w /tmp/krb5.conf\n  kerbagent krb5conf lint --path /tmp/krb5.conf",
		"krb5conf-overridden":     "With `krb5_conf` configured, name another file.\n  KRB5_CONFIG=/tmp/krb5.conf kerbagent krb5conf lint",
		"krb5conf-drift":          "Have it write a file elsewhere, and change that.\n  kerbagent krb5conf apply --path /tmp/krb5.conf\n  echo '# mine' >> /tmp/krb5.conf\n  kerbagent krb5conf lint --path /tmp/krb5.conf",
		"ccache-unusable":         "Name a cache of a type that is not there.\n  KRB5CCNAME=MSLSA: kerbagent krb5conf lint",
		"ticket-expiring":         "Get a ticket that does not last.\n  kinit -l 10m <user>\n  kerbagent krb5conf lint",
	}
}

// related names the codes that a rule is folded under, and those that are folded under it.
func related(r diagnose.Rule) string {
	var b strings.Builder
	if len(r.DependsOn) > len(diagnose.Catalogue())/2 {
		fmt.Fprintf(&b, "It is not shown if one of %s is found and is its cause.\n", "[nearly all other codes](README.md)")
		return b.String()
	}
	if len(r.DependsOn) > 0 {
		fmt.Fprintf(&b, "It is not shown if one of these is found and is its cause: %s.\n", codeLinks(r.DependsOn))
	}
	var under []diagnose.Code
	for _, other := range diagnose.Catalogue() {
		if slices.Contains(other.DependsOn, r.Code) && len(other.DependsOn) <= len(diagnose.Catalogue())/2 {
			under = append(under, other.Code)
		}
	}
	if len(under) > 0 && b.Len() > 0 {
		b.WriteString("\n")
	}
	const most = 12 // beyond that a list of links is no help
	switch {
	case len(under) > most:
		fmt.Fprintf(&b, "It can explain %d others, which are not shown then.\n", len(under))
	case len(under) > 0:
		fmt.Fprintf(&b, "It can explain these, which are not shown then: %s.\n", codeLinks(under))
	}
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString("[All codes, by symptom](README.md)\n")
	return b.String()
}

func codeLinks(codes []diagnose.Code) string {
	var out []string
	for _, c := range codes {
		out = append(out, fmt.Sprintf("[%s](%s.md)", c, c))
	}
	return strings.Join(out, ", ")
}

// markdown keeps a text from being taken for markup: <words>, _names, lists of
// *. What is between backquotes is none.
func markdown(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = regexp.MustCompile(`[<*|]|\b_|_\b`).ReplaceAllStringFunc(parts[i], func(s string) string {
			return strings.NewReplacer("<", `\<`, "*", `\*`, "|", `\|`, "_", `\_`).Replace(s)
		})
	}
	return strings.Join(parts, "`")
}

// markdownLines returns paragraphs, and commands, which begin with spaces, as code.
func markdownLines(text string) string {
	var b strings.Builder
	code := false
	for l := range strings.SplitSeq(text, "\n") {
		isCode := strings.HasPrefix(l, " ")
		if b.Len() > 0 && isCode != code {
			b.WriteString("\n")
		}
		if code = isCode; code {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(l))
		} else {
			fmt.Fprintf(&b, "%s\n", markdown(l))
		}
	}
	return b.String()
}
