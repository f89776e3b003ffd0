package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// corpusFiles are files of the kinds that stand on real hosts and in real
// repositories, by name: what distributions ship, what installers write, and what
// people and templates make of it.
func corpusFiles(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("testdata/corpus/*.conf")
	if err != nil || len(paths) < 40 {
		t.Fatalf("%d files, %v", len(paths), err)
	}
	files := map[string]string{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(p), ".conf")] = string(b)
	}
	return files
}

// alone lints a text without a configuration.
func alone(text string, more map[string]string) []krb5conf.Issue {
	files := map[string]string{soundPath: text}
	for name, text := range more {
		files[name] = text
	}
	return Issues(Input{Set: conf.Load(conf.Texts{Files: files}, soundPath), Path: soundPath, Env: Env{KCM: true}})
}

// serious are the issues that are no notes, as severity code:line.
func serious(issues []krb5conf.Issue) []string {
	var out []string
	for _, i := range issues {
		if i.Severity != krb5conf.SeverityInfo {
			out = append(out, fmt.Sprintf("%s %s:%d", i.Severity, strings.TrimPrefix(i.Code, "krb5conf-"), i.At.Line))
		}
	}
	return out
}

// Without a kerbagent.yaml, a file in which nothing is wrong has notes at most, and
// a file in which something is has it at the line that a person has to mend. What
// the line is was decided by hand; TestCorpusAgainstMIT asks libkrb5 which files
// can be used.
func TestCorpus(t *testing.T) {
	want := map[string][]string{
		"nowhere-case": {"error realm-missing:2"}, "nowhere-none": {"error realm-missing:2"}, "nowhere-typo": {"error realm-missing:2"},
		"nowhere-kdcs": {"error realm-missing:5", "warning unknown-key:6"},
		"badkdc-ipv6":  {"error realm-missing:6"}, "badkdc-port": {"error realm-missing:7"},
		"typo-keys": {"warning unknown-key:3", "warning unknown-key:4", "warning unknown-key:5", "warning unknown-key:6", "warning unknown-key:7",
			"warning unknown-key:11"},
		"typo-section":        {"warning unknown-key:8"},
		"template-value-only": {"warning template:3"},
		"template-jinja":      {"error template:2"}, "template-jinja-loop": {"error template:2"}, "template-erb": {"error template:3"},
		"template-shell": {"error template:2"}, "template-angle": {"error template:2"}, "template-at": {"error template:2"},
		"template-sun": {"error template:2"}, "template-python": {"error template:2"},
		"foreign-yaml": {"error not-krb5conf:7"}, "foreign-indented": {"error not-krb5conf:1"}, "foreign-json": {"error not-krb5conf:1"},
		"foreign-smb": {"error not-krb5conf:1"}, "foreign-prose": {"error not-krb5conf:1"}, "foreign-html": {"error not-krb5conf:1"},
		"foreign-path": {"error not-krb5conf:1"}, "foreign-markdown": {"error not-krb5conf:8"},
		"syntax-unclosed": {"error unparsable:4"}, "syntax-brace-in-value": {"error unparsable:6"}, "syntax-flat-open": {"error unparsable:4"},
		"syntax-commented-open": {"error unparsable:4"}, "syntax-empty-value": {"error unparsable:2"}, "syntax-no-equals": {"error unparsable:2"},
		"syntax-bare-include": {"error unparsable:1"}, "syntax-module": {"error unparsable:1"},
		"template-printf": {"error template:2"}, "foreign-heredoc": {"error not-krb5conf:8"}, "syntax-conflict": {"error unparsable:2"},
		"nowhere-quotes": {"error realm-missing:2"}, "lifetime-words": {"error unparsable:10"},
		"mapping-case":  {"warning readers-differ:8", "warning realm-case:9", "warning readers-differ:10"},
		"mapping-block": {"warning readers-differ:8"},
		"mapping-nodot": nil,
		"mark-include":  {"warning include-ignored:1"}, "kdc-nohost": {"warning readers-differ:6", "warning readers-differ:7"},
		"badkdc-ipv6-port":       {"error realm-missing:6"},
		"nowhere-arrow":          {"error realm-missing:2"},
		"realm-quoted":           {"warning realm-missing:4"},
		"kdc-nearly-address":     {"warning readers-differ:5"},
		"misplaced-nested":       {"warning unparsable:4", "warning unknown-key:6"},
		"syntax-open-missing":    {"error unparsable:4"},
		"syntax-slashes":         {"error unparsable:2"},
		"syntax-two-words":       {"error unparsable:4"},
		"syntax-close-missing":   {"error unparsable:4"},
		"syntax-prompt":          {"error unparsable:1"},
		"mapping-end-dot":        {"warning realm-missing:8"},
		"misplaced-realm":        {"warning unknown-key:4"},
		"misplaced-kdc":          {"warning unknown-key:3"},
		"misplaced-default":      {"warning readers-differ:4"},
		"misplaced-setting":      {"warning unknown-key:5"},
		"misplaced-mappings":     {"warning unknown-key:7"},
		"ccache-token":           {"error ccache-unusable:3"},
		"ccache-keyring":         {"error ccache-unusable:3"},
		"ccache-type":            {"error ccache-unusable:3"},
		"nowhere-slip-dns":       {"warning realm-missing:2"},
		"mapping-slip":           {"warning realm-missing:8"},
		"realm-twice-else":       {"warning realm-twice:7"},
		"kdc-port":               {"warning readers-differ:5", "warning readers-differ:6"},
		"kdc-marks":              {"warning readers-differ:5", "warning readers-differ:6", "warning readers-differ:7"},
		"badkdc-url":             {"error realm-missing:5"},
		"badkdc-comment":         {"error realm-missing:5"},
		"mapping-reversed":       {"warning readers-differ:8", "warning readers-differ:9"},
		"nowhere-mapped":         {"error realm-missing:2"},
		"nowhere-semicolons":     {"error realm-missing:2", "warning readers-differ:6"},
		"nowhere-no-break":       {"error realm-missing:2"},
		"nowhere-curly":          {"error realm-missing:2"},
		"nowhere-end-dot":        {"error realm-missing:2"},
		"typo-no-break":          {"warning unknown-key:2", "warning unknown-key:5"},
		"etypes-dashes":          {"error etypes:3"},
		"etypes-dead":            {"error etypes:3", "warning etypes:4"},
		"order-mark":             {"error readers-differ:1"},
		"syntax-missing-include": {"error unparsable:1", "error realm-missing:3"},
		"template-hash":          {"error template:2"},
		"case-default":           {"warning realm-case:2"},
		"syntax-colon":           {"error unparsable:2"},
		"syntax-no-equals-block": {"error unparsable:4"},
		"syntax-stray":           {"error unparsable:7"},
		"words-unknown":          {"warning readers-differ:3"},
	}
	for name, text := range corpusFiles(t) {
		t.Run(name, func(t *testing.T) {
			wanted, ok := want[name]
			if !ok && !strings.HasPrefix(name, "sound-") {
				t.Fatal("nobody says what is wrong with this file")
			}
			issues := alone(text, nil)
			if got := serious(issues); !slices.Equal(got, wanted) {
				t.Errorf("%q, want %q", got, wanted)
			}
			whole := strings.HasPrefix(name, "foreign-") || strings.HasPrefix(name, "template-") && name != "template-value-only"
			if whole && len(issues) != 1 {
				t.Errorf("%d issues of a file that is none of its kind: one says all", len(issues))
			}
		})
	}
}

