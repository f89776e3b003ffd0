// Package layers holds no code, only tests: the direction of the imports that
// one pipe asks for (nothing imports back up), and the house
// rules that a machine can check. It imports nothing of kerbagent.
package layers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/kerbagent/kerbagent"

// may reports what of this module each package may import: the packages that begin
// so, where an entry ends in a slash, else that one package. The longest key that
// fits a package counts. A folder that is not here fails the test: find its place.
func may() map[string][]string {
	readers := []string{"internal/diagnose", "probe"}
	return map[string][]string{
		"cmd/": {"config", "dashboards", "internal/", "probe", "probe/exchange"},
		// The pipe, from the names to the findings.
		"internal/discover":         {"config", "probe", "probe/dns"},
		"internal/discover/dnstest": nil,
		"internal/guard":            {"config", "internal/ledger", "internal/schedule", "probe", "probe/database", "probe/login"},
		"internal/secrets":          {"config", "probe/login", "krb5/client", "krb5/keys"},
		"internal/plan":             {"config", "internal/discover", "internal/schedule", "probe", "probe/", "krb5/client", "mysql/kerberos"},
		"internal/check": {"config", "internal/diagnose", "internal/discover", "internal/guard", "internal/krb5file", "internal/ledger", "internal/locate", "internal/plan",
			"internal/secrets", "krb5/conf/reader", "probe", "probe/login"},
		"internal/explain": append(readers, "internal/metrics", "internal/recorder", "internal/report", "internal/results", "internal/schedule"),
		"internal/daemon": {"config", "internal/audit", "internal/awsview", "internal/diagnose", "internal/discover", "internal/explain", "internal/guard", "internal/keeper", "internal/krb5file",
			"internal/ledger", "internal/locate", "internal/metrics", "internal/plan", "internal/recorder", "internal/report", "internal/results", "internal/schedule",
			"internal/secrets", "internal/web", "probe", "probe/login"},
		"internal/host":                 {"probe", "probe/dns"},
		"internal/ladder":               {"probe"},
		"internal/locate":               {"config", "internal/host", "krb5/conf", "krb5/conf/reader", "krb5/sendto", "probe", "probe/dns", "probe/login"},
		"internal/keeper":               {"config", "internal/krb5file", "probe", "krb5/conf", "krb5/conf/"},
		"internal/krb5file":             {"config", "internal/lint", "internal/ownership", "probe", "probe/krb5conf", "krb5/conf", "krb5/conf/", "krb5/keys"},
		"internal/awsapi":               nil,
		"internal/awsview":              {"config", "internal/awsapi", "probe"},
		"internal/bootstrap":            {"config", "dashboards", "internal/awsapi", "internal/bootstrap/", "internal/diagnose", "internal/report", "probe"},
		"internal/bootstrap/aduser":     {"krb5/client"},
		"internal/bootstrap/awstest":    nil,
		"internal/bootstrap/dbuser":     {"config"},
		"internal/bootstrap/mysqlfront": nil,
		"internal/rehearsal":            {"config", "dashboards", "internal/diagnose", "internal/ledger", "probe", "mysql", "mysql/", "krb5/"},
		"internal/results":              append(readers, "internal/schedule"),
		"internal/metrics":              readers,
		"internal/recorder":             {"internal/report", "probe"},
		"internal/report":               append(readers, "internal/ladder"),
		"internal/schedule":             nil,
		"internal/web":                  append(readers, "docs", "internal/ladder", "internal/results", "internal/recorder", "internal/report"),
		"internal/diagnose":             {"krb5/sendto", "probe"},
		"internal/audit":                {"config", "probe", "krb5/"},
		"internal/audit/audittest":      nil,
		"internal/ledger":               nil,
		"internal/liar":                 nil,
		"internal/lint":                 {"internal/spelling", "krb5/conf", "krb5/conf/", "probe/krb5conf"},
		"internal/layers":               nil,
		"internal/ownership":            nil,
		"internal/socket":               nil,
		"internal/spelling":             nil,
		"config":                        {"internal/ownership", "internal/spelling"},
		"dashboards":                    nil,
		"docs":                          nil,
		"dashboards/dashboardstest":     {"dashboards"},
		"packaging":                     nil,
		"systemd":                       nil,
		"probe":                         nil,
		"probe/":                        {"probe", "probe/exchange", "mysql", "krb5/"},
		"probe/exchange":                {"probe", "krb5/kdcwire"},
		"probe/database":                {"probe", "mysql", "mysql/kerberos"},
		"probe/login":                   {"probe", "probe/database", "mysql", "mysql/kerberos", "krb5/"},
		"mysql":                         {"internal/socket"},
		"mysql/mysqltest":               {"mysql"},
		"mysql/kerberos":                {"mysql", "krb5/"},
		"krb5/conf":                     nil,
		"krb5/conf/reader":              {"krb5/conf"},
		"krb5/conf/site":                {"krb5/conf", "krb5/conf/reader"},
		"krb5/conf/apply":               {"internal/ownership", "krb5/conf", "krb5/conf/reader", "krb5/conf/site"},
		"krb5/keys":                     nil,
		"krb5/sendto":                   nil,
		"krb5/der":                      nil,
		"krb5/kdcwire":                  {"internal/socket", "krb5/der"},
		"krb5/client":                   {"krb5/der", "krb5/kdcwire", "krb5/keys"},
		"krb5/krb5test":                 {"krb5/kdcwire", "krb5/keys"},
		"lab/":                          {"lab/"},
		"lab/front":                     {"internal/bootstrap/mysqlfront"},
		"lab/bench":                     {"lab/capture", "mysql", "mysql/kerberos", "krb5/client", "probe", "probe/", "internal/diagnose", "internal/results", "internal/metrics", "internal/schedule"},

		"internal/bootstrap/aduser/ldaptest": {"krb5/krb5test"},
	}
}

