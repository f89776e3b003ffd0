package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files parses all Go files of a folder, whatever their build tags.
func files(t *testing.T, f folder) map[string]*ast.File {
	t.Helper()
	parsed := map[string]*ast.File{}
	for _, name := range slices.Concat(f.GoFiles, f.TestGoFiles, f.XTestGoFiles, f.IgnoredGoFiles) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(f.Dir, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		parsed[name] = file
	}
	return parsed
}

// wrongDoc reports so unless exactly one file has the package's doc.
func wrongDoc(parsed map[string]*ast.File) string {
	var documented []string
	for name, file := range parsed {
		if file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != "" && !strings.HasSuffix(file.Name.Name, "_test") {
			documented = append(documented, name)
		}
	}
	if len(documented) != 1 {
		slices.Sort(documented)
		return fmt.Sprintf("one file has the package's doc, here %d do: %v", len(documented), documented)
	}
	return ""
}

// wrongState names functions init, and package-level variables that something
// changes or that are there to be changed. Tables that are only read are fine.
func wrongState(parsed map[string]*ast.File) (wrong []string) {
	variables := map[string]bool{}
	for name, file := range parsed {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					wrong = append(wrong, name+": func init")
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR || embeds(d.Doc) {
					continue
				}
				for _, s := range d.Specs {
					v := s.(*ast.ValueSpec)
					for _, n := range v.Names {
						if n.Name == "_" {
							continue
						}
						variables[n.Name] = true
						if why := mutable(v); why != "" {
							wrong = append(wrong, fmt.Sprintf("%s: package-level %s %s", name, n.Name, why))
						}
					}
				}
			}
		}
	}
	for name, file := range parsed {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, n := range changed(file, variables) {
			wrong = append(wrong, fmt.Sprintf("%s: changes package-level %s", name, n))
		}
	}
	return wrong
}

// embeds reports whether the linker fills a variable.
func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// mutable tells a variable that is of no use unless it changes.
func mutable(v *ast.ValueSpec) string {
	if s, ok := v.Type.(*ast.SelectorExpr); ok {
		if p, ok := s.X.(*ast.Ident); ok && (p.Name == "sync" || p.Name == "atomic") {
			return "is of type " + p.Name + "." + s.Sel.Name
		}
	}
	for _, value := range v.Values {
		if c, ok := value.(*ast.CallExpr); ok {
			if f, ok := c.Fun.(*ast.Ident); ok && (f.Name == "make" || f.Name == "new") {
				return "begins empty"
			}
		}
		if c, ok := value.(*ast.CompositeLit); ok && len(c.Elts) == 0 {
			if _, ok := c.Type.(*ast.MapType); ok {
				return "begins empty"
			}
		}
	}
	if len(v.Values) == 0 {
		return "begins empty"
	}
	return ""
}

// changed finds assignments to package-level variables, to their parts, and
// other ways to change them. A name that a function declares itself is its own.
func changed(file *ast.File, variables map[string]bool) (names []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		own := declared(f)
		note := func(e ast.Expr) {
			if n := root(e); variables[n] && !own[n] {
				names = append(names, n)
			}
		}
		ast.Inspect(f.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, l := range n.Lhs {
						note(l)
					}
				}
			case *ast.IncDecStmt:
				note(n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					note(n.X)
				}
			case *ast.CallExpr:
				if b, ok := n.Fun.(*ast.Ident); ok && (b.Name == "delete" || b.Name == "clear") && len(n.Args) > 0 {
					note(n.Args[0])
				}
			}
			return true
		})
	}
	return names
}

// root is the variable that an expression is a part of: m of m[1].x.
func root(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// declared are the names that a function declares: parameters, results, locals.
func declared(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, i := range n.Names {
				names[i.Name] = true
			}
		case *ast.ValueSpec:
			for _, i := range n.Names {
				names[i.Name] = true
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, l := range n.Lhs {
					names[root(l)] = true
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				names[root(n.Key)] = true
				if n.Value != nil {
					names[root(n.Value)] = true
				}
			}
		}
		return true
	})
	return names
}

func TestSources(t *testing.T) {
	for _, f := range tree(t, "") {
		parsed := files(t, f)
		if len(parsed) == 0 {
			continue
		}
		if w := wrongDoc(parsed); w != "" {
			t.Errorf("%s: %s", f.path(), w)
		}
		for _, w := range wrongState(parsed) {
			t.Errorf("%s/%s", f.path(), w)
		}
	}
}

// The rules must catch what they are for.
func TestSourcesCatch(t *testing.T) {
	for _, c := range []struct {
		name, source, want string
	}{
		{"table that is read", "// Package x.\npackage x\nvar names = map[int]string{1: \"a\"}\nfunc f() string { return names[1] }", ""},
		{"local of the same name", "// Package x.\npackage x\nvar n = 1\nfunc f() { n := 2; n = 3; _ = n }", ""},
		{"guard", "// Package x.\npackage x\nvar _ error = e{}", ""},
		{"embedded", "// Package x.\npackage x\n\n//go:embed a.txt\nvar a string", ""},
		{"blank", "// Package x.\npackage x\nvar _ error = e{}\nfunc f() { _, _ = g() }", ""},
		{"init", "// Package x.\npackage x\nfunc init() {}", "func init"},
		{"registry", "// Package x.\npackage x\nvar kinds = map[string]int{}", "begins empty"},
		{"registry, made", "// Package x.\npackage x\nvar kinds = make(map[string]int)", "begins empty"},
		{"assigned", "// Package x.\npackage x\nvar n = 1\nfunc f() { n = 2 }", "changes package-level n"},
		{"entry added", "// Package x.\npackage x\nvar m = map[int]int{1: 1}\nfunc f() { m[2] = 2 }", "changes package-level m"},
		{"counted", "// Package x.\npackage x\nvar n = 1\nfunc f() { n++ }", "changes package-level n"},
		{"address taken", "// Package x.\npackage x\nvar n = 1\nfunc f() *int { return &n }", "changes package-level n"},
		{"deleted", "// Package x.\npackage x\nvar m = map[int]int{1: 1}\nfunc f() { delete(m, 1) }", "changes package-level m"},
		{"lock", "// Package x.\npackage x\nvar mu sync.Mutex", "sync.Mutex"},
		{"zero value", "// Package x.\npackage x\nvar last int", "begins empty"},
		{"no doc", "package x", "here 0 do"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "x.go", c.source, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			parsed := map[string]*ast.File{"x.go": file}
			said := wrongState(parsed)
			if w := wrongDoc(parsed); w != "" {
				said = append(said, w)
			}
			got := strings.Join(said, "; ")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("said %q, want %q", got, c.want)
			}
		})
	}
	two := map[string]*ast.File{}
	for _, name := range []string{"a.go", "b.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, "// Package x.\npackage x", parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		two[name] = file
	}
	if wrongDoc(two) == "" {
		t.Error("two docs are not caught")
	}
}
