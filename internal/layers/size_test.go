package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// How large a piece may be for a reader to hold it. A table is as long as what it lists.
const (
	mostLines   = 350 // of a file
	mostInFunc  = 60  // lines of a function, beside what its tables take
	mostMethods = 30  // of a type
)

// larger reports the types that may have more methods than that, and how many:
// they may lose some.
func larger() map[string]int {
	return map[string]int{
		"internal/diagnose view":           80, // what the rules ask of the results, each question once
		"internal/bootstrap/awstest Cloud": 95, // AWS's API: a method an action
		"internal/rehearsal World":         50, // a double of all servers
		"internal/lint linter":             52,
		"internal/plan Planner":            43,
		"internal/audit inspection":        39,
	}
}

// tooLong names the functions of a file that are longer than a reader holds. A
// list or a map is a table: it does not count, nor does a text.
func tooLong(set *token.FileSet, file *ast.File) (wrong []string) {
	lines := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line }
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		long := lines(f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				long -= lines(n)
			case *ast.CompositeLit:
				if isTable(n) {
					long -= lines(n)
					return false
				}
			}
			return true
		})
		if long > mostInFunc {
			wrong = append(wrong, fmt.Sprintf("func %s has %d lines", f.Name.Name, long))
		}
	}
	return wrong
}

// isTable reports whether a literal has rows.
func isTable(l *ast.CompositeLit) bool {
	switch l.Type.(type) {
	case *ast.ArrayType, *ast.MapType:
		return len(l.Elts) > 1
	}
	return false
}

// methods counts those of each type of a folder.
func methods(parsed map[string]*ast.File) map[string]int {
	n := map[string]int{}
	for name, file := range parsed {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				of := f.Recv.List[0].Type
				if p, ok := of.(*ast.StarExpr); ok {
					of = p.X
				}
				if g, ok := of.(*ast.IndexExpr); ok {
					of = g.X
				}
				n[root(of)]++
			}
		}
	}
	return n
}

func TestSizes(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range tree(t, "") {
		for _, name := range slices.Concat(f.GoFiles, f.IgnoredGoFiles) {
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(filepath.Join(f.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(source, []byte("\n")); n > mostLines {
				t.Errorf("%s/%s has %d lines", f.path(), name, n)
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tooLong(set, file) {
				t.Errorf("%s/%s: %s", f.path(), name, w)
			}
		}
		for name, n := range methods(files(t, f)) {
			of := f.path() + " " + name
			seen[of] = true
			if most := max(larger()[of], mostMethods); n > most {
				t.Errorf("%s has %d methods, more than %d", of, n, most)
			}
		}
	}
	for of := range maps.Keys(larger()) {
		if !seen[of] {
			t.Errorf("%s is not there", of)
		}
	}
}

// The rules must catch what they are for.
func TestSizesCatch(t *testing.T) {
	body, rows := strings.Repeat("\tg()\n", 60), strings.Repeat("\t\t\"a\",\n", 60)
	for source, want := range map[string]string{
		"package x\nfunc f() {\n" + body + "}\n":                                   "func f has 61 lines",
		"package x\nfunc f() []string {\n\treturn []string{\n" + rows + "\t}\n}\n": "",
		"package x\nfunc f() {\n\th := func() {\n" + body + "}\n\th()\n}\n":        "func f has 64 lines",
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(tooLong(set, file), "; "); got != want {
			t.Errorf("said %q, want %q", got, want)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nfunc (*a) f() {}\nfunc (a) g() {}\nfunc (b[T]) h() {}\nfunc i() {}\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := methods(map[string]*ast.File{"x.go": file}); !maps.Equal(got, map[string]int{"a": 2, "b": 1}) {
		t.Errorf("counted %v", got)
	}
}