// never lists the packages of other modules that a part of the tree must not import.
type never struct {
	part   string // the packages below it
	except bool   // or all the others
	what   string // import paths that begin so
	tests  bool   // in tests too
	why    string
}

func bans() []never {
	b := []never{{part: "krb5/", except: true, what: "github.com/jcmturner/", tests: true, why: "gokrb5 stays inside krb5/ (decision 5)"}}
	for _, p := range []string{"asn1tools", "client", "config", "credentials", "gssapi", "kadmin", "keytab", "messages", "pac", "service", "spnego", "types"} {
		b = append(b, never{part: "krb5/client", what: "github.com/jcmturner/gokrb5/v8/" + p, why: "of gokrb5 only its cryptography (docs/security.md)"})
	}
	for _, part := range []string{"probe", "mysql", "krb5"} {
		for _, what := range []string{"github.com/spf13/cobra", "github.com/aws/", "github.com/prometheus/"} {
			b = append(b, never{part: part, what: what, tests: true, why: "protocols and probes know neither commands nor AWS nor metrics"})
		}
		for _, what := range []string{"log", "log/slog"} {
			b = append(b, never{part: part, what: what, why: "protocols and probes return evidence and do not log"})
		}
	}
	return b
}

// folder is what `go list` says of a package.
type folder struct {
	ImportPath, Name, Dir                              string
	Imports, TestImports, XTestImports                 []string
	GoFiles, TestGoFiles, XTestGoFiles, IgnoredGoFiles []string
	Error                                              *struct{ Err string }
}

func (f folder) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(f.ImportPath, module), "/")
}

// tree lists the packages of the module, as they are with these build tags.
func tree(t *testing.T, tags string) []folder {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json", "-tags", tags, module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var folders []folder
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var f folder
		if err := d.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		folders = append(folders, f)
	}
	if len(folders) == 0 {
		t.Fatal("go list finds no package")
	}
	return folders
}

func begins(importPath, what string) bool {
	return importPath == strings.TrimSuffix(what, "/") || strings.HasPrefix(importPath, strings.TrimSuffix(what, "/")+"/")
}

// row finds what a package may import.
func row(p string) (allowed []string, found bool) {
	longest := -1
	for key, list := range may() {
		if (key == p || strings.HasSuffix(key, "/") && strings.HasPrefix(p, key)) && len(key) > longest {
			longest, allowed, found = len(key), list, true
		}
	}
	return allowed, found
}

