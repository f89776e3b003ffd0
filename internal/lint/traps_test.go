package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

func update() bool { return flag.Lookup("update").Value.String() == "true" }

// TestMain adds -update, which writes the expected files anew.
func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the files of expected results anew")
	flag.Parse()
	os.Exit(m.Run())
}

// trapSite is what the logins of the trap files need.
func trapSite() site.Site {
	const rds = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
	return site.Site{
		Realms:    []site.Realm{{Name: "A.TEST"}, {Name: "B.TEST", TrustedBy: []string{"A.TEST"}}},
		Databases: []site.Database{{Host: rds, Realm: "A.TEST"}, {Host: "db1.a.test", Realm: "A.TEST"}},
		Logins:    []site.Login{{Realm: "A.TEST", Host: rds}, {Realm: "B.TEST", Host: rds}},
	}
}

func trapHosts() []string {
	hosts := []string{"host.c.test", "x.one.test", "x.two.test", "x.three.test", "unmapped.test"}
	for _, d := range trapSite().Databases {
		hosts = append(hosts, d.Host)
	}
	return hosts
}

// trapFiles returns the files of a trap as they are to stand below dir.
func trapFiles(t testing.TB, name, dir string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("..", "..", "krb5", "conf", "testdata", "traps", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range a.Files {
		files[filepath.Join(dir, f.Name)] = strings.ReplaceAll(string(f.Data), "@DIR@", dir)
	}
	return files
}

func trapNames(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("../../krb5/conf/testdata/traps/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no trap files", err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".txtar"))
	}
	return names
}

