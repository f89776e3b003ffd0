package metrics

import (
	"flag"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/kerbagent/kerbagent/probe"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/metrics.md")

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what is made (-update rewrites it):\n%s", file, diff)
	}
}

func TestDocs(t *testing.T) { golden(t, "../../docs/metrics.md", Markdown()) }

// The queries of the docs must be PromQL, about metrics and labels that exist.
func TestQueries(t *testing.T) {
	rows := map[string]Row{}
	for _, r := range Table() {
		rows[r.Name] = r
	}
	for _, r := range Table() {
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Use)
		if err != nil {
			t.Errorf("%s: %v", r.Name, err)
			continue
		}
		own := false
		parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
			v, ok := n.(*parser.VectorSelector)
			if !ok {
				return nil
			}
			name := v.Name
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				if base, ok := strings.CutSuffix(name, end); ok && rows[base].Type == TypeHistogram {
					name = base
				}
			}
			own = own || name == r.Name
			for _, m := range v.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(rows[name].Labels, m.Name) {
					t.Errorf("%s: %s has no label %s", r.Name, name, m.Name)
				}
			}
			return nil
		})
		if !own {
			t.Errorf("%s: its query asks something else: %s", r.Name, r.Use)
		}
	}
}

// fromSource returns the string constants of files by name, and the names that
// they take from another package, as "probe.ReasonClosed".
func fromSource(t *testing.T, patterns ...string) (constants map[string]string, uses map[string]bool) {
	t.Helper()
	constants, uses = map[string]string{}, map[string]bool{}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s (%v)", pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := goparser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for i, v := range n.Values {
						if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
							constants[n.Names[i].Name], _ = strconv.Unquote(lit.Value)
						}
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok {
						uses[x.Name+"."+n.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	return constants, uses
}

// What each kind's code can say, and only that, is 0 from the start.
func TestReasonsAreThoseOfTheProbes(t *testing.T) {
	vocabulary, _ := fromSource(t, "../../probe/reason.go")
	const root = "../../probe/"
	anybody := []probe.Reason{probe.ReasonConnectTimeout, probe.ReasonTCPSilent, // what ReasonOf gives to whoever asks it
		probe.ReasonRefused, probe.ReasonUnreachable, probe.ReasonForbidden, probe.ReasonClosed, probe.ReasonMalformed,
		probe.ReasonCanceled, probe.ReasonInternal, probe.ReasonNoResources}
	agents := map[probe.Kind][]probe.Reason{ // of results that internal/plan and internal/check make, and of guards
		probe.KDC:      {probe.ReasonUnresolvable, probe.ReasonNotAsked},
		probe.Kpasswd:  {probe.ReasonUnresolvable},
		probe.Database: {probe.ReasonUnresolvable, probe.ReasonPaused, probe.ReasonNoRecord, probe.ReasonNotAsked},
		probe.Login:    {probe.ReasonPaused, probe.ReasonNoRecord, probe.ReasonNotAsked},
	}
	listed := map[probe.Reason]bool{}
	for kind, sources := range map[probe.Kind][]string{
		probe.DNS:      {root + "dns/*.go", root + "exchange/exchange.go"},
		probe.KDC:      {root + "kdc/*.go", root + "exchange/exchange.go"},
		probe.Kpasswd:  {root + "kpasswd/*.go", root + "exchange/exchange.go"},
		probe.Database: {root + "database/*.go"},
		probe.Login:    {root + "login/*.go", root + "database/*.go", "../locate/*.go"},
	} {
		_, uses := fromSource(t, sources...)
		can := map[probe.Reason]bool{}
		for _, r := range slices.Concat(anybody, agents[kind]) {
			can[r] = true
		}
		for name := range uses {
			if word, ok := vocabulary[strings.TrimPrefix(name, "probe.")]; ok && strings.HasPrefix(name, "probe.Reason") {
				can[probe.Reason(word)] = true
			}
		}
		got := map[probe.Reason]bool{}
		for _, r := range slices.Concat(reasonsOf(kind), skipsOf(kind)) {
			if got[r] {
				t.Errorf("%s: %s is listed twice", kind, r)
			}
			got[r], listed[r] = true, true
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(can)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Errorf("%s (- the code can say, + is listed):\n%s", kind, diff)
		}
	}
	for name, word := range vocabulary {
		if !listed[probe.Reason(word)] {
			t.Errorf("%s (%s) is listed for no kind", name, word)
		}
	}
}

func TestReasonsOfTheFileAreItsIssues(t *testing.T) {
	codes, _ := fromSource(t, "../lint/issue.go")
	want := []probe.Reason{probe.ReasonCanceled, probe.ReasonInternal}
	for name, word := range codes {
		if strings.HasPrefix(name, "Code") {
			want = append(want, probe.Reason(word))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(reasonsOf(probe.Krb5Conf)))); diff != "" {
		t.Errorf("(- internal/lint can say, + is listed):\n%s", diff)
	}
}