// wrongImports names each import of f that points the wrong way.
func wrongImports(f folder) (wrong []string) {
	p := f.path()
	allowed, found := row(p)
	if !found {
		return []string{fmt.Sprintf("%s: no place in the layers", p)}
	}
	for _, i := range f.Imports {
		if ours, ok := strings.CutPrefix(i, module+"/"); ok && !slices.ContainsFunc(allowed, func(a string) bool {
			return a == ours || strings.HasSuffix(a, "/") && strings.HasPrefix(ours, a)
		}) {
			wrong = append(wrong, fmt.Sprintf("%s must not import %s", p, ours))
		}
	}
	for _, b := range bans() {
		imports := f.Imports
		if b.tests {
			imports = slices.Concat(f.Imports, f.TestImports, f.XTestImports)
		}
		if begins(p, b.part) == b.except {
			continue
		}
		for _, i := range imports {
			// "log" means that package, "github.com/aws/" all below it
			if i == b.what || strings.Contains(b.what, ".") && begins(i, b.what) {
				wrong = append(wrong, fmt.Sprintf("%s must not import %s: %s", p, i, b.why))
			}
		}
	}
	return wrong
}

func wrongName(f folder) string {
	base := path.Base(f.ImportPath)
	switch {
	case slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "shared"}, base):
		return fmt.Sprintf("%s: a name that says nothing", f.path())
	case f.Name != "main" && f.Name != "" && f.Name != base:
		return fmt.Sprintf("%s: the folder holds package %s", f.path(), f.Name)
	}
	return ""
}

func TestLayers(t *testing.T) {
	for _, tags := range []string{"", "lab,prometheus,browser,awscli,packages,systemd"} {
		for _, f := range tree(t, tags) {
			for _, w := range wrongImports(f) {
				t.Error(w)
			}
			if w := wrongName(f); w != "" {
				t.Error(w)
			}
		}
	}
}

// The rules must catch what they are for.
func TestLayersCatch(t *testing.T) {
	for _, c := range []struct {
		name string
		f    folder
		want string // part of what is said; empty: nothing is
	}{
		{"fine", folder{ImportPath: module + "/probe/kdc", Imports: []string{"context", module + "/krb5/client", module + "/probe"}}, ""},
		{"back up", folder{ImportPath: module + "/probe/kdc", Imports: []string{module + "/internal/diagnose"}}, "must not import internal/diagnose"},
		{"config from below", folder{ImportPath: module + "/krb5/client", Imports: []string{module + "/config"}}, "must not import config"},
		{"sideways", folder{ImportPath: module + "/probe/kdc", Imports: []string{module + "/probe/dns"}}, "must not import probe/dns"},
		{"mysql knows no Kerberos", folder{ImportPath: module + "/mysql", Imports: []string{module + "/krb5/client"}}, "must not import krb5/client"},
		{"a new folder", folder{ImportPath: module + "/tools"}, "no place"},
		{"gokrb5 above", folder{ImportPath: module + "/probe/login", TestImports: []string{"github.com/jcmturner/gokrb5/v8/messages"}}, "stays inside krb5"},
		{"gokrb5's network", folder{ImportPath: module + "/krb5/client", Imports: []string{"github.com/jcmturner/gokrb5/v8/client"}}, "only its cryptography"},
		{"gokrb5's messages", folder{ImportPath: module + "/krb5/client", Imports: []string{"github.com/jcmturner/gokrb5/v8/messages"}}, "only its cryptography"},
		{"gokrb5's cryptography", folder{ImportPath: module + "/krb5/client", Imports: []string{"github.com/jcmturner/gokrb5/v8/crypto"}}, ""},
		{"logs", folder{ImportPath: module + "/mysql", Imports: []string{"log/slog"}}, "do not log"},
		{"metrics", folder{ImportPath: module + "/krb5/keys", Imports: []string{"github.com/prometheus/client_golang/prometheus"}}, "know neither"},
		{"commands", folder{ImportPath: module + "/probe", Imports: []string{"github.com/spf13/cobra"}}, "know neither"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(wrongImports(c.f), "; ")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
	if wrongName(folder{ImportPath: module + "/internal/util", Name: "util"}) == "" || wrongName(folder{ImportPath: module + "/probe/dns", Name: "dnsprobe"}) == "" {
		t.Error("bad names are not caught")
	}
}