// TestTraps pins what the models and Lint make of each file.
func TestTraps(t *testing.T) {
	for _, name := range trapNames(t) {
		t.Run(name, func(t *testing.T) {
			set := conf.Load(conf.Texts{Files: trapFiles(t, name, "/etc")}, "/etc/krb5.conf")
			var b strings.Builder
			for _, r := range reader.Readers() {
				b.WriteString(summary(reader.Read(r, set)))
			}
			for _, i := range Issues(Input{Set: set, Path: "/etc/krb5.conf", Site: trapSite()}) {
				fmt.Fprintf(&b, "%s %s %s [%s]\n    %s\n    %s\n", i.Severity, i.Code, i.At, reader.Titles(i.Readers), i.Cause, i.Remedy)
			}
			golden(t, filepath.Join("testdata", "traps", name+".want"), b.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if update() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", path, diff)
	}
}

func summary(r *reader.Reading) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", r.Reader)
	if r.Err != nil {
		fmt.Fprintf(&b, " STOPS %v", r.Err)
		if r.Reader != reader.Heimdal {
			return b.String() + "\n"
		}
	}
	fmt.Fprintf(&b, "\n  default %q, KDCs by DNS %v, %s\n", r.DefaultRealm.Value, r.DNSLookupKDC.Value, r.Transport(200))
	for _, e := range r.Realms {
		fmt.Fprintf(&b, "  %s:", e.Name)
		for _, k := range e.KDCs {
			fmt.Fprintf(&b, " %s", serverText(k))
		}
		if e.Err != nil {
			fmt.Fprintf(&b, " UNUSABLE %v", e.Err)
		}
		b.WriteByte('\n')
	}
	for _, h := range trapHosts() {
		got := r.HostRealm(h)
		fmt.Fprintf(&b, "  %s: %s %s\n", h, got.Realm, got.How)
	}
	fmt.Fprintf(&b, "  etypes %v %v %v\n", r.TicketETypes.IDs, r.ServiceETypes.IDs, r.PermittedETypes.IDs)
	return b.String()
}

// TestTrapTable holds the table against the files: each trap has one, and Lint
// makes the code of the table from it.
func TestTrapTable(t *testing.T) {
	names := trapNames(t)
	for name, code := range trapCodes() {
		if !slices.Contains(names, name) {
			t.Errorf("%s: no file", name)
			continue
		}
		set := conf.Load(conf.Texts{Files: trapFiles(t, name, "/etc")}, "/etc/krb5.conf")
		issues := Issues(Input{Set: set, Path: "/etc/krb5.conf", Site: trapSite()})
		if !slices.ContainsFunc(issues, func(i krb5conf.Issue) bool { return i.Code == code }) {
			t.Errorf("%s: Lint does not say %s", name, code)
		}
	}
	for _, name := range names {
		if slices.Contains([]string{"sound", "crlf", "boolean-bad", "include-missing", "include-cycle", "module", "no-default-realm",
			"realm-lower-case", "realm-missing", "mapping-nowhere", "stray-brace", "section-in-braces"}, name) {
			continue // all libraries agree, or as good as
		}
		if _, ok := trapCodes()[name]; !ok {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// TestSoundFilesHaveNoIssue is the other half: a finding where nothing is
// wrong teaches people not to look.
func TestSoundFilesHaveNoIssue(t *testing.T) {
	for _, name := range []string{"sound", "crlf"} {
		set := conf.Load(conf.Texts{Files: trapFiles(t, name, "/etc")}, "/etc/krb5.conf")
		for _, i := range Issues(Input{Set: set, Path: "/etc/krb5.conf", Site: trapSite()}) {
			t.Errorf("%s: %s at %s: %s", name, i.Code, i.At, i.Cause)
		}
	}
}

// trapCodes reports which finding Lint makes of the files in testdata/traps of which the
// libraries make different things.
func trapCodes() map[string]string {
	return map[string]string{
		"includedir":               CodeIncludeIgnored,
		"includedir-names":         CodeIncludeIgnored,
		"include-in-section":       CodeIncludeIgnored,
		"include-indented":         CodeIncludeIgnored,
		"include-twice":            CodeUnparsable,
		"realms-section-twice":     CodeRealmTwice,
		"realm-block-twice":        CodeRealmTwice,
		"default-realm-twice":      CodeReadersDiffer,
		"mapping-twice":            CodeReadersDiffer,
		"inline-comment":           CodeReadersDiffer,
		"inline-comment-port":      CodeRealmMissing,
		"one-line-realm":           CodeUnparsable,
		"brace-on-next-line":       CodeUnparsable,
		"brace-unclosed":           CodeUnparsable,
		"nested-block":             CodeUnparsable,
		"final-section":            CodeUnparsable,
		"section-indented":         CodeReadersDiffer,
		"section-blanks":           CodeReadersDiffer,
		"section-comment":          CodeUnparsable,
		"byte-order-mark":          CodeReadersDiffer,
		"latin1-comment":           CodeUnparsable,
		"quoted-value":             CodeReadersDiffer,
		"text-before-section":      CodeUnparsable,
		"mapping-missing":          CodeMappingMissing,
		"mapping-no-dot":           CodeMappingMissing,
		"mapping-upper-case":       CodeMappingMissing,
		"etypes-family":            CodeETypes,
		"etypes-modifier":          CodeETypes,
		"etypes-commas":            CodeETypes,
		"etypes-empty":             CodeETypes,
		"etypes-weak":              CodeETypes,
		"udp-limit-zero":           CodeUDPLimit,
		"udp-limit-default":        CodeUDPLimit,
		"udp-limit-word":           CodeUDPLimit,
		"rdns-off":                 CodeUnparsable,
		"boolean-on":               CodeReadersDiffer,
		"canonicalize-fallback":    CodeUnparsable,
		"rdns-default":             CodeRDNS,
		"dns-lookup-default":       CodeRealmMissing,
		"dns-lookup-realm-default": CodeReadersDiffer,
		"kdc-ipv6":                 CodeRealmMissing,
		"kdc-list":                 CodeReadersDiffer,
		"kdc-commas":               CodeReadersDiffer,
		"kdc-tcp":                  CodeReadersDiffer,
		"kdc-final":                CodeReadersDiffer,
		"preauth-types":            CodeUnparsable,
	}
}
