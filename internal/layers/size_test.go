package layers

import (
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

// How large a piece may be for a reader to hold it. In a function, a table or a text is as long as
// what it lists, and does not count; of a file every line does.
const (
	mostLines   = 350 // of a file
	mostInFunc  = 60  // of a function's body
	mostMethods = 30  // of a type
)

// larger reports the types that may have more methods than that, and how many:
// they may lose some.
func larger() map[string]int {
	return map[string]int{
		"internal/diagnose view":           79, // what the rules ask of the results, each question once
		"internal/bootstrap/awstest Cloud": 87, // AWS's API: a method an action
		"internal/rehearsal World":         43, // a double of all servers
	}
}

// longer reports the functions that may have more lines than that, and how many.
func longer() map[string]int {
	return map[string]int{"internal/locate/records.go services": 70}
}

// lengths returns the lines of a file, and of the body of each of its functions.
func lengths(set *token.FileSet, file *ast.File) (whole int, functions map[string]int) {
	lines := func(n ast.Node) int { return set.Position(n.End()).Line - set.Position(n.Pos()).Line }
	listed := func(in ast.Node) (n int) {
		ast.Inspect(in, func(x ast.Node) bool {
			switch x := x.(type) {
			case *ast.BasicLit:
				n += lines(x)
			case *ast.CompositeLit:
				if isTable(x) {
					n += lines(x)
					return false
				}
			}
			return true
		})
		return n
	}
	functions = map[string]int{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			functions[f.Name.Name] = lines(f) - 1 - listed(f)
		}
	}
	return set.File(file.Pos()).LineCount(), functions
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
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			at := f.path() + "/" + name
			whole, functions := lengths(set, file)
			if whole > mostLines {
				t.Errorf("%s has %d lines, more than %d", at, whole, mostLines)
			}
			for name, n := range functions {
				if most := max(longer()[at+" "+name], mostInFunc); n > most {
					t.Errorf("%s: func %s has %d lines, more than %d", at, name, n, most)
				}
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
	for source, want := range map[string]int{
		"package x\nfunc f() {\n" + body + "}\n":                                   60,
		"package x\nfunc f() {\n\th := func() {\n" + body + "}\n\th()\n}\n":        63,
		"package x\nfunc f() []string {\n\treturn []string{\n" + rows + "\t}\n}\n": 1,
		"package x\nfunc f() string {\n\treturn `" + body + "`\n}\n":               1,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "x.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		whole, functions := lengths(set, file)
		if functions["f"] != want || whole != strings.Count(source, "\n") {
			t.Errorf("%d lines of %d, want %d: %s", functions["f"], whole, want, source)
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
