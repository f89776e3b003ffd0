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
	title, means, _, remedy := r.Print()
	exampleTitle, exampleCause := r.Example()
	var b strings.Builder
	fmt.Fprintf(&b, "%s# %s\n\n**%s** (%s)\n", made, r.Code, markdown(title), severity(r))
	fmt.Fprintf(&b, "\n## What it means\n\n%s\n", markdown(means))
	fmt.Fprintf(&b, "\n## How it looks\n\n%s", looks(r, exampleTitle))
	fmt.Fprintf(&b, "\n## What is seen\n\nFor example:\n\n> %s\n", markdown(exampleCause))
	fmt.Fprintf(&b, "\n## What to do\n\n%s%s", markdownLines(remedy), legendOf(remedy))
	fmt.Fprintf(&b, "\n## How to rehearse it\n\n%s", howToRehearse(r.Code))
	fmt.Fprintf(&b, "\n## Related\n\n%s", related(r))
	return b.String()
}

// looks shows a finding in the terminal, as a metric and in the log.
func looks(r diagnose.Rule, title string) string {
	head := map[diagnose.Severity]string{diagnose.Error: "FAILED", diagnose.Warning: "DEGRADED", diagnose.Info: "info"}[r.Severity]
	level := map[diagnose.Severity]string{diagnose.Error: "ERROR", diagnose.Warning: "WARN", diagnose.Info: "INFO"}[r.Severity]
	var b strings.Builder
	if r.Severity == diagnose.Info {
		fmt.Fprintf(&b, "`kerbagent check` shows it below the verdict:\n\n    %s: %s — %s\n\n", head, r.Code, title)
	} else {
		fmt.Fprintf(&b, "If it is the first finding, `kerbagent check` begins with:\n\n    %s: %s — %s\n\n", head, r.Code, title)
	}
	if strings.HasPrefix(string(r.Code), "app-") {
		return strings.Replace(b.String(), "kerbagent check", "kerbagent audit", 1)
	}
	if slices.Contains([]diagnose.Code{"ccache-unusable", "ticket-expiring"}, r.Code) {
		b.WriteString("`kerbagent run` does not report it: only the user who owns the cache can look at it, with `kerbagent krb5conf lint` or `kerbagent check`.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "`kerbagent run` shows it on the status page and as a metric:\n\n    kerbagent_finding{code=\"%s\",severity=\"%s\"} 1\n\n", r.Code, r.Severity)
	fmt.Fprintf(&b, "It logs one line when the finding begins and one when it ends (`journalctl -u kerbagent -g %s`):\n\n    level=%s msg=\"finding began\" code=%s severity=%s title=%q …\n", r.Code, level, r.Code, r.Severity, title)
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
		return "A rehearsal has no application, so it cannot play this fault. These commands show how `kerbagent audit` reports another fault, a credential cache that does not exist:\n\n    KRB5CCNAME=/nonexistent sleep 60 &\n    kerbagent audit --pid $!\n"
	}
	if how := unrehearsed()[code]; how != "" {
		return markdownLines(how)
	}
	return "The rehearsal has no krb5.conf. Copy the file, make the mistake in the copy, and check the copy. The mistake: " + markdown(mistakes()[code].what) +
		".\n\n    cp /etc/krb5.conf /tmp/krb5.conf\n    ${EDITOR:-vi} /tmp/krb5.conf\n    kerbagent krb5conf lint --path /tmp/krb5.conf\n"
}

// unrehearsed reports what to do in place of a rehearsal.
func unrehearsed() map[diagnose.Code]string {
	return map[diagnose.Code]string{
		"secret-malformed": "Write a password file that ends with a line end, and name it for one of your logins. kerbagent tries no login with it.\n" +
			"  echo wrong > /tmp/password\n  kerbagent check --realm <realm> --database <host> --user <user> --password-file /tmp/password",
		"login-record-impossible": "Name a state directory that cannot be written.\n  kerbagent check --state-dir /proc/none",
		"aws-membership":          "This needs an AWS account. Modify a test cluster to join a directory, and check while AWS does so.\n  kerbagent check --aws",
		"aws-directory":           "This needs an AWS account, and a directory that is being created or restored.\n  kerbagent check --aws",
		"aws-security-group":      "This needs an AWS account, and a host in the cluster's VPC whose address no rule of the security groups allows.\n  kerbagent check --aws",
		"aws-view-incomplete":     "Run the check without AWS credentials.\n  AWS_PROFILE=none AWS_EC2_METADATA_DISABLED=true kerbagent check --aws",
		"login-failed":            "It cannot be rehearsed: it stands for failures that no other code describes.",
		"probe-failed":            "It cannot be rehearsed: it stands for failures that no other code describes.",
		"krb5conf-missing":        "Name a file that does not exist.\n  kerbagent krb5conf lint --path /nonexistent",
		"krb5conf-writable":       "Let every user write a copy of the file, and check the copy.\n  cp /etc/krb5.conf /tmp/krb5.conf\n  chmod o+w /tmp/krb5.conf\n  kerbagent krb5conf lint --path /tmp/krb5.conf",
		"krb5conf-overridden":     "If kerbagent.yaml has a `krb5_conf` section, name another file in KRB5_CONFIG.\n  KRB5_CONFIG=/tmp/krb5.conf kerbagent krb5conf lint",
		"krb5conf-drift":          "Let kerbagent write a file elsewhere, and change that file.\n  kerbagent krb5conf apply --path /tmp/krb5.conf\n  echo '# mine' >> /tmp/krb5.conf\n  kerbagent krb5conf lint --path /tmp/krb5.conf",
		"ccache-unusable":         "Name a cache of a type that does not exist on Linux.\n  KRB5CCNAME=MSLSA: kerbagent krb5conf lint",
		"kdc-lookup-failed":       "The rehearsal has no name resolution of its own host. On a test host, name a KDC in krb5.conf that this host's DNS server answers with SERVFAIL, and log in.\n  kerbagent check",
		"login-slow":              "The rehearsal does not play this fault alone. On a test host, put an address that does not answer before the name servers in /etc/resolv.conf.\n  kerbagent check",
		"names-differ":            "The rehearsal does not read /etc/hosts. On a test host, add a line to it with the name of a domain controller and another address.\n  kerbagent check",
		"servers-left-out":        "This needs a realm with more than 64 hosts in its SRV records.\n  kerbagent check --realm <realm>",
		"krb5conf-kdcs-differ":    "On a test host, add a KDC to krb5.conf that kerbagent.yaml does not name.\n  kerbagent check",
		"krb5conf-kdcs-unordered": "Set `krb5_conf.mode` to maintain in a copy of kerbagent.yaml, remove the realm's `kdcs` there, and lint with the copy.\n" +
			"  cp /etc/kerbagent/kerbagent.yaml /tmp/kerbagent.yaml\n  ${EDITOR:-vi} /tmp/kerbagent.yaml\n  kerbagent krb5conf lint --config /tmp/kerbagent.yaml",
		"ticket-expiring": "Get a ticket with a short lifetime.\n  kinit -l 10m <user>\n  kerbagent krb5conf lint",
	}
}

// related names the codes that a rule is folded under, and those that are folded under it.
func related(r diagnose.Rule) string {
	var b strings.Builder
	if len(r.DependsOn) > len(diagnose.Catalogue())/2 {
		fmt.Fprintf(&b, "It is not shown if one of %s is found to be its cause.\n", "[nearly all other codes](README.md)")
		return b.String()
	}
	if len(r.DependsOn) > 0 {
		fmt.Fprintf(&b, "It is not shown if one of these is found to be its cause: %s.\n", codeLinks(r.DependsOn))
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
		fmt.Fprintf(&b, "It can be the cause of %d others, which are then not shown.\n", len(under))
	case len(under) > 0:
		fmt.Fprintf(&b, "It can be the cause of these, which are then not shown: %s.\n", codeLinks(under))
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