// An IPv6 address without brackets whose end may be a port has two readings, and the
// remedy names both.
func TestAnIPv6AddressThatMayEndInAPort(t *testing.T) {
	for text, want := range map[string]string{"fd00::11:88": "[fd00::11]:88 if 88 is the port, else [fd00::11:88]:88", "fd00::10": "[fd00::10]:88", "fd00::c": "[fd00::c]:88", "a:b:88": "[a:b:88]:88"} {
		if got := bracketed(text); !strings.Contains(got, want) {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// What distributions include says how, not which realm: a library that does not
// follow loses little. An empty directory is nothing at all.
func TestIncludesOfDistributions(t *testing.T) {
	const main = "includedir /etc/krb5.conf.d/\n[libdefaults]\n default_realm = EXAMPLE.COM\n[realms]\n EXAMPLE.COM = {\n  kdc = kdc.example.com\n }\n"
	const in = "/etc/krb5.conf.d/"
	for name, c := range map[string]struct {
		files map[string]string
		want  int // issues of the include
	}{
		"empty":         {map[string]string{in + ".keep": ""}, 0},
		"crypto policy": {map[string]string{in + "crypto-policies": "[libdefaults]\npermitted_enctypes = aes256-cts-hmac-sha1-96\n"}, 1},
		"realms":        {map[string]string{in + "realms": "[realms]\nB.TEST = {\n kdc = b\n}\n"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			issues := alone(main, c.files)
			if got := serious(issues); got != nil {
				t.Errorf("%q", got)
			}
			if got := len(slices.DeleteFunc(issues, func(i krb5conf.Issue) bool { return i.Code != CodeIncludeIgnored })); got != c.want {
				t.Errorf("%d issues of the include, want %d", got, c.want)
			}
		})
	}
}

// Ten places of a kind are shown, and the rest are counted: one line that is wrong
// a thousand times is no thousand findings.
func TestManyOfAKind(t *testing.T) {
	text := "[libdefaults]\n" + strings.Repeat(" tickt_lifetime = 1h\n", 1000)
	issues := slices.DeleteFunc(alone(text, nil), func(i krb5conf.Issue) bool { return i.Code != CodeUnknownKey })
	if len(issues) != maxPlaces+1 {
		t.Fatalf("%d issues", len(issues))
	}
	if last := issues[maxPlaces]; !strings.HasPrefix(last.Cause, "990 more of this kind, on lines 12, 13,") || last.At.Line != 12 || last.Excerpt == "" {
		t.Errorf("%+v", last)
	}
}

// A configured realm that stands in the file in both cases, so that either works,
// is right: following advice to rename one would make two blocks of one name.
func TestBothSpellingsOnPurpose(t *testing.T) {
	issues := lintText(strings.ReplaceAll(soundText(t), "[domain_realm]", "[realms]\n a.test = {\n  kdc = kdc.a.test\n }\n[domain_realm]"), nil)
	for _, i := range issues {
		if i.Code == CodeRealmCase {
			t.Errorf("%+v", i)
		}
	}
}

// The remedy is what to write: of a mistake that has a shape, the line mended.
func TestRemediesWriteTheLine(t *testing.T) {
	files := corpusFiles(t)
	for name, want := range map[string]string{
		"syntax-colon": "Write default_realm = A.TEST", "syntax-no-equals-block": "Write A.TEST = {", "syntax-stray": "Remove this }",
		"syntax-open-missing": "Write A.TEST = {", "syntax-slashes": "Begin the comment with #", "syntax-two-words": "Write .a.test = A.TEST",
		"syntax-close-missing": "Write a } on a separate line", "syntax-prompt": "Remove the line", "nowhere-arrow": "default_realm = A.TEST",
		"realm-quoted": "Write A.TEST = {", "mapping-end-dot": "A.TEST. or A.TEST", "syntax-unclosed": "Write a }", "syntax-flat-open": "End the line after the {",
		"syntax-empty-value": "Write a value after the =", "nowhere-semicolons": "default_realm = A.TEST", "nowhere-no-break": "default_realm = A.TEST",
		"nowhere-curly": "default_realm = A.TEST", "nowhere-end-dot": "default_realm = A.TEST", "nowhere-quotes": "Write default_realm",
		"case-default": "Write A.TEST", "badkdc-url": "Write the host alone: dc1.a.test:88.", "badkdc-comment": "put a comment on a separate line",
		"mapping-reversed": ".a.test = A.TEST", "misplaced-default": "[libdefaults]", "misplaced-mappings": "Write [domain_realm]",
		"nowhere-slip-dns": "NORTHWIDN.TEST or NORTHWIND.TEST", "typo-no-break": "Write default_realm", "kdc-port": ":88",
	} {
		if first := alone(files[name], nil)[0]; !strings.Contains(first.Remedy, want) || strings.Contains(first.Remedy, "IPv6 address") {
			t.Errorf("%s: %q, want %q", name, first.Remedy, want)
		}
	}
	for name, want := range map[string]string{"nowhere-no-break": "a no-break or other special space (U+00A0)", "nowhere-curly": "U+201C", "etypes-dashes": "U+2013", "typo-no-break": "U+00A0"} {
		if first := alone(files[name], nil)[0]; !strings.Contains(first.Cause, want) {
			t.Errorf("%s: %q does not name the sign %s", name, first.Cause, want)
		}
	}
}
